"""What the averaged weights say of a fold's held-out figures after every epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor

from atypica.core.errors import SourceError
from atypica.models.network import FigureNetwork
from atypica.training.crops import CropStore
from atypica.training.objective import Objective
from atypica.training.predict import predict
from atypica.training.recipe import Recipe
from atypica.training.settings.schedule import ValidationMetric
from atypica.training.settings.stopping import KEPT_BY


def watched_metrics(recipe: Recipe) -> set[ValidationMetric]:
    """The validation metrics that a recipe decides by; none, and its folds are not validated."""
    chosen: set[ValidationMetric] = set()
    if recipe.probe and not recipe.probe.as_published:
        return chosen
    if kept_by := KEPT_BY.get(recipe.training.keep):
        chosen.add(kept_by)
    if recipe.schedule.name == "plateau":
        chosen.add(recipe.schedule.metric)
    return chosen


class Validation(Callback):
    """Logs `val_loss`, `val_balanced_accuracy` (at 0.5) and `val_auroc`, one view, without augmentation.

    The loss is the recipe's, over all held-out figures at once. Where they are all of one class the other two are
    undefined, and left out.

    Args:
        store: the crops.
        rows: the held-out ones.
        labels: theirs, (rows,).
        targets: theirs.
        objective: of the training.
        watched: what the recipe decides by.
        tell: called with epoch (from 0) and metrics.

    Raises:
        SourceError: the figures are of one class, and the recipe decides by balanced accuracy or AUROC.
    """

    _tell: Callable[[int, Mapping[str, float]], None] | None = None

    def __init__(
        self,
        store: CropStore,
        rows: NDArray[np.int64],
        labels: NDArray[np.float64],
        targets: Mapping[str, Tensor],
        objective: Objective,
        watched: set[ValidationMetric],
        tell: Callable[[int, Mapping[str, float]], None] | None = None,
    ) -> None:
        if len(np.unique(labels)) < 2 and watched - {"loss"}:
            raise SourceError(
                f"the figures held out in a fold are all {'AMF' if labels[0] else 'NMF'}, and the recipe decides by "
                f"their {' and '.join(sorted(watched - {'loss'})).replace('_', ' ')}",
                "use fewer folds, or decide by the loss (training.keep=best_loss, schedule.metric=loss)",
            )
        self._store = store
        self._rows = rows
        self._labels = labels
        self._targets = targets
        self._objective = objective
        self._tell = tell

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Measure and log; of several processes the first one's figures are everyone's."""
        found = self.measure(pl_module.averaged)  # pyright: ignore[reportArgumentType]
        found = trainer.strategy.broadcast(found)
        pl_module.log_dict({f"val_{name}": value for name, value in found.items()}, on_step=False, on_epoch=True)
        if self._tell:
            self._tell(trainer.current_epoch, found)

    def measure(self, network: FigureNetwork) -> dict[str, float]:
        """The metrics of a network on the held-out figures."""
        answers: dict[str, Any] = predict(network, self._store, self._rows)
        heads = {name: torch.from_numpy(values) for name, values in answers.items() if name != "embedding"}
        return {
            "loss": float(self._objective(heads, self._targets)),
            **balanced_accuracy_and_auroc(self._labels, answers["amf"][:, 0]),
        }


def balanced_accuracy_and_auroc(labels: NDArray[np.float64], logits: NDArray[np.float32]) -> dict[str, float]:
    """`balanced_accuracy` at p = 0.5 and `auroc`; neither where there is one class, or a logit is not a number."""
    if len(np.unique(labels)) < 2 or not np.isfinite(logits).all():
        return {}
    sensitivity, specificity = sensitivity_and_specificity(labels, logits)
    return {
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "auroc": float(roc_auc_score(labels, logits)),
    }


def sensitivity_and_specificity(labels: NDArray[np.float64], logits: NDArray[np.float32]) -> tuple[float, float]:
    """The shares of AMF and of NMF that are called so at p = 0.5; there must be both."""
    called = logits >= 0
    return float(called[labels == 1].mean()), float((~called)[labels == 0].mean())
