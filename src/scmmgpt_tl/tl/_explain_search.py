"""Explaining a search by its words."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scanpy import logging as logg

from scmmgpt_tl import ontology
from scmmgpt_tl._docs import ADATA_OR_PATH, doc_params
from scmmgpt_tl._keys import ExplanationKeys
from scmmgpt_tl._results import Results
from scmmgpt_tl.get._record import read_record

from ._annotated import check_model
from ._arguments import check_whole
from ._kernels import cosines
from ._labels import embed_wordings
from ._on_files import takes_paths
from ._search import read_query
from ._session import open_session

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model
    from scmmgpt_tl.pp._counts import Counts
    from scmmgpt_tl.pp._genes import Asked

    from ._on_files import Paths

_MOST, _SHARE = 50, 10


@takes_paths(at_once=True, keys=["key"])
@doc_params(adata=ADATA_OR_PATH)
def explain_search(
    adata: AnnData | MuData | Paths,
    *,
    key: str = "scmm_search",
    n_cells: int | None = None,
    model: Model | str | Path | None = None,
    key_added: str = "scmm_search_explanation",
    layer: str | None = None,
    counts: Counts = "auto",
    gene_symbols: str | None = None,
    species: Asked = "auto",
    mod: str | None = None,
    batch_size: int | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Say which words of a query pulled the cells that :func:`search` found.

    Each word is left out, and the search made again. The cells found are those that fit best with
    all words. What a word pulls is how much less they stand out from all other cells without it.
    The definition of a term that the Cell Ontology knows was searched for as well, and its words are
    among them. Whether these are the words that a search hangs on is measured in
    :ref:`the benchmarks <search-words-benchmark>`.

    Parameters
    ----------
    {adata}
        Searched by :func:`search`.
    key
        The `key_added` of the search.
    n_cells
        How many cells count as found; by default a tenth of them, at most 50.
    {model}
        The one that the search was made with.
    {key_added}
    {layer}
    {counts}
    {gene_symbols}
    {species}
    {mod}
    {batch_size}
    {copy}

    Returns
    -------
    Returns `None` if `copy=False`, else a copy of `adata`, of a path the results without the genes.
    Sets the following field:

    `adata.uns['scmm_search_explanation' | key_added]` : :class:`dict`
        `params` of the call; `words`, a frame with `text` (`"query"` or `"definition"`), `place`
        (from 1), `word`, `pull` (above zero for a word that sets the cells found apart) and `kept`
        (share of these cells that are found without it too); and `lead`, how much higher the mean
        score of the cells found is than that of all others.

    Raises
    ------
    ValueError
        There is no search under `key`, it was made with another model, or of one word alone; there
        are no cells beside those found; or the values or genes cannot be used.

    Examples
    --------
    >>> import scmmgpt_tl as scmm
    >>> adata = scmm.datasets.immune_mini()[:50].copy()
    >>> scmm.tl.search(adata, "B cell that makes antibodies")
    >>> scmm.tl.explain_search(adata)
    >>> scmm.get.explanation_df(adata, key="scmm_search_explanation")["word"].tolist()
    ['B', 'cell', 'that', 'makes', 'antibodies']

    See Also
    --------
    scmmgpt_tl.tl.explain : the genes that made a label.
    """
    keys = ExplanationKeys(key_added)
    session = open_session(
        adata,
        model=model,
        layer=layer,
        counts=counts,
        gene_symbols=gene_symbols,
        species=species,
        mod=mod,
        copy=copy,
    )
    params = read_record(session.adata, key, needs="params", tool="search")["params"]
    if "query" not in params:
        msg = f"adata.uns[{key!r}] holds no search. Name the `key_added` of one as `key`."
        raise ValueError(msg)
    check_model(params, session.model, key)
    query = str(params["query"])
    n_found = _read_number(n_cells, session.n_obs)
    _, wordings = read_query(query, ontology=ontology.load())
    gaps = leave_words_out(wordings, query=query)
    if not gaps:
        msg = f"The query {query!r} is one word: nothing is left without it."
        raise ValueError(msg)
    start = logg.info(f"explaining the search for {query!r} by {len(gaps)} words")
    text = embed_wordings([wordings, *(gap.wordings for gap in gaps)], session.model)
    found = session.run(cosines(session.model, text), batch_size=batch_size, desc="explain")
    lead, kept = leads(found["cosine"], n_found)
    words = pd.DataFrame(
        {
            "text": [gap.text for gap in gaps],
            "place": [gap.place for gap in gaps],
            "word": [gap.word for gap in gaps],
            "pull": (lead[0] - lead[1:]).astype(np.float32),
            "kept": kept[1:].astype(np.float32),
        }
    )
    record = {
        "params": session.params(query=query, key=key, n_cells=n_found, key_added=key_added),
        "words": words,
        "lead": float(lead[0]),
    }
    Results(uns={keys.uns: record}).write(session.found, start=start)
    return session.data if copy else None


class Gap(NamedTuple):
    """A query without one of its words.

    Parameters
    ----------
    text
        Where the word stood, in the `"query"` or in the `"definition"` of its term.
    place
        Number of the word there, from 1.
    word
        The word.
    wordings
        What is left of the texts.
    """

    text: str
    place: int
    word: str
    wordings: tuple[str, ...]


def leave_words_out(wordings: Sequence[str], *, query: str) -> list[Gap]:
    """Leave out each word of each text; a text of one word goes as a whole, unless it is alone.

    Parameters
    ----------
    wordings
        The texts that stand for a query.
    query
        As the user wrote it.

    Examples
    --------
    >>> [gap.wordings for gap in leave_words_out(["mast cell"], query="mast cell")]
    [('cell',), ('mast',)]
    """
    gaps = []
    for i, wording in enumerate(wordings):
        words = wording.split()
        for place, word in enumerate(words):
            rest = " ".join([*words[:place], *words[place + 1 :]])
            left = (*wordings[:i], *([rest] if rest else []), *wordings[i + 1 :])
            if left:
                text = "query" if wording == query.strip() else "definition"
                gaps.append(Gap(text, place + 1, word.strip(".,;:()"), left))
    return gaps


def leads(
    cosine: NDArray[np.floating], n_found: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how far the cells found by the first text lead with each text, and how many it keeps.

    Parameters
    ----------
    cosine
        Similarities, `(n_cells, n_texts)`.
    n_found
        How many cells count as found.

    Returns
    -------
    Mean similarity of these cells less that of all others, and the share of them that a text finds
    too, both `(n_texts,)`.
    """
    ranks = np.argsort(np.argsort(-cosine, axis=0, kind="stable"), axis=0)
    found = ranks[:, 0] < n_found
    values = cosine.astype(np.float64)
    lead = values[found].mean(axis=0) - values[~found].mean(axis=0)
    return lead, (ranks[found] < n_found).mean(axis=0)


def _read_number(n_cells: int | None, n_obs: int) -> int:
    if n_cells is None:
        n_cells = max(min(n_obs // _SHARE, _MOST), 1)
    check_whole("n_cells", n_cells, least=1)
    if n_cells >= n_obs:
        msg = (
            f"`n_cells` is {n_cells}, but of {n_obs} cells some must be left to compare with. Ask "
            "for fewer."
        )
        raise ValueError(msg)
    return n_cells
