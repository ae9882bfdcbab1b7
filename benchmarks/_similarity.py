"""How well texts fit cells, by this package and by a sentence encoder."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from _data import read_query
from _sentences import SentenceEncoder, cell_sentences

from scmmgpt_tl.tl._kernels import cosines
from scmmgpt_tl.tl._labels import embed_wordings
from scmmgpt_tl.tl._session import open_session

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from _data import Study
    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model
    from scmmgpt_tl.model.genes import GeneTable


def by_model(
    study: Study, wordings: Sequence[Sequence[str]], *, model: Model
) -> NDArray[np.float32]:
    """Return what `tl.search` scores cells with, of all texts in one go, (cells, texts).

    Parameters
    ----------
    study
        Its cells.
    wordings
        The ways in which each text is said.
    model
        Compares them.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        session = open_session(
            study.adata,
            model=model,
            layer=None,
            counts=study.counts,
            gene_symbols=None,
            species="auto",
            mod=None,
            copy=True,
        )
        text = embed_wordings(wordings, model)
        return session.run(cosines(model, text), batch_size=None, desc="compare")["cosine"]


def by_sentences(
    study: Study, wordings: Sequence[Sequence[str]], *, encoder: SentenceEncoder, genes: GeneTable
) -> NDArray[np.float32]:
    """Return the cosine of cell sentences and texts, (cells, texts).

    Parameters
    ----------
    study
        Its cells.
    wordings
        The ways in which each text is said.
    encoder
        Embeds both.
    genes
        Gene table that cells are read with.
    """
    cells = encoder.embed(cell_sentences(read_query(study, genes), genes))
    return cells @ encoder.embed_wordings(wordings).T
