"""What a test of significance says, Holm's adjustment, the smallest p of a design, and summaries of folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from math import comb
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from atypica.core.errors import EvaluationError
from atypica.evaluation.arrays import Floats
from atypica.evaluation.intervals import Estimate


@dataclass(frozen=True)
class Significance:
    """One test of "no difference", always two-sided, with its effect sizes.

    Attributes:
        test: the test and how p was found, as words for a table.
        p: the raw p; None where it is undefined, and `reason` says why.
        statistic: the test's own statistic; None where it is undefined.
        effects: effect sizes by name.
        smallest_p: the smallest p that the design can reach whatever the data say; None where there is no such bound.
        reason: why p is undefined.
        note: what the reader must know.
        p_holm: p after Holm's adjustment over the family; None until `adjusted` was called, or where p is undefined.
    """

    test: str
    p: float | None
    statistic: float | None = None
    effects: dict[str, Estimate] = field(default_factory=dict[str, Estimate])
    smallest_p: float | None = None
    reason: str = ""
    note: str = ""
    p_holm: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        effects = {name: effect.to_json() for name, effect in self.effects.items()}
        return {**asdict(self), "effects": effects}


@dataclass(frozen=True)
class FoldSummary:
    """Results of several folds: how they scatter. Folds share figures, so that none of this is a confidence interval.

    Attributes:
        count: how many values.
        mean: their mean.
        sd: their standard deviation with count - 1 below; None of a single value.
        lowest, highest: their range.
    """

    count: int
    mean: float
    sd: float | None
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: ArrayLike) -> FoldSummary:
        """Summarize values of shape (folds,).

        Raises:
            EvaluationError: no values, or one that is not a finite number.
        """
        numbers = finite(values, "fold results")
        if not len(numbers):
            raise EvaluationError("there are no fold results to summarize", "give at least one")
        sd = float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None
        return cls(len(numbers), float(numbers.mean()), sd, float(numbers.min()), float(numbers.max()))

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def finite(values: ArrayLike, what: str) -> Floats:
    """Values as floats, shape (n,).

    Raises:
        EvaluationError: not one-dimensional, or one is not a finite number.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or not np.isfinite(numbers).all():
        raise EvaluationError(f"the {what} are not a row of finite numbers", "leave out the runs that failed")
    return numbers


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Adjust the p of a family of tests (Holm, Scandinavian Journal of Statistics 1979).

    An undefined p stays None and does not count in the family: such a test cannot reject anything.

    >>> [round(value, 3) for value in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    known = sorted((value, place) for place, value in enumerate(p) if value is not None)
    found: list[float | None] = [None] * len(p)
    highest = 0.0
    for rank, (value, place) in enumerate(known):
        highest = max(highest, min(1.0, value * (len(known) - rank)))
        found[place] = highest
    return found


def adjusted(family: Sequence[Significance]) -> list[Significance]:
    """The tests of a family with `p_holm` filled."""
    return [replace(test, p_holm=value) for test, value in zip(family, holm([test.p for test in family]), strict=True)]


def smallest_paired_p(pairs: int) -> float | None:
    """The smallest two-sided p of a test that flips the signs of `pairs` differences (signed-rank, exact McNemar).

    >>> smallest_paired_p(5)
    0.0625
    """
    return min(1.0, 2.0 ** (1 - pairs)) if pairs > 0 else None


def smallest_unpaired_p(first: int, second: int) -> float | None:
    """The smallest two-sided p of a rank-sum test of so many values against so many.

    >>> round(smallest_unpaired_p(5, 5), 4)
    0.0079
    """
    return min(1.0, 2 / comb(first + second, first)) if first and second else None
