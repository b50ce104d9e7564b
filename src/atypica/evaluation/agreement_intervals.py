"""Agreement with intervals by case: every coefficient of `agreement` as a function of the weights of the figures."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from atypica.evaluation.agreement import agreement
from atypica.evaluation.arrays import Floats
from atypica.evaluation.bootstrap import BootstrapSettings, MetricTraits, estimates
from atypica.evaluation.intervals import Estimate
from atypica.evaluation.resampling import Resampling

OVERALL = ("full", "pairwise", "fleiss", "krippendorff")
_UNDEFINED = "too few figures with two calls, or all calls alike"


@dataclass(frozen=True)
class AgreementScorer:
    """All coefficients of one set of ratings; undefined is NaN.

    Attributes:
        counts: shape (figures, categories), how many experts chose each; rows of zeros with fewer than two ratings.
        pairs: a pair of columns to its contingency table, shape (figures, categories²), rows of zeros where one of
            the two did not read.
    """

    counts: Floats
    pairs: dict[tuple[int, int], Floats]

    @classmethod
    def of(cls, ratings: Floats) -> Self:
        """Prepare `ratings`, shape (figures, experts), NaN where not read."""
        categories = np.unique(ratings[~np.isnan(ratings)])
        chosen = (ratings[:, :, None] == categories).astype(np.float64)
        counts = chosen.sum(axis=1)
        counts[counts.sum(axis=1) < 2] = 0
        pairs = {
            (i, j): (chosen[:, i, :, None] * chosen[:, j, None, :]).reshape(len(ratings), -1)
            for i, j in combinations(range(ratings.shape[1]), 2)
        }
        return cls(counts, pairs)

    def __call__(self, weights: Floats) -> dict[str, Floats]:
        """The coefficients for `weights` (replicates, figures), each (replicates,); pairs as `agreement.0.1`."""
        found = self._overall(weights)
        for (i, j), cells in self.pairs.items():
            raw, kappa = _cohen(weights @ cells)
            found |= {f"agreement.{i}.{j}": raw, f"kappa.{i}.{j}": kappa}
        return found

    def _overall(self, weights: Floats) -> dict[str, Floats]:
        readers = self.counts.sum(axis=1)
        read = (readers >= 2).astype(np.float64)
        agreeing = np.sum(self.counts * (self.counts - 1), axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(read == 1, agreeing / (readers * (readers - 1)), 0)
            differing = np.where(read == 1, (readers**2 - np.sum(self.counts**2, axis=1)) / (readers - 1), 0)
            unanimous = read * (self.counts.max(axis=1, initial=0) == readers)
            totals, figures = weights @ self.counts, weights @ read
            ratings = totals.sum(axis=1)
            chance = np.sum((totals / ratings[:, None]) ** 2, axis=1)
            expected = ratings**2 - np.sum(totals**2, axis=1)
            return {
                "full": (weights @ unanimous) / figures,
                "pairwise": (weights @ agreeing) / (weights @ (readers * (readers - 1) * read)),
                "fleiss": _corrected((weights @ share) / figures, chance),
                "krippendorff": np.where(
                    expected > 0, 1 - (ratings - 1) * (weights @ differing) / expected, np.nan
                ),
            }  # fmt: skip


def agreement_estimates(
    ratings: ArrayLike,
    plan: Resampling,
    settings: BootstrapSettings = BootstrapSettings(),  # noqa: B008 - frozen
) -> dict[str, Estimate]:
    """Every coefficient of `agreement` with its interval: `OVERALL`, and `agreement.i.j`, `kappa.i.j` for each pair.

    Args:
        ratings: shape (figures, experts), a number for each category, NaN where not read.
        plan: how the same figures are resampled.
        settings: number of resamples, seed, level, method.
    """
    values = np.asarray(ratings, dtype=np.float64)
    plain = agreement(values)
    known: dict[str, float | None] = {name: getattr(plain, name) for name in OVERALL}
    for pair in plain.pairs:
        known[f"agreement.{pair.first}.{pair.second}"] = pair.agreement
        known[f"kappa.{pair.first}.{pair.second}"] = pair.kappa
    traits = {name: MetricTraits(_UNDEFINED if value is None else None) for name, value in known.items()}
    return estimates(AgreementScorer.of(values), plan, traits, settings)


def _cohen(cells: Floats) -> tuple[Floats, Floats]:
    """Raw agreement and Cohen's kappa of contingency tables, shape (replicates, categories²)."""
    side = round(cells.shape[1] ** 0.5)
    table = cells.reshape(len(cells), side, side)
    with np.errstate(divide="ignore", invalid="ignore"):
        table = table / table.sum(axis=(1, 2), keepdims=True)
        raw = np.trace(table, axis1=1, axis2=2)
        return raw, _corrected(raw, np.sum(table.sum(axis=1) * table.sum(axis=2), axis=1))


def _corrected(observed: Floats, expected: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(expected < 1, (observed - expected) / (1 - expected), np.nan)
