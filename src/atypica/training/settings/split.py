"""Which figures train, and which are held out."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from atypica.core.settings import Settings
from atypica.data.splits import Strata, Unit


class SplitSettings(Settings):
    """Which figures train, and how they are cut into folds."""

    train_on: str = "train"
    """Value of the source's `split` column to train on; `all` takes every figure."""
    test_on: str = "test"
    """Value of the `split` column to report on, once the bundle is made."""
    shares: tuple[Annotated[float, Field(gt=0)], ...] = ()
    """A split of the recipe's own in place of the source's: [80, 20] is train and test, [70, 15, 15] train, val and
    test, of every dataset in the source. Folds are then made of what `train_on` names (`train+val`: of both)."""
    held_out: str = ""
    """Value of the `split` column (val) that is held out once, in place of folds: one network is trained on the rest of
    `train_on` and judged on these; empty for folds."""
    folds: int = Field(default=5, ge=2)
    by: str = ""
    """A column (dataset, scanner) whose values are the folds, each held out in turn; empty for folds of cases."""
    stratify: Strata = "label"
    """What is spread evenly: labels, or labels and whether the votes disagree."""
    unit: Unit = "case"
    """What is never cut. `figure` splits as papers did that ignored cases: results flatter, and are marked."""

    @model_validator(mode="after")
    def _two_or_three_shares(self) -> Self:
        if self.shares and len(self.shares) not in (2, 3):
            raise ValueError("'shares' are two or three numbers, such as [80, 20] or [70, 15, 15]")
        return self

    @model_validator(mode="after")
    def _held_out_once(self) -> Self:
        if self.held_out and self.by:
            raise ValueError("'held_out' and 'by' do not go together: hold out one part, or one value after another")
        if self.held_out and self.held_out in {self.train_on, self.test_on}:
            raise ValueError(f"'{self.held_out}' cannot be 'held_out' and all that is trained or tested on")
        return self

    @property
    def parts(self) -> tuple[str, ...]:
        """The values of the `split` column whose figures are a run's, those held out included; `all` for every one."""
        named = self.train_on.split("+")
        return tuple(dict.fromkeys([*named, self.held_out] if self.held_out and self.train_on != "all" else named))
