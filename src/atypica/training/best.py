"""The best epoch of a training: its weights are kept, and without a better one for long the training stops."""

from __future__ import annotations

import math
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from atypica.models.frozen import load_trained_state, trained_state
from atypica.models.network import FigureNetwork
from atypica.training.module import FigureModule
from atypica.training.settings.schedule import ValidationMetric


class BestEpoch(Callback):
    """Keeps a copy of the averaged weights of the best epoch, in every checkpoint as well.

    To be called after the validation and before the checkpoint. A resumed training so knows its best weights, and
    whether it had stopped.

    Args:
        metric: what decides; `loss` should fall, the others rise. Of equals the earliest epoch is the best.
        patience: epochs without a better one after which the training stops; 0 never. The epochs of the heads alone
            do not count.
    """

    def __init__(self, metric: ValidationMetric, patience: int) -> None:
        self._metric = metric
        self._patience = patience
        self.epoch: int | None = None
        """The best epoch so far, from 0 as in the log; None before there is one."""
        self.value: float | None = None
        self._weights: dict[str, Tensor] = {}
        self._stopped = False

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """A training that had stopped before it was killed does not go on."""
        trainer.should_stop = self._stopped

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Look at the epoch's validation."""
        assert isinstance(pl_module, FigureModule)
        value = float(trainer.callback_metrics.get(f"val_{self._metric}", math.nan))
        if self._is_better(value):
            self.epoch, self.value = trainer.current_epoch, value
            weights = trained_state(pl_module.averaged)
            self._weights = {name: part.detach().cpu().clone() for name, part in weights.items()}
        since = max(-1 if self.epoch is None else self.epoch, pl_module.rates.head_epochs - 1)
        self._stopped = 0 < self._patience <= trainer.current_epoch - since
        trainer.should_stop = trainer.should_stop or self._stopped

    def _is_better(self, value: float) -> bool:
        if not math.isfinite(value):
            return False
        if self.value is None:
            return True
        return value < self.value if self._metric == "loss" else value > self.value

    def kept(self, network: FigureNetwork) -> int | None:
        """Give a network the weights of the best epoch, if there is one; which it is, from 1."""
        if self.epoch is None:
            return None
        load_trained_state(network, self._weights, network.held_hash)
        return self.epoch + 1

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"epoch": self.epoch, "value": self.value, "weights": self._weights, "stopped": self._stopped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """What a checkpoint kept."""
        self.epoch, self.value = state_dict["epoch"], state_dict["value"]
        self._weights, self._stopped = state_dict["weights"], state_dict["stopped"]
