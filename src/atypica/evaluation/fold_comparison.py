"""Groups of fold results (strategies, models) against each other, one family of tests for each dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atypica.core.errors import EvaluationError
from atypica.evaluation.arrays import Floats
from atypica.evaluation.ranktests import mann_whitney_u, wilcoxon_signed_rank
from atypica.evaluation.significance import FoldSummary, Significance, adjusted, finite

PAIRINGS = (("backbone", "fold"), ("model", "fold"), ("strategy", "fold"), ("fold",))
"""By which columns values pair, tried in this order, always together with `seed` where there is such a column."""
WITHIN = ("fold", "seed")
"""Runs that differ in these alone are repeats of one thing."""
ENOUGH_PAIRS = 0.5
"""Values are paired if at least this share of the smaller group finds its partner."""
NO_INTERVAL = "mean, SD and range describe the runs; they are no confidence interval"
DEPENDENT = (
    "folds of a model share figures, so that their values are not independent and p is likely too small; "
    "'folds averaged' counts each model once"
)

Key = tuple[str, ...]


@dataclass(frozen=True)
class GroupPair:
    """Two groups on one dataset.

    Attributes:
        first, second: the groups' names.
        paired_by: the columns by which values were paired; empty where they do not pair.
        used: how many values of each were tested.
        left_out: values without a partner, in both groups; 0 where they do not pair.
        test: on all values: Wilcoxon signed-rank where they pair, else Mann-Whitney U.
        averaged: the same after the folds of each model were averaged.
    """

    first: str
    second: str
    paired_by: tuple[str, ...]
    used: tuple[int, int]
    left_out: int
    test: Significance
    averaged: Significance

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "first": self.first,
            "second": self.second,
            "paired_by": list(self.paired_by),
            "used": list(self.used),
            "left_out": self.left_out,
            "test": self.test.to_json(),
            "folds_averaged": self.averaged.to_json(),
        }


@dataclass(frozen=True)
class FoldFamily:
    """One dataset: its groups, summarized, and every pair of them."""

    dataset: str
    groups: dict[str, FoldSummary]
    pairs: tuple[GroupPair, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "dataset": self.dataset,
            "groups": {name: summary.to_json() for name, summary in self.groups.items()},
            "pairs": [pair.to_json() for pair in self.pairs],
        }


@dataclass(frozen=True)
class FoldComparison:
    """Everything that `compare_folds` found; one family a dataset."""

    by: str
    families: tuple[FoldFamily, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "by": self.by,
            "summary": NO_INTERVAL,
            "dependence": DEPENDENT,
            "holm": "over the pairs of groups of a dataset",
            "datasets": [family.to_json() for family in self.families],
        }


def compare_folds(values: ArrayLike, columns: Mapping[str, Sequence[object]], by: str) -> FoldComparison:
    """Compare groups of fold results, all pairs, with Holm's adjustment over the pairs of each dataset.

    Wilcoxon's signed-rank test where the values of two groups pair (`PAIRINGS`), else the Mann-Whitney U test. Both
    take values as independent, which folds of a model are not; so each test is made again with the folds averaged.

    Args:
        values: a metric of each run, shape (runs,).
        columns: what is known of each run: `by`, and where there are such `dataset`, `fold`, `model`, `backbone`,
            `strategy`, `seed`; each of shape (runs,).
        by: the column whose values are the groups.

    Raises:
        EvaluationError: no such column, a column of another length, a blank group, a value that is not finite, or
            fewer than two groups.
    """
    numbers = finite(values, "fold results")
    runs = _Runs(numbers, {name: _texts(name, column, len(numbers)) for name, column in columns.items()}, by)
    if by not in runs.columns:
        raise EvaluationError(f"there is no column '{by}'", f"choose among: {', '.join(columns)}")
    if (runs.columns[by] == "").any():
        row = int(np.argmax(runs.columns[by] == ""))
        raise EvaluationError(f"run {row + 1} has no '{by}'", f"fill the column '{by}'")
    if len(set(runs.columns[by].tolist())) < 2:
        raise EvaluationError(f"'{by}' has a single value, {runs.columns[by][:1].tolist()}", "compare two or more")
    families = {"": runs} if by == "dataset" else runs.split("dataset")
    return FoldComparison(by, tuple(_family(name, part) for name, part in families.items()))


@dataclass(frozen=True)
class _Runs:
    values: Floats
    columns: dict[str, NDArray[np.object_]]
    by: str

    def split(self, column: str) -> dict[str, _Runs]:
        """The runs of each value of a column, in order of appearance; all of them if there is no such column."""
        if column not in self.columns:
            return {"": self}
        names = dict.fromkeys(self.columns[column].tolist())
        return {name: self._where(self.columns[column] == name) for name in names}

    def _where(self, mask: NDArray[np.bool_]) -> _Runs:
        return _Runs(self.values[mask], {name: column[mask] for name, column in self.columns.items()}, self.by)

    def keyed(self, keys: Sequence[str]) -> dict[Key, float] | None:
        """The value of each run by its key; None where two runs share one."""
        rows = zip(*(self.columns[key].tolist() for key in keys), strict=True)
        found = dict(zip(rows, self.values.tolist(), strict=True))
        return found if len(found) == len(self.values) else None

    def averaged(self) -> Floats:
        """The mean of each model's runs: of those that differ in fold and seed alone."""
        keys = [name for name in ("model", "backbone", "strategy") if name in self.columns]
        if not keys:
            return self.values.mean(keepdims=True)
        return _means(zip(*(self.columns[key].tolist() for key in keys), strict=True), self.values.tolist())


def _texts(name: str, column: Sequence[object], runs: int) -> NDArray[np.object_]:
    if len(column) != runs:
        raise EvaluationError(f"{len(column)} values of '{name}' for {runs} runs", "give one for each run")
    blank = [value is None or (isinstance(value, float) and np.isnan(value)) for value in column]
    texts = ["" if empty else str(value).strip() for value, empty in zip(column, blank, strict=True)]
    return np.array(texts, dtype=object)


def _family(dataset: str, runs: _Runs) -> FoldFamily:
    groups = runs.split(runs.by)
    pairs = [_pair(one, two, groups[one], groups[two]) for one, two in combinations(groups, 2)]
    tests, averaged = adjusted([pair.test for pair in pairs]), adjusted([pair.averaged for pair in pairs])
    return FoldFamily(
        dataset,
        {name: FoldSummary.of(group.values) for name, group in groups.items()},
        tuple(replace(pair, test=test, averaged=mean) for pair, test, mean in zip(pairs, tests, averaged, strict=True)),
    )


def _pair(first: str, second: str, one: _Runs, two: _Runs) -> GroupPair:
    for keys in _pairings(one):
        left, right = one.keyed(keys), two.keyed(keys)
        if left is None or right is None:
            continue
        shared = [key for key in left if key in right]
        if shared and len(shared) >= ENOUGH_PAIRS * min(len(left), len(right)):
            a, b = ({key: side[key] for key in shared} for side in (left, right))
            lost = len(left) + len(right) - 2 * len(shared)
            test = wilcoxon_signed_rank([*a.values()], [*b.values()])
            return GroupPair(first, second, keys, (len(a), len(b)), lost, test, _averaged_pairs(a, b, keys))
    test = mann_whitney_u(one.values, two.values)
    averaged = mann_whitney_u(one.averaged(), two.averaged())
    return GroupPair(first, second, (), (len(one.values), len(two.values)), 0, test, averaged)


def _pairings(runs: _Runs) -> list[tuple[str, ...]]:
    """The pairings whose columns are all there and are not what is compared."""
    seed = ("seed",) if "seed" in runs.columns and runs.by != "seed" else ()
    return [(*keys, *seed) for keys in PAIRINGS if runs.by not in keys and all(key in runs.columns for key in keys)]


def _averaged_pairs(one: dict[Key, float], two: dict[Key, float], keys: tuple[str, ...]) -> Significance:
    """Wilcoxon's test of the means over folds and seeds."""
    places = [place for place, key in enumerate(keys) if key not in WITHIN]
    sides = (_means((tuple(key[place] for place in places) for key in side), side.values()) for side in (one, two))
    return wilcoxon_signed_rank(*sides)


def _means(keys: Iterable[Key], values: Iterable[float]) -> Floats:
    """The mean of the values of each key, in order of appearance."""
    found: dict[Key, list[float]] = {}
    for key, value in zip(keys, values, strict=True):
        found.setdefault(key, []).append(value)
    return np.array([float(np.mean(group)) for group in found.values()])
