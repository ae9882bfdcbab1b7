"""Comparing two groups of cells: tables, differences, cautions, and the account of them."""
