"""Everything a run reads, prepared once: genes, profiles, cells, types, markers, tokenizers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from scmmgpt_tl.model.config import (
    EncoderConfig,
    ExpressionConfig,
    ModelConfig,
)
from scmmgpt_tl.model.encoders.geneset import GeneSetEncoder
from scmmgpt_tl.model.scmmgpt import ScMMGPT

from .adopt import adopt
from .captions import TOO_GENERAL, Captioner, marker_genes
from .corpus.read import read_corpus
from .draw import CellSource, average_cell
from .gene_texts import start_genes
from .genes import build_gene_table
from .mapping import not_learned
from .markers import read_markers
from .published_weights import start_published
from .reference import read_profiles
from .start_bridge import bridge_config, read_text_tokenizer, start_bridge
from .tissues import readable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from scmmgpt_tl.model.genes import GeneTable

    from .adopt import Adopted
    from .config import RunConfig
    from .corpus.cells import Cells
    from .markers import MarkerGenes
    from .reference import Profiles


@dataclass(frozen=True)
class Material:
    """What both stages train on.

    Parameters
    ----------
    genes
        Gene table of the model.
    profiles, cells
        Reference profiles and labelled real cells.
    orthologs
        Reference profiles of another species, if there are any.
    types
        Cell Ontology ids of all types that cells are drawn of.
    n_profiles
        Profiles of each type; its real cells and its profiles of another species, where there are
        any, count as one more each. A type that is known by its markers alone has none.
    captioner
        Writes texts about types.
    text_tokenizer
        Of the bridge.
    source
        Draws cells.
    adopted
        Published encoder that reads the cells, `None` for our own.
    """

    genes: GeneTable
    profiles: Profiles
    cells: tuple[Cells, ...]
    types: tuple[str, ...]
    n_profiles: tuple[int, ...]
    captioner: Captioner
    text_tokenizer: Tokenizer
    source: CellSource
    adopted: Adopted | None = None
    orthologs: Profiles | None = None

    def __deepcopy__(self, memo: object) -> Material:
        """Return the same: nothing changes it, and it is large."""
        return self

    @cached_property
    def average(self) -> NDArray[np.float32]:
        """Share of each gene in the average cell, (genes,)."""
        return average_cell(self.profiles)

    @cached_property
    def tissues(self) -> Mapping[str, tuple[str, ...]]:
        """Tissues that each type was seen in, in plain words."""
        seen: dict[str, set[str]] = {term: set() for term in self.types}
        pairs = set(zip(self.profiles.terms, self.profiles.tissues, strict=True))
        for part in self.cells:
            pairs |= set(zip(part.terms, part.tissues, strict=True))
        for term, tissue in pairs:
            seen[term].add(readable(tissue))
        return {term: tuple(sorted(found - {""})) for term, found in seen.items()}


def prepare(config: RunConfig) -> Material:
    """Read and join all sources of a run; studies held out are not among them."""
    genes = build_gene_table(config.gencode, config.gene_text, extra=frozenset(config.extra_genes))
    # Before all that takes long: a wrong folder is told of at once.
    adopted = adopt(config, genes)
    exclude = (*config.exclude, *config.held_out_studies)
    left_out = {"exclude": exclude, "without_types": config.without_types}
    profiles = read_profiles(config.profiles, genes, **left_out)
    orthologs = (
        read_profiles(config.ortholog_profiles, genes, **left_out)
        if config.ortholog_profiles
        else None
    )
    cells = read_corpus(config, genes)
    markers = _read_markers(config, genes)
    # Real cells of a type count as one profile more, as do its profiles of another species.
    times = Counter([*profiles.terms, *(t for part in cells for t in part.terms.categories)])
    times.update(set(orthologs.terms) if orthologs is not None else ())
    types = tuple(sorted(times.keys() | markers.keys()))
    return Material(
        genes=genes,
        profiles=profiles,
        cells=cells,
        types=types,
        n_profiles=tuple(times[term] for term in types),
        captioner=Captioner(marker_genes(profiles, genes.symbols)),
        text_tokenizer=read_text_tokenizer(config.bert),
        source=CellSource(
            profiles,
            cells,
            types=types,
            real_share=config.real_share,
            markers=markers,
            marker_share=config.marker_share,
            moved_share=config.moved_share,
            orthologs=orthologs,
            ortholog_share=config.ortholog_share,
            pool_cells=config.pool_cells,
            pool_steps=config.pool_steps,
        ),
        adopted=adopted,
        orthologs=orthologs,
    )


def _read_markers(config: RunConfig, genes: GeneTable) -> dict[str, MarkerGenes]:
    if config.markers is None:
        return {}
    found = read_markers(config.markers, genes, without=config.markers_without)
    skipped = TOO_GENERAL | not_learned(config.without_types)
    return {term: markers for term, markers in found.items() if term not in skipped}


def model_config(config: RunConfig, material: Material) -> ModelConfig:
    """Return the architecture of a run, without the text decoder, which joins in at the end."""
    sizes = config.architecture
    n_types = len(set(material.profiles.terms))
    return ModelConfig(
        encoder=(
            EncoderConfig(n_genes=len(material.genes), **sizes.get("encoder", {}))
            if material.adopted is None
            else material.adopted.config
        ),
        bridge=bridge_config(config.bert, sizes.get("bridge", {})),
        decoder=None,
        expression=ExpressionConfig(n_types=n_types, **sizes.get("expression", {})),
    )


def build_network(config: RunConfig, material: Material) -> ScMMGPT:
    """Return the network of a run, untrained but for a published encoder."""
    adopted = material.adopted
    sizes = model_config(config, material)
    if adopted is None:
        return ScMMGPT(sizes)
    network = ScMMGPT(sizes, adopted.tokenizer)
    start_published(network, adopted)
    return network


def start_network(config: RunConfig, material: Material) -> ScMMGPT:
    """Return the network of a run before its first step; `config.seed` decides what is random."""
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        network = build_network(config, material)
        start_bridge(network.bridge, config.bert)
        if isinstance(network.cell_encoder, GeneSetEncoder):
            network.cell_encoder.average.copy_(torch.from_numpy(material.average))
        if config.use_gene_text:
            start_genes(network, config, material)
    return network
