"""Which epoch is kept, and what is tried once a fold collapsed."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from atypica.core.settings import Settings
from atypica.training.settings.schedule import ValidationMetric

Keep = Literal["last", "best_balanced_accuracy", "best_auroc", "best_loss"]
KEPT_BY: dict[Keep, ValidationMetric] = {
    "best_balanced_accuracy": "balanced_accuracy",
    "best_auroc": "auroc",
    "best_loss": "loss",
}
"""What decides which epoch is the best."""


class RetrySettings(Settings):
    """What is different when a fold that collapsed is trained once more."""

    lr_factor: float = Field(default=1.0, gt=0)
    """Times the learning rate, that of the heads' own epochs included."""
    seed_offset: int = Field(default=0, ge=0)
    """Added to the seed; the folds stay."""

    @model_validator(mode="after")
    def _differs(self) -> Self:
        if self.lr_factor == 1 and not self.seed_offset:
            raise ValueError("a retry changes something: set 'lr_factor' (0.3) or 'seed_offset' (1)")
        return self
