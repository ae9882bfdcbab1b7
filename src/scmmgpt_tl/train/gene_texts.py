"""Where genes start: near those of which alike things are written."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from scmmgpt_tl.model.bridge import Bridge
from scmmgpt_tl.model.encoders.geneset import GENE_STD
from scmmgpt_tl.model.padding import masked_mean, pad_texts

from .genes import read_gene_text
from .start_bridge import read_text_tokenizer, start_bridge

if TYPE_CHECKING:
    from pathlib import Path

    from scmmgpt_tl.model.config import BridgeConfig
    from scmmgpt_tl.model.scmmgpt import ScMMGPT

    from .config import RunConfig
    from .material import Material

TEXTS_AT_ONCE, TEXT_TOKENS = 256, 64


class Written(NamedTuple):
    """What is written about genes, as vectors."""

    rows: torch.Tensor  # (described,) row of the gene table
    vectors: torch.Tensor  # (described, hidden) standardised


@torch.no_grad()
def start_genes(network: ScMMGPT, config: RunConfig, material: Material) -> None:
    """Mix each gene's starting vector with a random projection of its description's vector.

    Genes with like descriptions start near each other, also those that no profile measured.
    """
    written = read_descriptions(
        config.bert, config.gene_text, material.genes.symbols, network.config.bridge
    )
    width = network.config.encoder.width
    projection = torch.randn(written.vectors.shape[1], width) / np.sqrt(written.vectors.shape[1])
    table = network.cell_encoder.genes.weight
    spread = 0.7 * GENE_STD
    table[written.rows] = 0.7 * table[written.rows] + spread * written.vectors @ projection


# Minutes of work, and the same for all seeds and variants of a run.
@lru_cache(maxsize=1)
def read_descriptions(
    bert: Path, gene_text: Path, symbols: tuple[str, ...], sizes: BridgeConfig
) -> Written:
    """Read all descriptions with the text part of the bridge as it starts.

    Parameters
    ----------
    bert
        Folder of the weights it starts from.
    gene_text
        Descriptions, see :func:`scmmgpt_tl.train.genes.read_gene_text`.
    symbols
        Of the gene table.
    sizes
        Of the bridge.
    """
    # Whether it was read before or not, what a run draws afterwards is the same.
    with torch.random.fork_rng():
        bridge = Bridge(sizes, state_width=1).eval()
        start_bridge(bridge, bert)
    tokenizer = read_text_tokenizer(bert)
    place = {symbol: i for i, symbol in enumerate(symbols)}
    described = {gene["symbol"]: gene["text"] for gene in read_gene_text(gene_text)}
    known = [(place[symbol], text) for symbol, text in described.items() if symbol in place]
    # Like lengths side by side, so that little is padded.
    known.sort(key=lambda pair: len(pair[1]))
    means = []
    with torch.no_grad():
        for start in range(0, len(known), TEXTS_AT_ONCE):
            texts = [text for _, text in known[start : start + TEXTS_AT_ONCE]]
            ids, mask = pad_texts(tokenizer, texts, limit=TEXT_TOKENS)
            means.append(masked_mean(bridge.encode_text(ids, mask), mask))
    vectors = torch.cat(means)
    rows = torch.tensor([row for row, _ in known])
    return Written(rows, (vectors - vectors.mean(0)) / vectors.std(0))
