"""Cells that decide together: where they lie, and what spreads among them."""
