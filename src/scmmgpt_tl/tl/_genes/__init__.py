"""Sets of genes, and the genes that words mean."""
