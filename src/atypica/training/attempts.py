"""The attempts at every fold: a second one for a fold that collapsed, if the recipe says what to change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from atypica.training.collapse import far_folds
from atypica.training.recipe import Recipe
from atypica.training.run import Run
from atypica.training.settings.stopping import RetrySettings

Metrics = dict[str, Any]


@dataclass(frozen=True)
class Attempt:
    """A fold that is to be trained.

    Attributes:
        fold: which.
        recipe: the run's own, or what a second attempt changes of it.
        changed: what that is, by dotted keys; empty for a first attempt.
    """

    fold: int
    recipe: Recipe
    changed: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def marks(self) -> Metrics:
        """What its line in the ledger says of it."""
        return {"attempt": 2, "changed": self.changed} if self.changed else {}


class Attempts:
    """The attempts at the folds of a run; who trains them hands in their metrics, and every attempt is in the ledger.

    The line of an attempt that counts as collapsed has `collapse`, that of a second one `attempt` and `changed` too.
    The newest line of a fold is the one that stands; a killed run goes on from there.

    Args:
        run: what is trained.
        chosen: the folds.
        say: called with a line about every attempt and every verdict.
    """

    def __init__(self, run: Run, chosen: Sequence[int], say: Callable[[str], None]) -> None:
        self.run = run
        self._chosen = chosen
        self._say = say

    def complete(self, train: Callable[[list[Attempt]], None]) -> list[Metrics]:
        """Have everything trained and judged.

        Args:
            train: trains one or more of the attempts that it is given, and hands in what they came to by `keep`.

        Returns:
            What stands of every chosen fold.
        """
        self.tell()
        while pending := self.pending():
            train(pending)
        return [self.newest(fold) for fold in self._chosen]

    def tell(self) -> None:
        """Say what stands already."""
        for fold in self._chosen:
            self._tell(fold)

    def newest(self, fold: int) -> Metrics:
        """What stands of a finished fold; empty if it is not finished."""
        line = self.run.ledger.find(_step(fold), self.run.recipe.fold_hash)
        return line["metrics"] if line else {}

    def pending(self) -> list[Attempt]:
        """What is to be trained now: folds that are not finished, and those that collapsed, once more.

        With all folds finished, those far from the others count as collapsed too.
        """
        found = self._untrained()
        if not found and self._judge_siblings():
            found = self._untrained()
        return found

    def keep(self, attempt: Attempt, metrics: Metrics, seconds: float) -> None:
        """Enter into the ledger what an attempt came to."""
        self.run.keep(_step(attempt.fold), self.run.recipe.fold_hash, {**metrics, **attempt.marks}, seconds)
        self._tell(attempt.fold)

    def _untrained(self) -> list[Attempt]:
        found = (self._next(fold) for fold in self._chosen)
        return [attempt for attempt in found if attempt]

    def _next(self, fold: int) -> Attempt | None:
        recipe, metrics = self.run.recipe, self.newest(fold)
        if not metrics:
            return Attempt(fold, recipe)
        if "collapse" not in metrics or "attempt" in metrics or recipe.training.retry is None:
            return None
        again, changed = changed_recipe(recipe, recipe.training.retry)
        self._say(f"fold {fold} is to be trained once more with {changed}")
        return Attempt(fold, again, changed)

    def _judge_siblings(self) -> bool:
        """Whether a fold came to count as collapsed."""
        new = {fold: why for fold, why in self._far().items() if "collapse" not in self.newest(fold)}
        for fold, why in new.items():
            self.run.keep(_step(fold), self.run.recipe.fold_hash, {**self.newest(fold), "collapse": why}, 0.0)
            self._tell(fold)
        return bool(new)

    def _far(self) -> dict[int, str]:
        """Values of a column that are held out in turn are expected to differ: these folds are not compared."""
        found = {fold: self.newest(fold) for fold in range(self.run.fold_count)}
        if self.run.recipe.split.by or not all(found.values()):
            return {}
        aurocs = {fold: metrics.get("auroc") for fold, metrics in found.items()}
        return far_folds({fold: auroc for fold, auroc in aurocs.items() if auroc is not None})

    def _tell(self, fold: int) -> None:
        if metrics := self.newest(fold):
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
