"""The loop."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from atypica.core.errors import SettingsError
from atypica.core.settings import Settings
from atypica.training.settings.schedule import ScheduleSettings
from atypica.training.settings.stopping import KEPT_BY, Keep, RetrySettings

LoggerName = Literal["csv", "tensorboard", "mlflow"]


class TrainingSettings(Settings):
    """The loop."""

    epochs: int = Field(ge=1)
    batch_size: int = Field(default=64, ge=2)
    balance: float = Field(default=1.0, ge=0, le=1)
    """1 draws AMF and NMF equally often, 0 as they come."""
    ema_decay: float = Field(default=0.0, ge=0, lt=1)
    """Decay a step of the averaged weights that are kept; 0 keeps the last weights."""
    soft_labels: bool = True
    """Teach the share of the votes for AMF; otherwise the label."""
    mixup: float = Field(default=0.0, ge=0)
    """Alpha of mixup (Zhang et al., ICLR 2018); 0 mixes nothing."""
    precision: str = "32-true"
    """Lightning's name of a precision; a mixed one (16-mixed, bf16-mixed) is for GPUs, without one it is 32-true."""
    accumulate: int = Field(default=1, ge=1)
    """Batches whose gradients are averaged for one step: `batch_size` times as many figures, in the memory of one
    batch. Batch norms, and losses that count over a batch, still see one batch."""
    gradient_checkpointing: bool = False
    """Keep what enters each block of the backbone, and compute the rest again on the way back: less memory, about a
    third more time, the same model. Not for backbones with batch norms, which would count every batch twice."""
    compile: bool = False
    """Compile the network with TorchInductor, which needs a C++ compiler; the same model within rounding."""
    keep: Keep = "last"
    """Which epoch's averaged weights a fold keeps: the last one's, or those with the best value on the fold's held-out
    figures, of equals the earliest. The student keeps its last."""
    patience: int = Field(default=0, ge=0)
    """Epochs without a better value of what `keep` names after which a fold stops; 0 never stops it."""
    retry: RetrySettings | None = None
    """What is changed to train a fold that collapsed once more; null trains it once."""
    logger: LoggerName = "csv"
    """Where losses, metrics and learning rates go."""


def check_stopping(training: TrainingSettings, schedule: ScheduleSettings, lr: float) -> None:
    """Refuse a stop without a metric to watch, and a retry below the lowest learning rate.

    Args:
        training, schedule: of the recipe.
        lr: the full learning rate.

    Raises:
        SettingsError: they do not go together.
    """
    if training.patience and training.keep == "last":
        raise SettingsError(
            f"training.patience is {training.patience}, and training.keep is 'last': there is no metric to watch",
            f"set training.keep to one of {', '.join(KEPT_BY)}, or training.patience to 0",
        )
    if training.retry and schedule.min_lr > lr * training.retry.lr_factor:
        raise SettingsError(
            f"training.retry.lr_factor makes the learning rate {lr * training.retry.lr_factor:g}, and schedule.min_lr "
            f"is {schedule.min_lr:g}",
            "raise lr_factor, or lower schedule.min_lr",
        )
