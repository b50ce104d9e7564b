"""One trial: the folds of a recipe, each told to the study, until all are trained or the study ends it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from optuna import TrialPruned
from optuna.trial import Trial

from atypica.core.errors import SourceError
from atypica.data.figures import Figures
from atypica.training.crops import CropStore
from atypica.training.crossval import cross_validate
from atypica.training.fit import WEIGHTS
from atypica.training.recipe import Recipe
from atypica.training.run import Run
from atypica.training.settings.tune import METRIC_WORDS, SearchSpace

VIEWS = (1,)


class CollapsedError(TrialPruned):
    """A fold of a trial collapsed."""


@dataclass
class Judge:
    """Tells a study how a trial goes, and ends it when the study says so.

    Attributes:
        trial: Optuna's.
        space: by which metric, and after what.
        folds: how many.
        epochs: of a fold, at most.
        finished: the metric of every finished fold.
    """

    trial: Trial
    space: SearchSpace
    folds: int
    epochs: int
    finished: list[float] = field(default_factory=list[float])

    def after_epoch(self, fold: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """The value of an epoch is the mean over it and the folds before.

        Raises:
            TrialPruned: the study ends the trial.
        """
        value = metrics.get(self.space.metric)
        if value is None:
            return
        step, words = fold * self.epochs + epoch + 1, f"epoch {epoch + 1} of fold {fold}"
        self._tell([*self.finished, value], step, words, step == self.folds * self.epochs)

    def after_fold(self, fold: int, metrics: Mapping[str, Any]) -> None:
        """Take the metric of a fold in.

        Raises:
            TrialPruned: the study ends the trial; `CollapsedError` if the fold collapsed.
        """
        self.finished.append(self.checked(fold, metrics))
        if self.space.prune_by == "fold":
            self._tell(self.finished, fold + 1, f"fold {fold}", fold + 1 == self.folds)

    def checked(self, fold: int, metrics: Mapping[str, Any]) -> float:
        """The metric of a fold.

        Raises:
            CollapsedError: it collapsed.
            SourceError: its figures are of one class, so that it has no such metric.
        """
        if metrics.get("collapse"):
            raise CollapsedError(f"fold {fold} collapsed: {metrics['collapse']}")
        value = metrics[self.space.metric]
        if value is None:
            raise SourceError(f"the figures held out in fold {fold} are of one class", "use fewer folds (split.folds)")
        return float(value)

    def _tell(self, values: list[float], step: int, words: str, last: bool) -> None:
        mean = float(np.mean(values))
        with warnings.catch_warnings():  # a resumed trial tells some steps again
            warnings.simplefilter("ignore")
            self.trial.report(mean, step)
        if not last and step >= self.space.first_step and self.trial.should_prune():
            raise TrialPruned(f"after {words}: {METRIC_WORDS[self.space.metric]} {mean:.3f}")


class Trials:
    """Runs trials on the same figures; their crops are read once as long as all see the same field and colors.

    Args:
        source: labeled figures with cases; those that the recipe reports on are never read.
    """

    def __init__(self, source: Figures) -> None:
        self._source = source
        self._kept: tuple[Any, CropStore] | None = None

    def run(self, recipe: Recipe, folder: Path, trial: Trial, space: SearchSpace) -> list[float]:
        """Train the folds of a trial that are not finished; the metric of each.

        Raises:
            TrialPruned: the study ended it; `CollapsedError` where a fold collapsed.
            AtypicaError: what a training raises.
        """
        run = Run.open(folder, recipe, self._source)
        judge = Judge(trial, space, run.fold_count, recipe.training.epochs)
        if space.prune_by == "epoch" and space.pruner != "none":
            run = replace(run, watch=judge.after_epoch)
        load: Callable[[], CropStore] = lru_cache(maxsize=1)(lambda: self._crops(run))
        for fold in range(run.fold_count):
            (metrics,) = cross_validate(run, load, VIEWS, only=[fold])
            judge.after_fold(fold, metrics)
        # With all folds there, one of them may count as collapsed beside the others.
        return [judge.checked(fold, metrics) for fold, metrics in enumerate(cross_validate(run, load, VIEWS))]

    def _crops(self, run: Run) -> CropStore:
        seen = (run.recipe.geometry, run.recipe.input.stain_normalization, tuple(run.figures.table["figure_id"]))
        if self._kept is None or self._kept[0] != seen:
            self._kept = (seen, run.load_crops())
        return self._kept[1]


def clear(folder: Path) -> None:
    """Leave of an ended trial its recipe, logs and predictions: the weights of a hundred trials would fill a disk."""
    for path in [folder / "ledger.jsonl", *folder.glob(f"folds/*/{WEIGHTS}"), *folder.glob("folds/*/*.ckpt")]:
        path.unlink(missing_ok=True)
