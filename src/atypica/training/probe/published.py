"""The probe of the public scripts: a linear layer on features as they are, trained by small steps and stopped early.

Only the features are kept, which the scripts compute anew for every figure, fold and epoch; the steps are the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from atypica.training.optimizers import OPTIMIZERS
from atypica.training.probe.heads import LinearProbe
from atypica.training.recipe import Recipe
from atypica.training.sampling import BalancedBatches
from atypica.training.validation import balanced_accuracy_and_auroc


@dataclass(frozen=True)
class Stopped:
    """A layer trained by steps.

    Attributes:
        probe: of the epoch with the best balanced accuracy on the held-out figures.
        epochs: how many there were.
        kept_epoch: which was kept, from 1.
    """

    probe: LinearProbe
    epochs: int
    kept_epoch: int


def train_by_steps(
    features: NDArray[np.float32],
    targets: NDArray[np.float64],
    batches: BalancedBatches,
    held_out: tuple[NDArray[np.float32], NDArray[np.float64]],
    recipe: Recipe,
    seed: int,
) -> Stopped:
    """Train by the recipe's `optimizer`, `schedule` (a plateau of balanced accuracy) and `training`.

    Args:
        features: of the training figures, (n, d).
        targets: of the same, (n, 1).
        batches: rows of them.
        held_out: features and labels by which the epoch is chosen, as the scripts do.
        recipe: see above.
        seed: of the first weights.
    """
    torch.manual_seed(seed)
    layer = nn.Linear(features.shape[1], 1)
    optimizer = OPTIMIZERS[recipe.optimizer.name](
        layer.parameters(), lr=recipe.optimizer.lr, weight_decay=recipe.optimizer.weight_decay
    )
    settings = recipe.schedule
    schedule = ReduceLROnPlateau(
        optimizer, "max", factor=settings.factor, patience=settings.patience, min_lr=settings.min_lr
    )
    x, y = torch.from_numpy(features), torch.from_numpy(targets).float()
    judged, labels = torch.from_numpy(held_out[0]), held_out[1]
    best, kept, epoch = -1.0, (layer.weight, layer.bias), 0
    kept_epoch = 0
    for epoch in range(1, recipe.training.epochs + 1):
        batches.set_epoch(epoch - 1)
        for rows in batches:
            loss = F.binary_cross_entropy_with_logits(layer(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        reached = _balanced_accuracy(layer, judged, labels)
        schedule.step(reached)
        if reached > best:
            best, kept_epoch = reached, epoch
            kept = (layer.weight.detach().clone(), layer.bias.detach().clone())
        if recipe.training.patience and epoch - kept_epoch >= recipe.training.patience:
            break
    weight, bias = (part.detach().double().numpy() for part in kept)
    return Stopped(LinearProbe(weight, bias), epoch, kept_epoch)


@torch.no_grad()
def _balanced_accuracy(layer: nn.Linear, features: Tensor, labels: NDArray[np.float64]) -> float:
    return balanced_accuracy_and_auroc(labels, layer(features)[:, 0].numpy()).get("balanced_accuracy", 0.0)
