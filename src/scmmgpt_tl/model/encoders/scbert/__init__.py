"""scBERT: every gene with a bin of its expression, read by a Performer."""
