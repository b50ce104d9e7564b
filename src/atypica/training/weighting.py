"""A loss in which some figures weigh more than others."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Loss = Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], Tensor]
"""Of answers and targets of the same figures."""


def weighted_loss(loss: Loss, answers: Mapping[str, Tensor], targets: Mapping[str, Tensor], weights: Tensor) -> Tensor:
    """The loss of the figures of each weight, times that weight and their share of the batch, summed.

    For a loss that is a mean over figures this is the mean of weight times loss. The soft recalls of the recall
    losses are counted among figures of the same weight.

    Args:
        loss: of any number of figures.
        answers, targets: head to (n, size).
        weights: (n,).
    """
    parts: list[Tensor] = []
    for weight in weights.unique():
        rows = weights == weight
        of_rows = loss(_at(answers, rows), _at(targets, rows))
        parts.append(weight * rows.float().mean() * of_rows)
    return torch.stack(parts).sum()


def _at(values: Mapping[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    return {name: value[rows] for name, value in values.items()}
