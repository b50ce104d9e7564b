"""What depends on the order of the scores alone: ROC and precision-recall, weighted, ties handled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from atypica.evaluation.arrays import Floats


@dataclass(frozen=True)
class Ranking:
    """Figures in falling order of score, tied figures as one step.

    Attributes:
        order: shape (figures,), the figures from the highest score down.
        positive: shape (figures,), 1 where the figure at that place is positive.
        ends: shape (steps,), the last place of each group of tied figures.
        scores: shape (steps,), the score of each group, falling.
    """

    order: NDArray[np.intp]
    positive: Floats
    ends: NDArray[np.intp]
    scores: Floats

    @classmethod
    def of(cls, y: Floats, p: Floats) -> Self:
        """Rank figures with labels `y` (0 or 1) by the scores `p`, both of shape (figures,)."""
        order = np.argsort(-p, kind="stable")
        ranked = p[order]
        ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) if len(p) else np.zeros(0, dtype=np.intp)
        return cls(order, y[order], ends, ranked[ends])

    def cumulative(self, weights: Floats) -> tuple[Floats, Floats]:
        """The weight of positives and of negatives at or above each step.

        Args:
            weights: shape (replicates, figures).

        Returns:
            Two arrays of shape (replicates, steps).
        """
        ranked = weights[:, self.order]
        positives = ranked * self.positive
        ranked -= positives
        return np.cumsum(positives, axis=1)[:, self.ends], np.cumsum(ranked, axis=1)[:, self.ends]


def auroc(tp: Floats, fp: Floats) -> Floats:
    """Area under the ROC curve by trapezoids (a tie counts half), NaN where a class has no weight.

    Args:
        tp, fp: shape (replicates, steps), as `Ranking.cumulative` gives.

    Returns:
        Shape (replicates,).
    """
    if tp.shape[1] == 0:
        return np.full(len(tp), np.nan)
    area = fp[:, 0] * tp[:, 0] + np.einsum("rs,rs->r", fp[:, 1:] - fp[:, :-1], tp[:, 1:] + tp[:, :-1])
    with np.errstate(divide="ignore", invalid="ignore"):
        return area / (2 * tp[:, -1] * fp[:, -1])


def average_precision(tp: Floats, fp: Floats) -> Floats:
    """Average precision: the sum over the steps of the gain in recall times the precision there.

    The step-wise definition, without interpolation, as scikit-learn's `average_precision_score`. NaN where a class has
    no weight (with negatives alone there is no recall; with positives alone any ranking gives 1).

    Args:
        tp, fp: shape (replicates, steps), as `Ranking.cumulative` gives.

    Returns:
        Shape (replicates,).
    """
    if tp.shape[1] == 0:
        return np.full(len(tp), np.nan)
    called = tp + fp
    precision = np.divide(tp, called, out=np.zeros_like(tp), where=called > 0)
    gained = precision[:, 0] * tp[:, 0] + np.einsum("rs,rs->r", precision[:, 1:], tp[:, 1:] - tp[:, :-1])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(fp[:, -1] > 0, gained / tp[:, -1], np.nan)
