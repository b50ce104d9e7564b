"""The learning rate at every step of a training."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from atypica.training.recipe import Recipe
from atypica.training.settings.schedule import ScheduleSettings


@dataclass(frozen=True)
class LearningRates:
    """How the learning rate of one training moves: heads alone, warm-up, schedule.

    Attributes:
        lr: the full rate.
        epochs: in all.
        warmup_epochs: after those of the heads.
        head_epochs: the first ones, in which the heads are trained alone.
        head_lr: their rate.
        schedule: what follows the warm-up.
    """

    lr: float
    epochs: int
    warmup_epochs: float
    head_epochs: int
    head_lr: float
    schedule: ScheduleSettings

    @classmethod
    def of(cls, recipe: Recipe, lr: float, epochs: int, *, student: bool) -> LearningRates:
        """Those of a fold, or of a student: one phase, with a cosine to 0."""
        settings = recipe.optimizer
        if student:
            return cls(lr, epochs, settings.warmup_epochs, 0, lr, ScheduleSettings())
        return cls(lr, epochs, settings.warmup_epochs, settings.head_epochs, settings.head_lr or lr, recipe.schedule)

    @property
    def full_after(self) -> float:
        """Epochs before the full rate."""
        return self.head_epochs + self.warmup_epochs

    def stepwise(self, optimizer: Optimizer, steps: int) -> LambdaLR:
        """The scheduler to be stepped after every batch; a plateau lowers its `base_lrs`.

        Args:
            optimizer: each of its groups keeps its own share of the rate.
            steps: in all epochs.
        """
        head = self.head_epochs * steps // self.epochs
        total = max(1, steps - head)
        warm = min(total - 1, int(self.warmup_epochs * steps / self.epochs))
        least = self.schedule.min_lr / self.lr if self.schedule.name == "cosine" else 1.0

        def share(step: int) -> float:
            return self.head_lr / self.lr if step < head else lr_factor(step - head, warm, total, least)

        return LambdaLR(optimizer, share)


def lr_factor(step: int, warm: int, total: int, least: float = 0.0) -> float:
    """Share of the learning rate at a step: linear to 1 over `warm` steps, then half a cosine to `least` at `total`.

    >>> lr_factor(10, 10, 110), round(lr_factor(60, 10, 110), 3), lr_factor(110, 10, 110, 0.25)
    (1.0, 0.5, 0.25)
    """
    if step < warm:
        return (step + 1) / (warm + 1)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, total - warm))))
    return least + (1 - least) * cosine
