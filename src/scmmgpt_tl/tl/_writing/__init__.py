"""Descriptions: the evidence of a group, and the words for it."""
