"""A learning rate that falls when validation no longer improves."""

from __future__ import annotations

from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from torch.optim.lr_scheduler import ReduceLROnPlateau

from atypica.core.errors import TrainingError
from atypica.training.schedules import LearningRates


class Plateau(Callback):
    """Lowers the learning rate of every group when the metric stays, once the rate is full.

    To be called before the epoch's checkpoint is written. As a scheduler of Lightning it would be after it, so that a
    resumed training would miss a step.

    Args:
        rates: of the training.
    """

    def __init__(self, rates: LearningRates) -> None:
        self._rates = rates
        self._scheduler: ReduceLROnPlateau | None = None
        self._kept: dict[str, Any] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start anew, or where a checkpoint left off."""
        settings, optimizer = self._rates.schedule, trainer.optimizers[0]
        self._scheduler = ReduceLROnPlateau(
            optimizer,
            mode="min" if settings.metric == "loss" else "max",
            factor=settings.factor,
            patience=settings.patience,
            min_lr=[settings.min_lr * group["initial_lr"] / self._rates.lr for group in optimizer.param_groups],
            eps=0,
        )
        self._scheduler.load_state_dict(self._kept)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Look at the epoch's validation.

        Raises:
            TrainingError: there was none.
        """
        if self._scheduler is None or trainer.current_epoch + 1 < self._rates.full_after:
            return
        name = f"val_{self._rates.schedule.metric}"
        if name not in trainer.callback_metrics:
            raise TrainingError(
                f"schedule.name is 'plateau', and this training has no {name} to watch", "set schedule.name to cosine"
            )
        self._scheduler.step(float(trainer.callback_metrics[name]))
        trainer.lr_scheduler_configs[0].scheduler.base_lrs = [g["lr"] for g in trainer.optimizers[0].param_groups]  # pyright: ignore[reportAttributeAccessIssue]

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return self._scheduler.state_dict() if self._scheduler else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep what a checkpoint holds until there is an optimizer."""
        self._kept = state_dict
