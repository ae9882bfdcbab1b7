"""Geneformer: genes in the order of their expression relative to that in all cells, read by a BERT."""
