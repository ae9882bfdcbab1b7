"""What antibodies say of cells: their names, who is positive, and what to expect of a cell type."""
