"""Cells read on the workers of a Dask cluster."""
