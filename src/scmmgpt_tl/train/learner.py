"""What a phase of training is made of, whoever runs it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    import torch
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from scmmgpt_tl.model.scmmgpt import ScMMGPT


class Learner(nn.Module, ABC):
    """A network, and how parts of it learn from the batch of a step.

    Parameters
    ----------
    network
        Trained in place.
    """

    parts: tuple[str, ...]
    """Names of what is trained, within the network."""

    def __init__(self, network: ScMMGPT) -> None:
        super().__init__()
        self.network = network

    @abstractmethod
    def draw(self, step: int) -> Any:
        """Make this process's share of the batch of a step; any randomness comes from the step."""

    @abstractmethod
    def forward(self, batch: Any, step: int) -> dict[str, torch.Tensor]:
        """Return `"loss"`, and what else the curves should show."""

    @abstractmethod
    def groups(self) -> list[dict[str, Any]]:
        """Return what is trained as parameter groups of torch, each with its learning rate."""

    @abstractmethod
    def schedule(self, optimizer: Optimizer, steps: int) -> LRScheduler:
        """Return how the learning rates move over the steps."""

    def finish(self) -> dict[str, torch.Tensor]:
        """Make the network what users will run; return what to keep besides its trained parts."""
        return {}
