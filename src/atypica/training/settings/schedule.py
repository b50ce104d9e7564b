"""How the learning rate falls."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from atypica.core.settings import Settings

ScheduleName = Literal["cosine", "constant", "plateau"]
ValidationMetric = Literal["balanced_accuracy", "auroc", "loss"]


class ScheduleSettings(Settings):
    """How the learning rate of the folds falls after the warm-up.

    A student is always trained with a cosine to 0, for it learns from every figure and has none to be validated on.
    """

    name: ScheduleName = "cosine"
    """`cosine`: half a cosine to `min_lr`, stepwise. `constant`. `plateau`: times `factor`, whenever `metric` has not
    improved for more than `patience` epochs."""
    min_lr: float = Field(default=0.0, ge=0)
    """Of `cosine` and `plateau`: the lowest learning rate."""
    factor: float = Field(default=0.1, gt=0, lt=1)
    """Of `plateau`."""
    patience: int = Field(default=10, ge=0)
    """Of `plateau`: epochs without a better value (by a ten-thousandth of it) that are let pass."""
    metric: ValidationMetric = "balanced_accuracy"
    """Of `plateau`, on the fold's held-out figures: `balanced_accuracy` and `auroc` should rise, `loss` should fall."""
