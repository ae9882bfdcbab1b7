"""Explaining a label: who is set against whom, and what each gene adds."""
