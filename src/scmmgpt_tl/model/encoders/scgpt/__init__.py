"""scGPT: gene symbols with binned values, read by a transformer together with a token of the cell."""
