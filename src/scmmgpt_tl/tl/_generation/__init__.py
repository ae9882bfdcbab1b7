"""Generating cells: texts, genes, sizes, and what is expected of them."""
