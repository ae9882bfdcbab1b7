"""Everything a run reads, prepared once: genes, profiles, cells, types, markers, tokenizers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from tokenizers import Tokenizer

from scmmgpt_tl.model.config import (
    BridgeConfig,
    DecoderConfig,
    EncoderConfig,
    ExpressionConfig,
    ModelConfig,
)
from scmmgpt_tl.model.padding import pad_texts
from scmmgpt_tl.model.scmmgpt import ScMMGPT

from .captions import Captioner, marker_genes
from .draw import CellSource, average_cell
from .genes import build_gene_table, read_gene_text
from .reference import read_cells, read_profiles
from .start import start_bridge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scmmgpt_tl.model.genes import GeneTable

    from .config import RunConfig
    from .reference import Cells, Profiles

GENE_TEXTS, GENE_TEXT_TOKENS = 256, 64


@dataclass(frozen=True)
class Material:
    """What both stages train on."""

    genes: GeneTable
    profiles: Profiles
    cells: tuple[Cells, ...]
    types: tuple[str, ...]
    captioner: Captioner
    text_tokenizer: Tokenizer
    source: CellSource


def prepare(config: RunConfig) -> Material:
    """Read and join all sources of a run; studies held out are not among them."""
    genes = build_gene_table(config.gencode, config.gene_text, extra=frozenset(config.extra_genes))
    exclude = (*config.exclude, *config.held_out_studies)
    profiles = read_profiles(config.profiles, genes, exclude=exclude)
    cells = tuple(read_cells(path, genes) for path in config.cells)
    types = tuple(sorted({*profiles.terms, *(term for part in cells for term in part.terms)}))
    return Material(
        genes=genes,
        profiles=profiles,
        cells=cells,
        types=types,
        captioner=Captioner(marker_genes(profiles, genes.symbols)),
        text_tokenizer=read_text_tokenizer(config),
        source=CellSource(profiles, cells, types=types, real_share=config.real_share),
    )


def read_text_tokenizer(config: RunConfig) -> Tokenizer:
    """Return the BERT's tokenizer without its own padding and cutting: the model does both."""
    tokenizer = Tokenizer.from_file(str(config.bert / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def model_config(config: RunConfig, *, n_genes: int) -> ModelConfig:
    """Return the architecture of a run."""
    sizes = config.architecture
    return ModelConfig(
        encoder=EncoderConfig(n_genes=n_genes, **sizes.get("encoder", {})),
        bridge=BridgeConfig(**sizes.get("bridge", {})),
        decoder=DecoderConfig(**sizes.get("decoder", {})),
        expression=ExpressionConfig(**sizes.get("expression", {})),
    )


def start_network(config: RunConfig, material: Material, device: torch.device) -> ScMMGPT:
    """Return the network of a run before its first step; `config.seed` decides what is random."""
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        network = ScMMGPT(model_config(config, n_genes=len(material.genes)))
        start_bridge(network.bridge, config.bert)
        network.cell_encoder.average.copy_(torch.from_numpy(average_cell(material.profiles)))
        network.to(device)
        if config.use_gene_text:
            _start_genes_from_text(network, config, material)
    return network


@torch.no_grad()
def _start_genes_from_text(network: ScMMGPT, config: RunConfig, material: Material) -> None:
    """Mix each gene's starting vector with a random projection of its description's vector.

    Genes with like descriptions start near each other, also those that no profile measured.
    """
    place = {symbol: i for i, symbol in enumerate(material.genes.symbols)}
    described = {gene["symbol"]: gene["text"] for gene in read_gene_text(config.gene_text)}
    known = [(place[symbol], text) for symbol, text in described.items() if symbol in place]
    # Like lengths side by side, so that little is padded.
    known.sort(key=lambda pair: len(pair[1]))
    rows = torch.tensor([row for row, _ in known])
    text = _mean_words(network, material.text_tokenizer, [text for _, text in known])
    text = (text - text.mean(0)) / text.std(0)
    width = network.config.encoder.width
    projection = torch.randn(text.shape[1], width) / np.sqrt(text.shape[1])
    table = network.cell_encoder.genes.weight
    table[rows] = (0.7 * table[rows].cpu() + 0.7 * text @ projection).to(table.device)


def _mean_words(network: ScMMGPT, tokenizer: Tokenizer, texts: Sequence[str]) -> torch.Tensor:
    """Mean word state of each text, (texts, hidden)."""
    network.eval()
    device = next(network.parameters()).device
    means = []
    for start in range(0, len(texts), GENE_TEXTS):
        chosen = texts[start : start + GENE_TEXTS]
        ids, mask = pad_texts(tokenizer, chosen, limit=GENE_TEXT_TOKENS)
        ids, mask = ids.to(device), mask.to(device)
        with torch.autocast(device.type, torch.bfloat16):
            words = network.bridge.encode_text(ids, mask)
        weight = mask.unsqueeze(-1).float()
        means.append(((words.float() * weight).sum(1) / weight.sum(1)).cpu())
    return torch.cat(means)
