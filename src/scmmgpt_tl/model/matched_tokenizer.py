"""Counts over the genes of a model to tokens of an encoder that has a gene table of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix

from .encoders.published import cell_part

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from .encoder_model import Tokenizer
    from .genes import GeneTable
    from .tokens import GeneTokens

_KEYS = {"kind", "columns", "n_columns", "tokenizer"}


@dataclass(frozen=True, eq=False)
class MatchedTokenizer:
    """Tokenizer of an encoder, seen through the gene table of a model.

    A gene that the encoder does not know is as good as silent to it. Where two genes of the model
    are one of the encoder's, their counts are added up.

    Parameters
    ----------
    kind
        Of the encoder.
    own
        Tokenizer of counts over the encoder's genes.
    columns
        Column of each gene in the encoder's table, (genes,), -1 for those that it does not know.
    n_columns
        Genes of the encoder.
    """

    kind: str
    own: Tokenizer
    columns: NDArray[np.int64]
    n_columns: int

    @classmethod
    def between(
        cls, genes: GeneTable, *, kind: str, own: Tokenizer, table: GeneTable
    ) -> MatchedTokenizer:
        """Match the genes of a model with those of an encoder.

        Parameters
        ----------
        genes
            Of the model.
        kind, own
            As in the class.
        table
            Genes of the encoder.
        """
        return cls(kind, own, np.array(genes.places_in(table), dtype=np.int64), len(table))

    @property
    def n_known(self) -> int:
        """Genes of the model that the encoder knows."""
        return int((self.columns >= 0).sum())

    def __call__(self, rows: csr_matrix) -> GeneTokens:
        """Tokenise counts (cells, genes of the model), without explicit zeros."""
        columns = self.columns[rows.indices]
        known = columns >= 0
        offsets = np.concatenate([[0], np.cumsum(known)])[rows.indptr]
        seen = csr_matrix(
            (rows.data[known], columns[known], offsets), shape=(rows.shape[0], self.n_columns)
        )
        # Sorts as well.
        seen.sum_duplicates()
        return self.own(seen)

    def to_json(self) -> str:
        """Write down everything that :meth:`read` needs."""
        found = {
            "kind": self.kind,
            "n_columns": self.n_columns,
            "tokenizer": cell_part(self.kind).write_tokenizer(self.own),
            "columns": self.columns.tolist(),
        }
        return json.dumps(found) + "\n"

    @classmethod
    def read(cls, path: Path) -> MatchedTokenizer:
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        ValueError
            If the file holds anything else.
        """
        try:
            raw = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            msg = f"{path} is not JSON ({error}). Get the bundle again."
            raise ValueError(msg) from error
        if not isinstance(raw, dict) or raw.keys() != _KEYS or not _are_places(raw):
            msg = (
                f"{path} must hold {', '.join(sorted(_KEYS))}, with a column below `n_columns` for "
                "each gene, or -1. Get the bundle again."
            )
            raise ValueError(msg)
        own = cell_part(raw["kind"]).build_tokenizer(raw["tokenizer"], n_genes=raw["n_columns"])
        columns = np.array(raw["columns"], dtype=np.int64)
        return cls(raw["kind"], own, columns, raw["n_columns"])


def _are_places(raw: dict[str, object]) -> bool:
    columns, n = raw["columns"], raw["n_columns"]
    return (
        isinstance(n, int)
        and isinstance(columns, list)
        and isinstance(raw["tokenizer"], dict)
        and all(isinstance(place, int) and -1 <= place < n for place in columns)
    )
