"""From a trained run to a bundle: labels, calibration, card, files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from scmmgpt_tl import ontology
from scmmgpt_tl.model.bundle import write_bundle
from scmmgpt_tl.model.labels import LabelTable
from scmmgpt_tl.model.load import bundle_tensors
from scmmgpt_tl.model.quantize import dequantize

from .calibrate import calibrate
from .markers import marker_table
from .sampling import measure_sampling
from .stage2_expression import TEXTS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from scmmgpt_tl.model.markers import MarkerTable
    from scmmgpt_tl.model.scmmgpt import ScMMGPT

    from .calibrate import Measured
    from .config import RunConfig
    from .cross_fit import Twin
    from .material import Material

ANYWHERE = 8
OWN_LICENCE = "BSD-3-Clause"
LEUKOCYTE, MACROPHAGE = "CL:0000738", "CL:0000235"


def publish(
    network: ScMMGPT,
    label_vectors: NDArray[np.float32],
    material: Material,
    decoder_tokenizer: Tokenizer,
    config: RunConfig,
    target: Path,
    *,
    name: str,
    revision: str,
    twins: Sequence[Twin] = (),
) -> str:
    """Write the bundle of a run to `target` and return its hash.

    Parameters
    ----------
    network
        Trained; it is left with the rounded weights that the bundle holds.
    label_vectors
        Unit vector of each type of the material, (types, projection).
    material
        What it was trained on.
    decoder_tokenizer
        Of the text decoder.
    config
        The run.
    target
        Folder to write; a bundle that is there already is replaced.
    name, revision
        Of the model.
    twins
        What twins of the model say of studies that they have not seen.
    """
    labels = label_table(material)
    place = {term: i for i, term in enumerate(material.types)}
    embeddings = label_vectors[[place[term] for term in labels.cl_ids]]
    markers = shipped_markers(config, material)
    # What users run are the quantised weights, so the calibration must see the same.
    _quantise_in_place(network, embeddings)
    calibration, measured = calibrate(
        network,
        embeddings,
        labels,
        material.genes,
        material.text_tokenizer,
        config,
        markers=markers,
        twins=twins,
    )
    return write_bundle(
        target,
        config=network.config.to_dict(),
        tensors=bundle_tensors(network, embeddings),
        genes=material.genes,
        labels=labels,
        calibration=calibration,
        markers=markers,
        sampling=(
            measure_sampling(config.sampling, material.genes, material.average)
            if config.sampling
            else None
        ),
        text_tokenizer_json=material.text_tokenizer.to_str(),
        decoder_tokenizer_json=decoder_tokenizer.to_str(),
        cell_tokenizer=network.cell_tokenizer,
        card=card(
            material,
            config,
            name=name,
            revision=revision,
            n_labels=len(labels),
            measured=measured,
        ),
        name=name,
        revision=revision,
        licence=_licence(material),
    )


def shipped_markers(config: RunConfig, material: Material) -> MarkerTable:
    """Return the marker genes of a bundle: none of resources that may not be used, or shipped."""
    return marker_table(
        config.markers,
        material.profiles,
        material.genes,
        without=(*config.markers_without, *config.markers_not_shipped),
    )


def label_table(material: Material) -> LabelTable:
    """Return the types of a run with the tissues they were seen in.

    A type that was made of markers alone is not among them: the model knows it when asked for it,
    and does not offer it by itself. Types seen in many tissues may be anywhere, and so may all
    leukocytes but the macrophages that live in one tissue.
    """
    cl = ontology.load()
    seen = {term: _organs(tissues) for term, tissues in material.tissues.items()}
    learned = [(t, n) for t, n in zip(material.types, material.n_profiles, strict=True) if n]
    terms, n_profiles = zip(*learned, strict=True)
    return LabelTable(
        tuple(map(cl.name, terms)),
        terms,
        tuple(() if _is_anywhere(term, seen[term]) else seen[term] for term in terms),
        n_profiles,
    )


def _organs(tissues: Sequence[str]) -> tuple[str, ...]:
    """Return the tissues without their age: a fetal or newborn organ counts as the organ."""
    organs = {name.removeprefix("fetal ").removeprefix("neonatal ").strip() for name in tissues}
    return tuple(sorted(organs - {""}))


def _is_anywhere(term: str, seen: Sequence[str]) -> bool:
    above = ontology.load().ancestors(term)
    return len(seen) >= ANYWHERE or (LEUKOCYTE in above and MACROPHAGE not in above)


def card(
    material: Material,
    config: RunConfig,
    *,
    name: str,
    revision: str,
    n_labels: int,
    measured: Sequence[Measured],
) -> str:
    """Return the model card: what the model is, what it was trained on, and on what not.

    Parameters
    ----------
    material, config
        What it was trained on.
    name, revision
        Of the model.
    n_labels
        How many labels it has.
    measured
        How right it is on the parts held out.
    """
    studies = sorted({study.split("|")[0] for study in material.profiles.studies})
    cells = [f"{part.study} ({part.counts.shape[0]:,} cells)" for part in material.cells]
    held = [*(path.stem for path in config.held_out_cells), *config.held_out_studies]
    encoder = "set encoder" if material.adopted is None else material.adopted.config.title
    lines = [
        f"# {name} {revision}",
        "",
        f"An scMMGPT for single cells: {encoder}, Q-Former, text decoder and expression decoder.",
        "The architecture follows arXiv 2503.09427; the weights are not those of its authors.",
        "",
        f"* Genes: {len(material.genes):,}. Labels: {n_labels}, each a Cell Ontology term.",
        f"* Trained on cells drawn from {len(material.profiles.terms):,} reference profiles of {', '.join(studies)};",
        *_of_orthologs(material, config),
        f"  and on real cells of {', '.join(cells)}.",
        *_of_encoder(material),
        *_of_markers(config),
        f"* Held out, and used for calibration only: {', '.join(held)}.",
        *_of_twins(config),
        f"* Stage 1: {config.warm_up_steps} steps of warm-up and {config.stage1_steps} more, of",
        f"  {config.stage1_cells} cells each. Droplet head: {config.droplet_steps} steps. Stage 2: {config.stage2_steps} steps of",
        f"  {config.stage2_cells} cells (text), {config.expression_steps} steps of {TEXTS} texts (expression). Seed {config.seed}.",
        *([f"* {config.note}"] if config.note else []),
        f"* Text part of the bridge started from the BERT in `{config.bert.name}`, text decoder from the",
        f"  language model in `{config.language_model.name}`{_of_cuts(config)}. Their licences hold for what became of them.",
        "* Cell Ontology: CC BY 4.0. Reference profiles: CellProfileLibrary (CC BY 4.0), Human Cell Landscape",
        "  (Han et al. 2020), Mouse Cell Atlas (Han et al. 2018), Human Protein Atlas (CC BY-SA), northstar",
        "  landmarks, clustifyrdata, numbat, as far as they are named above.",
        *map(_of_measured, measured),
        "* Genes are human; mouse cells are read through one-to-one orthologs. Not for clinical use.",
        "* On studies that nothing was fitted on: see docs/benchmarks.md of scmmgpt-tl.",
    ]
    return "\n".join(lines) + "\n"


def _of_orthologs(material: Material, config: RunConfig) -> list[str]:
    if material.orthologs is None:
        return []
    studies = sorted({study.split("|")[0] for study in material.orthologs.studies})
    n = len(material.orthologs.terms)
    return [
        f"  {config.ortholog_share:.0%} of them from {n:,} of another species: {', '.join(studies)};"
    ]


def _of_cuts(config: RunConfig) -> str:
    cuts = config.architecture.get("decoder", {})
    layers = [f"layers {', '.join(map(str, cuts['layers']))}"] if "layers" in cuts else []
    words = ["the words it needs"] if cuts.get("trim_vocabulary") else []
    return f", of which it has {' and '.join((*layers, *words))}" if layers or words else ""


def _of_measured(found: Measured) -> str:
    return (
        f"* Measured on {found.name} ({found.n_cells:,} cells): {found.consistent:.0%} get their term,\n"
        f"  or one above or below it, out of all labels; {found.closed:.0%} their own out of the "
        f"{found.n_terms} that occur."
    )


def _of_twins(config: RunConfig) -> list[str]:
    if not (config.cross_fit and config.cross_fit_steps):
        return []
    return [
        f"* What scores are worth was measured by twins of {config.cross_fit_steps} steps, each without half of",
        f"  the studies of {', '.join(config.cross_fit)}, on cells drawn from these.",
    ]


def _of_markers(config: RunConfig) -> list[str]:
    if config.markers is None:
        return []
    return [
        "* Marker genes: Cell Marker Accordion 1.0.0 (MIT; each resource its own terms), without",
        f"  {', '.join(config.markers_without) or 'exception'}. `markers.tsv` has none of its rows of",
        f"  {', '.join((*config.markers_without, *config.markers_not_shipped)) or 'no resource'}.",
    ]


def _licence(material: Material) -> str:
    """Return the licence of a bundle: ours and, where it holds weights of others, theirs."""
    others = "what became of the BERT and the language model: see the card"
    if material.adopted is None:
        return f"{OWN_LICENCE}, but for {others}"
    encoder = material.adopted.config
    return (
        f"{OWN_LICENCE}, but for the cell encoder ({encoder.title}): {encoder.licence}; "
        f"and for {others}"
    )


def _of_encoder(material: Material) -> list[str]:
    if material.adopted is None:
        return []
    encoder = material.adopted.config
    state = "trained on" if encoder.tuned else "as they were published"
    lines = [
        f"* Cell encoder: {encoder.title}, its weights (SHA-256 {encoder.sha256[:12]}) {state}. It knows",
        f"  {encoder.n_known:,} of the genes and takes the others for silent.",
        f"* Licence of the cell encoder's weights: {encoder.licence}.",
    ]
    return lines + ([f"* **Mind:** {encoder.restriction}"] if encoder.restriction else [])


@torch.no_grad()
def _quantise_in_place(network: ScMMGPT, label_vectors: NDArray[np.float32]) -> None:
    state = network.state_dict()
    for part in bundle_tensors(network, label_vectors).values():
        for key, value in dequantize(part).items():
            if key in state:
                state[key].copy_(value)
