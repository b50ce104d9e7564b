"""How figures are drawn again: whole cases with replacement, stratified where a class would vanish."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atypica.evaluation.arrays import Floats, Integers, case_codes

VANISHING = 1e-3
"""A class that a plain resample would lose more often than this is held by stratified resampling."""
FEW_CASES = 20
"""Below this number of cases (or of cases with a class) the interval is marked."""
UNGROUPED = "figure-level, likely too narrow"
_BLOCK = 120_000
"""Weights handled at a time: a few hundred kilobytes stay in the processor's cache."""


@dataclass(frozen=True)
class Resampling:
    """What is drawn with replacement.

    Attributes:
        unit: shape (figures,), the unit (case, or the figure itself) of each figure.
        stratum: shape (units,); as many units are drawn from each stratum as it holds.
        holders: how many units hold a figure of each class, by the class's name.
        grouped: whether the units are cases.
    """

    unit: Integers
    stratum: Integers
    holders: dict[str, int]
    grouped: bool

    @property
    def units(self) -> int:
        """How many units there are."""
        return len(self.stratum)

    @property
    def method(self) -> str:
        """How figures are drawn, as words for a caption."""
        level = "case" if self.grouped else "figure"
        return f"stratified {level}-level bootstrap" if self.stratum.any() else f"{level}-level bootstrap"

    def scarcest(self, classes: Iterable[str] | None = None) -> tuple[str, int]:
        """Of the classes that are present (all, or those named): the one that the fewest units hold, and how many.

        ("", 0) where none is present.
        """
        names = self.holders if classes is None else classes
        present = {name: self.holders[name] for name in names if self.holders[name]}
        return min(present.items(), key=lambda item: item[1], default=("", 0))

    def note(self, classes: Iterable[str] | None = None) -> str:
        """What the reader must know of an interval from these draws for a metric that depends on `classes`."""
        if not self.grouped:
            return UNGROUPED
        name, count = self.scarcest(classes)
        if not 0 < count < FEW_CASES:
            return ""
        what = "cases" if count == self.units else f"cases with {name}"
        return f"{count} {what}, likely too narrow"

    def draws(self, replicates: int, seed: int) -> Iterator[Floats]:
        """Blocks of weights, shape (some replicates, figures), `replicates` rows in all."""
        rng = np.random.default_rng(seed)
        rows = max(1, _BLOCK // max(len(self.unit), 1))
        for first in range(0, replicates, rows):
            yield self._counts(min(rows, replicates - first), rng)[:, self.unit]

    def left_out(self, groups: int = 400) -> Iterator[Floats]:
        """Blocks of weights with one unit left out in each row; with more units than `groups`, a group of units."""
        part = np.arange(self.units) % min(self.units, groups)
        rows = max(1, _BLOCK // max(len(self.unit), 1))
        parts = np.unique(part)
        for first in range(0, len(parts), rows):
            yield (part[self.unit] != parts[first : first + rows, None]).astype(np.float64)

    def _counts(self, rows: int, rng: np.random.Generator) -> Floats:
        counts = np.zeros((rows, self.units))
        for stratum in np.unique(self.stratum):
            members = np.flatnonzero(self.stratum == stratum)
            picks = rng.integers(len(members), size=(rows, len(members)))
            flat = (picks + np.arange(rows)[:, None] * len(members)).ravel()
            counts[:, members] = np.bincount(flat, minlength=rows * len(members)).reshape(rows, len(members))
        return counts


def plan_resampling(
    classes: Integers,
    names: Sequence[str],
    keys: Sequence[Floats | Integers],
    cases: Sequence[object] | NDArray[np.object_] | None,
) -> Resampling:
    """Decide how to resample figures.

    With `cases`, whole cases are drawn; without, single figures, and the intervals are marked. Units are ordered by
    their name (or by `keys`), so that the order of the figures changes nothing.

    Args:
        classes: the index of each figure's class in `names`, shape (figures,).
        names: the classes, none of which may vanish from a resample.
        keys: what tells figures apart, each of shape (figures,); used without cases.
        cases: the case of each figure, or None.

    Raises:
        EvaluationError: a blank case, or another number of cases than of figures.
    """
    unit = _ranks(keys, len(classes)) if cases is None else case_codes(cases, len(classes))[1]
    units = int(unit.max()) + 1 if len(unit) else 0
    holds = [np.bincount(unit, weights=classes == code, minlength=units) > 0 for code in range(len(names))]
    stratum = np.zeros(units, dtype=np.int64)
    for place, held in enumerate(holds):
        if _vanishes(int(held.sum()), units):
            stratum += held.astype(np.int64) << place
    holders = {name: int(held.sum()) for name, held in zip(names, holds, strict=True)}
    return Resampling(unit, stratum, holders, cases is not None)


def _ranks(keys: Sequence[Floats | Integers], figures: int) -> Integers:
    ranks = np.empty(figures, dtype=np.int64)
    ranks[np.lexsort(tuple(keys))] = np.arange(figures)
    return ranks


def _vanishes(holders: int, units: int) -> bool:
    return 0 < holders < units and (1 - holders / units) ** units > VANISHING
