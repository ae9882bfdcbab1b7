"""Bringing batches together, inside the labels that the model gives."""
