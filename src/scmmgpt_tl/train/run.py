"""A run, whole: two stages in five phases, and a folder that says what came of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from scmmgpt_tl.model.text_decoder import TextDecoder

from .config import Hardware, RunConfig
from .cross_fit import read_twins, train_twins
from .droplets import DropletStage
from .leakage import check_leakage
from .material import Material, build_network, prepare, start_network
from .phase import load_phase, train_phase
from .publish import publish
from .published_weights import check_hash, keep_hash, learned_parts
from .rehearsal import rehearse
from .stage1 import LABELS, Stage1
from .stage2 import TextStage
from .stage2_expression import ExpressionStage
from .start_decoder import decoder_config, read_vocabulary, start_decoder
from .written import corpus_texts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .learner import Learner
    from .vocabulary import Vocabulary

CONFIG = "run.yaml"
STAGE1, DROPLETS, EXPRESSION, TEXT = "stage1", "droplets", "stage2_expression", "stage2_text"


def pretrain(config: RunConfig, folder: Path, *, hardware: Hardware | None = None) -> None:
    """Train a model in both stages.

    Whatever was finished in the folder before is not trained again, and a phase that was stopped
    goes on from its last checkpoint.

    Parameters
    ----------
    config
        The run.
    folder
        For `run.yaml`, the loss curves (`curves/`), checkpoints and the weights of each phase.
    hardware
        What to run on; by default what Lightning finds.

    Raises
    ------
    ValueError
        If the folder holds another run or one with other weights of a published encoder, or the
        run would learn from what it is tested on.
    """
    _check_folder(folder, config)
    material = prepare(config)
    check_hash(folder, material.adopted)
    check_leakage(config, material.cells)
    # Only now: a run that was refused leaves the folder to the one with its config mended.
    _claim(folder, config)
    # What cannot be written with is refused now, not when cells have been learned for hours.
    words = vocabulary(config, material)
    rehearse(decoder_config(config, words))
    keep_hash(folder, material.adopted)
    # Where genes start is of no matter once they have learned, and takes minutes.
    begun = (folder / f"{STAGE1}.safetensors").exists()
    network = start_network(
        replace(config, use_gene_text=not begun and config.use_gene_text), material
    )
    place = hardware or Hardware()

    def train(
        name: str, steps: int, parts: tuple[str, ...], learner: Callable[[], Learner]
    ) -> None:
        if load_phase(network, parts, folder, name) is None:
            made = learner()
            train_phase(made, name, steps=steps, config=config, hardware=place, folder=folder)
            load_phase(network, parts, folder, name)

    train(
        STAGE1,
        config.warm_up_steps + config.stage1_steps,
        learned_parts(network),
        lambda: Stage1(network, material, config),
    )
    train_twins(config, material, folder, place)
    train(
        DROPLETS,
        config.droplet_steps,
        DropletStage.parts,
        lambda: DropletStage(network, material, config),
    )
    train(
        EXPRESSION,
        config.expression_steps,
        ExpressionStage.parts,
        lambda: ExpressionStage(network, material, config),
    )
    # Only now: a language model may be larger than all else together.
    network.join_decoder(start_decoder(config, words, query_width=network.config.bridge.hidden))
    train(
        TEXT,
        config.stage2_steps,
        TextStage.parts,
        lambda: TextStage(network, material, words.tokenizer, config),
    )


def publish_run(folder: Path, bundle: Path, *, name: str, revision: str) -> str:
    """Write the bundle of a finished run and return its hash.

    Parameters
    ----------
    folder
        Of the run.
    bundle
        Folder to write; a bundle that is there already is replaced.
    name, revision
        Of the model.

    Raises
    ------
    FileNotFoundError
        If a phase of the run was not finished.
    """
    config = RunConfig.read(folder / CONFIG)
    material = prepare(config)
    check_hash(folder, material.adopted)
    words = vocabulary(config, material)
    network = build_network(config, material)
    stage1 = learned_parts(network)
    width = network.config.bridge.hidden
    network.join_decoder(TextDecoder(decoder_config(config, words), query_width=width))
    found = {
        phase: load_phase(network, parts, folder, phase)
        for phase, parts in (
            (STAGE1, stage1),
            (DROPLETS, DropletStage.parts),
            (EXPRESSION, ExpressionStage.parts),
            (TEXT, TextStage.parts),
        )
    }
    done = {phase: rest for phase, rest in found.items() if rest is not None}
    if unfinished := found.keys() - done.keys():
        msg = (
            f"The run in {str(folder)!r} has not finished {', '.join(sorted(unfinished))}. Run `scmm "
            "pretrain` with its config and this folder again: it goes on where it stopped."
        )
        raise FileNotFoundError(msg)
    labels = done[STAGE1][LABELS].numpy()
    return publish(
        network,
        labels,
        material,
        words.tokenizer,
        config,
        bundle,
        name=name,
        revision=revision,
        twins=read_twins(config, material, folder),
    )


def vocabulary(config: RunConfig, material: Material) -> Vocabulary:
    """Return the words of the text decoder; if they are trimmed, what descriptions need."""
    return read_vocabulary(config, corpus_texts(material.types, material.genes.symbols))


def _check_folder(folder: Path, config: RunConfig) -> None:
    """Make sure that the folder holds no other run."""
    path = folder / CONFIG
    if not path.exists():
        return
    if (there := RunConfig.read(path).resolved()) != (given := config.resolved()):
        differing = [key for key in vars(given) if getattr(given, key) != getattr(there, key)]
        msg = (
            f"{str(path)!r} is of another run: {', '.join(differing)} differ. Give this run a "
            "folder of its own."
        )
        raise ValueError(msg)


def _claim(folder: Path, config: RunConfig) -> None:
    """Write the config to the folder, unless it is there already."""
    path = folder / CONFIG
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        config.write(path)
