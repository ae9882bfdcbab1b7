"""From what the model says of cells to answers: scores, labels, levels, verdicts."""
