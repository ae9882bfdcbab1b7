"""Labels of a reference for other cells."""
