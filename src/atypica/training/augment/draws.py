"""Random numbers for a batch, drawn on the CPU, so that a seed means the same on every device."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor


def symmetric(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Uniform in -1..1."""
    return 2 * torch.rand(shape, generator=generator) - 1


def coin(count: int, probability: float, generator: Generator) -> Tensor:
    """True with a probability, (count,)."""
    return torch.rand(count, generator=generator) < probability


def some(
    change: Callable[[Tensor, Generator], Tensor], crops: Tensor, probability: float, generator: Generator
) -> Tensor:
    """Change each crop with a probability; where it is 1, nothing is drawn, and all are changed.

    Args:
        change: crops and generator to changed crops, of any number of crops.
        crops: (n, 3, h, w).
        probability: of a crop.
        generator: of the choice, then of the change.
    """
    if probability >= 1:
        return change(crops, generator)
    chosen = coin(len(crops), probability, generator).nonzero()[:, 0]
    if not len(chosen):
        return crops
    chosen = chosen.to(crops.device)
    return crops.index_copy(0, chosen, change(crops[chosen], generator))
