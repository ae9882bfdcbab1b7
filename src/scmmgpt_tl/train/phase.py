"""One phase of training, run by Lightning: steps, processes, precision, checkpoints, curves."""

from __future__ import annotations

import warnings
from copy import deepcopy
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy
from safetensors.torch import load_file, save_file
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW
from torch.utils.data import DataLoader

from scmmgpt_tl.model.state import distinct_state, load_strict

from .batches import Batches
from .optimize import fast_bfloat16

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lightning.pytorch.loggers import Logger
    from lightning.pytorch.strategies import Strategy

    from scmmgpt_tl.model.scmmgpt import ScMMGPT

    from .config import Hardware, RunConfig
    from .learner import Learner

FLUSH_EVERY = 10
LARGEST_GRADIENT = 1.0
BETAS, WEIGHT_DECAY = (0.9, 0.98), 0.01
CURVES, CHECKPOINTS = "curves", "checkpoints"


def train_phase(
    learner: Learner,
    name: str,
    *,
    steps: int,
    config: RunConfig,
    hardware: Hardware,
    folder: Path,
) -> None:
    """Train those parts of a network that a learner names, in place.

    Curves are in `folder/curves/NAME`, one `version_*` for each start; `folder/NAME.safetensors`
    is written at the end. A phase that was stopped goes on from its last checkpoint.

    Parameters
    ----------
    learner
        What to train.
    name
        Of the phase.
    steps
        How many.
    config, hardware
        The run, and what it runs on.
    folder
        Of the run.
    """
    learner.requires_grad_(requires_grad=False)
    for group in learner.groups():
        for parameter in group["params"]:
            parameter.requires_grad_(requires_grad=True)
    strategy = _strategy(hardware.strategy)
    # Sharding cannot be undone, so what is sharded is a copy.
    trained = deepcopy(learner) if isinstance(strategy, ModelParallelStrategy) else learner
    trainer = Trainer(
        accelerator=hardware.accelerator,
        devices=hardware.devices,
        strategy=strategy,
        precision=pick_precision(config.precision, hardware),  # type: ignore[arg-type]
        max_steps=steps,
        accumulate_grad_batches=config.accumulate,
        log_every_n_steps=1,
        logger=_loggers(folder, name),
        callbacks=[_checkpoints(folder / CHECKPOINTS / name, every=config.save_every)],
        enable_model_summary=False,
        enable_progress_bar=hardware.progress,
        use_distributed_sampler=False,
    )
    last = folder / CHECKPOINTS / name / "last.ckpt"
    batches = Batches(trained.draw, first=lambda: trainer.global_step * config.accumulate)
    # What is not trained drops nothing out either: it is what users will run.
    trained.network.eval()
    for part in trained.parts:
        trained.network.get_submodule(part).train()
    with warnings.catch_warnings():
        # Batches are made by a thread; processes would each hold the corpus.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
        # Those are the parts that are not trained.
        warnings.filterwarnings("ignore", message=".*in eval mode at the start of training.*")
        # Lightning 2.6 and torch 2.13.
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        trainer.fit(
            _Phase(trained, steps=steps, seed=config.seed),
            DataLoader(batches, batch_size=None),
            ckpt_path=last if last.exists() else None,
            weights_only=True,
        )
    if trainer.interrupted:
        raise KeyboardInterrupt
    whole = trainer.strategy.lightning_module_state_dict()
    if trained is not learner and trainer.is_global_zero:
        learner.load_state_dict({k.removeprefix("learner."): v for k, v in whole.items()})
    kept = learner.finish()
    if trainer.is_global_zero:
        state = distinct_state(learner.network)
        trained_state = {k: v.contiguous() for k, v in state.items() if k.startswith(learner.parts)}
        _write(trained_state | kept, folder / f"{name}.safetensors")
    trainer.strategy.barrier()


def load_phase(
    network: ScMMGPT, parts: Sequence[str], folder: Path, name: str
) -> Mapping[str, torch.Tensor] | None:
    """Load what a finished phase left into its parts of the network, and return the rest of it.

    Where the phase was not finished, nothing is loaded and nothing returned.

    Raises
    ------
    ValueError
        If the weights are those of another network.
    """
    path = folder / f"{name}.safetensors"
    if not path.exists():
        return None
    state = load_file(path)
    for part in parts:
        start = f"{part}."
        weights = {k: state.pop(k) for k in list(state) if k.startswith(start)}
        weights = {k.removeprefix(start): v for k, v in weights.items()}
        load_strict(network.get_submodule(part), weights, source=str(path))
    network.eval()
    return state


def pick_precision(wanted: str, hardware: Hardware) -> str:
    """Return what `"auto"` stands for on a hardware, or what else was wanted."""
    if wanted != "auto":
        return wanted
    on_gpu = torch.cuda.is_available() and hardware.accelerator != "cpu"
    known = torch.cuda.is_bf16_supported(including_emulation=False) if on_gpu else fast_bfloat16()
    return "bf16-mixed" if known else "32-true"


class _Phase(LightningModule):
    def __init__(self, learner: Learner, *, steps: int, seed: int) -> None:
        super().__init__()
        self.learner, self._steps, self._seed = learner, steps, seed
        # Checkpoints hold what changes, and nothing else.
        self.strict_loading = False

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # The rest is there before a phase begins, perhaps in few bits, which cannot be read back.
        kept = self._learned() | {name for name, _ in self.named_buffers()}
        state = checkpoint["state_dict"].items()
        checkpoint["state_dict"] = {name: tensor for name, tensor in state if name in kept}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if missing := self._learned() - checkpoint["state_dict"].keys():
            msg = (
                f"The checkpoint lacks {len(missing)} of the tensors that this phase learns, such as "
                f"{min(missing)!r}: it is of another network. Remove it, or use a new run folder."
            )
            raise ValueError(msg)

    def _learned(self) -> set[str]:
        return {name for name, p in self.named_parameters() if p.requires_grad}

    def configure_model(self) -> None:
        if self.device_mesh is not None and not isinstance(self.learner, FSDPModule):
            # (nodes, devices of each): sharded within a node, replicated over nodes.
            fully_shard(self.learner, mesh=self.device_mesh)

    def configure_optimizers(self) -> Any:
        groups = self.learner.groups()
        optimizer = AdamW(groups, betas=BETAS, weight_decay=WEIGHT_DECAY, fused=True)
        schedule = self.learner.schedule(optimizer, self._steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(self, *_: Any, **__: Any) -> None:
        # Lightning's own clipping does not go with fused optimizers, for the sake of float16.
        clip_grad_norm_(self.parameters(), LARGEST_GRADIENT)

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        # What a step drops out is the same after a restart.
        place = [self._seed, self.global_rank, self.global_step, index]
        torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0]))
        found: dict[str, torch.Tensor] = self.learner(batch, self.global_step)
        self.log_dict({k: v.detach().float() for k, v in found.items()}, sync_dist=True)
        return found["loss"]


def _strategy(name: str) -> Strategy | str:
    match name:
        case "ddp":
            # Texts, pairs and the queries take part in some of the steps only.
            return DDPStrategy(find_unused_parameters=True)
        case "fsdp":
            return ModelParallelStrategy(save_distributed_checkpoint=False)
        case _:
            return name


def _checkpoints(folder: Path, *, every: int) -> ModelCheckpoint:
    return ModelCheckpoint(folder, "last", every_n_train_steps=every, enable_version_counter=False)


def _loggers(folder: Path, name: str) -> list[Logger]:
    loggers: list[Logger] = [
        CSVLogger(folder / CURVES, name=name, flush_logs_every_n_steps=FLUSH_EVERY)
    ]
    if find_spec("tensorboard"):
        loggers.append(TensorBoardLogger(folder / CURVES, name=name, version=loggers[0].version))
    return loggers


def _write(state: dict[str, torch.Tensor], path: Path) -> None:
    unfinished = path.with_suffix(".unfinished")
    save_file(state, unfinished)
    unfinished.replace(path)
