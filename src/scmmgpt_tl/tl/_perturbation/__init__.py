"""Perturbations: what was done, what changed, and what would change."""
