"""Labelled real cells: in memory where they fit, else read from disk as they are needed."""
