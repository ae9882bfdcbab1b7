"""Ways to find the genes of a text, and those that belong to other genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scmmgpt_tl.model.gene_space import gene_vectors, unit_rows
from scmmgpt_tl.tl._genes.text_genes import score_genes
from scmmgpt_tl.train.reference import read_profiles

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from _sentences import SentenceEncoder
    from numpy.typing import NDArray

    from scmmgpt_tl.model import Model
    from scmmgpt_tl.model.genes import GeneTable

PER_CELL = 1e4


def of_texts(
    names: Sequence[str], model: Model, *, encoder: SentenceEncoder, sentences: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    """Score all genes for each text, (texts, genes), by the name of the way.

    Parameters
    ----------
    names
        The texts.
    model
        Reads them.
    encoder
        Reads them too.
    sentences
        What it says of the genes' descriptions, (genes, width); zero where there is none.
    """
    rng = np.random.default_rng(0)
    return {
        "description": np.stack([score_genes(text, model, by="description") for text in names]),
        "expression": np.stack([score_genes(text, model, by="expression") for text in names]),
        "minilm": encoder.embed(names) @ sentences.T,
        "chance": rng.random((len(names), len(sentences)), dtype=np.float32),
    }


def of_genes(
    model: Model, sentences: NDArray[np.float32], profiles: Sequence[Path]
) -> dict[str, NDArray[np.float32]]:
    """Give genes unit vectors, (genes, width), by the name of the way.

    Parameters
    ----------
    model
        Its own vectors.
    sentences
        What a sentence encoder says of the genes' descriptions.
    profiles
        Files of mean expression of cell types; genes are alike that rise and fall together.
    """
    rng = np.random.default_rng(0)
    ways = {space: gene_vectors(model, space) for space in ("both", "cell", "type")}
    noise = rng.normal(size=(len(sentences), 64)).astype(np.float32)
    described = sentences.any(axis=1, keepdims=True)
    mean = sentences.sum(0) / described.sum()
    return {
        **ways,
        "profiles": together(profiles, model.genes),
        "minilm": unit_rows(np.where(described, sentences - mean, 0)),
        "chance": unit_rows(noise),
    }


def together(paths: Sequence[Path], genes: GeneTable) -> NDArray[np.float32]:
    """Return vectors whose cosines are correlations of log expression over profiles."""
    shares = read_profiles(paths, genes).shares
    logs = np.log1p(PER_CELL * shares)
    return unit_rows((logs - logs.mean(0)).T.copy())


def describe(
    genes: Sequence[int], texts: Mapping[int, str], encoder: SentenceEncoder, *, n_genes: int
) -> NDArray[np.float32]:
    """Embed the descriptions of some genes, (n_genes, width); the others are zero."""
    # Like lengths side by side, so that little is padded.
    order = sorted(genes, key=lambda gene: len(texts[gene]))
    found = encoder.embed([texts[gene] for gene in order])
    vectors = np.zeros((n_genes, found.shape[1]), dtype=np.float32)
    vectors[order] = found
    return vectors
