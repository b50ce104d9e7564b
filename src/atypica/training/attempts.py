"""The attempts at every fold: a second one for a fold that collapsed, if the recipe says what to change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from atypica.training.collapse import far_folds
from atypica.training.recipe import Recipe
from atypica.training.run import Run
from atypica.training.settings.stopping import RetrySettings

Metrics = dict[str, Any]


class Attempts:
    """Trains the folds of a run and judges them, by itself and among each other; every attempt is in the ledger.

    The line of an attempt that counts as collapsed has `collapse`, that of a second one `attempt` and `changed` too.
    The newest line of a fold is the one that stands; a killed run goes on from there.

    Args:
        run: what is trained.
        work: trains one fold by a recipe and returns its metrics.
        say: called with a line about every attempt and every verdict.
    """

    def __init__(self, run: Run, work: Callable[[int, Recipe], Metrics], say: Callable[[str], None]) -> None:
        self._run = run
        self._work = work
        self._say = say

    def newest(self, fold: int) -> Metrics:
        """What stands of a finished fold; empty if it is not finished."""
        line = self._run.ledger.find(_step(fold), self._run.recipe.fold_hash)
        return line["metrics"] if line else {}

    def first(self, fold: int) -> None:
        """Train a fold if it is not finished; once more if it collapsed."""
        if not self.newest(fold):
            self._record(fold, self._run.recipe, {})
        else:
            self._tell(fold)
        self._retry(fold)

    def judge_siblings(self) -> None:
        """Once all folds are finished: those far from the others count as collapsed, and are trained once more."""
        far = self._far()
        for fold, why in far.items():
            self._note(fold, why)
        again = [fold for fold in far if self._retry(fold)]
        for fold, why in self._far().items() if again else ():
            self._note(fold, why)

    def _far(self) -> dict[int, str]:
        """Values of a column that are held out in turn are expected to differ: these folds are not compared."""
        found = {fold: self.newest(fold) for fold in range(self._run.fold_count)}
        if self._run.recipe.split.by or not all(found.values()):
            return {}
        aurocs = {fold: metrics.get("auroc") for fold, metrics in found.items()}
        return far_folds({fold: auroc for fold, auroc in aurocs.items() if auroc is not None})

    def _note(self, fold: int, why: str) -> None:
        metrics = self.newest(fold)
        if "collapse" not in metrics:
            self._run.record(_step(fold), self._run.recipe.fold_hash, lambda: {**metrics, "collapse": why})
            self._tell(fold)

    def _retry(self, fold: int) -> bool:
        """Whether there was a second attempt."""
        recipe, metrics = self._run.recipe, self.newest(fold)
        if "collapse" not in metrics or "attempt" in metrics or recipe.training.retry is None:
            return False
        again, changed = changed_recipe(recipe, recipe.training.retry)
        self._say(f"fold {fold} is trained once more with {changed}")
        self._record(fold, again, {"attempt": 2, "changed": changed})
        return True

    def _record(self, fold: int, recipe: Recipe, marks: Metrics) -> None:
        self._run.record(_step(fold), self._run.recipe.fold_hash, lambda: {**self._work(fold, recipe), **marks})
        self._tell(fold)

    def _tell(self, fold: int) -> None:
        metrics = self.newest(fold)
        self._say(f"{_step(fold)}: {metrics}")
        if "collapse" in metrics:
            self._say(f"{_step(fold)} collapsed: {metrics['collapse']}")


def changed_recipe(recipe: Recipe, retry: RetrySettings) -> tuple[Recipe, dict[str, float]]:
    """The recipe of a second attempt, and what is different by its dotted keys."""
    optimizer = recipe.optimizer
    rates = {"lr": optimizer.lr * retry.lr_factor}
    if optimizer.head_lr:
        rates["head_lr"] = optimizer.head_lr * retry.lr_factor
    changed: dict[str, float] = {}
    if retry.lr_factor != 1:
        changed |= {f"optimizer.{name}": value for name, value in rates.items()}
    if retry.seed_offset:
        changed["seed"] = recipe.seed + retry.seed_offset
    update = {"optimizer": optimizer.model_copy(update=rates), "seed": recipe.seed + retry.seed_offset}
    return recipe.model_copy(update=update), changed


def _step(fold: int) -> str:
    return f"fold {fold}"
