"""A pinned Cell Ontology: names, synonyms, definitions, parents, roll-up."""

from __future__ import annotations

from ._cell_ontology import CellOntology, Term, load
from ._roll_up import RollUp, roll_up

__all__ = ["CellOntology", "RollUp", "Term", "load", "roll_up"]
