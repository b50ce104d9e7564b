"""How weights are moved."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from atypica.core.errors import SettingsError
from atypica.core.settings import Settings
from atypica.training.settings.schedule import ScheduleSettings

OptimizerName = Literal["adamw", "adam", "adan"]


class OptimizerSettings(Settings):
    """How weights are moved, from a linear warm-up on; how the learning rate falls says `schedule`."""

    name: OptimizerName = "adamw"
    """`adamw` (Loshchilov & Hutter, ICLR 2019), `adam` (weight decay is an L2 penalty, added to the gradient) or `adan`
    (Xie et al., 2022; timm's)."""
    lr: float = Field(gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    decay_norms: bool = False
    """Decay biases and the weights of norms as well, as plain `torch.optim` does."""
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    """Learning rate of each layer over that of the layer above (Bao et al., BEiT, ICLR 2022); heads have `lr`."""
    warmup_epochs: float = Field(default=1.0, ge=0)
    clip_norm: float = Field(default=0.0, ge=0)
    """Largest gradient norm; 0 leaves gradients as they are."""
    head_epochs: int = Field(default=0, ge=0)
    """Of `training.epochs`, how many come first and train the heads alone: the backbone keeps its weights and the
    statistics of its batch norms. All layers follow, with a fresh optimizer, warm-up and schedule. A student has no
    such phase."""
    head_lr: float | None = Field(default=None, gt=0)
    """Learning rate of those epochs, constant; null takes `lr`."""


def check_optimizer(optimizer: OptimizerSettings, schedule: ScheduleSettings, epochs: int) -> None:
    """Refuse phases and rates that cannot follow each other.

    Raises:
        SettingsError: no epoch is left for all layers, or the lowest learning rate is above the first.
    """
    if optimizer.head_epochs >= epochs:
        raise SettingsError(
            f"optimizer.head_epochs is {optimizer.head_epochs}, and training.epochs is {epochs}, those included",
            "set training.epochs above it, so that all layers are trained as well",
        )
    if schedule.min_lr > optimizer.lr:
        raise SettingsError(
            f"schedule.min_lr is {schedule.min_lr:g}, and optimizer.lr is {optimizer.lr:g}",
            "set schedule.min_lr to at most optimizer.lr",
        )
