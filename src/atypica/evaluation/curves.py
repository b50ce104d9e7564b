"""ROC and precision-recall curves, with the band that resampling gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atypica.evaluation.arrays import Floats, checked_pair
from atypica.evaluation.bootstrap import MOST_UNDEFINED, BootstrapSettings
from atypica.evaluation.ranking import Ranking
from atypica.evaluation.resampling import Resampling, plan_resampling

GRID = np.linspace(0, 1, 101)
BAND_REPLICATES = 500
"""A band needs fewer resamples than a number: its limits are drawn, not quoted."""

Trace = Callable[[Floats, Floats], Floats]
"""From tp and fp at each step, shape (steps,), to the curve's height over `GRID`."""


@dataclass(frozen=True)
class Curve:
    """A curve over a grid, with a pointwise band.

    Attributes:
        x: shape (101,): 1 - specificity (ROC) or sensitivity (PR).
        y: shape (101,): sensitivity (ROC) or PPV (PR).
        low, high: the pointwise limits, shape (101,); None where there is no band.
        level: the pointwise coverage of the band.
        note: what the reader must know of the band.
    """

    x: Floats
    y: Floats
    low: Floats | None
    high: Floats | None
    level: float
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON, rounded to 5 decimals."""
        columns = {"x": self.x, "y": self.y, "low": self.low, "high": self.high}
        rounded = {name: None if v is None else np.round(v, 5).tolist() for name, v in columns.items()}
        return {**rounded, "level": self.level, "note": self.note}


def roc_and_pr(
    y: ArrayLike,
    p: ArrayLike,
    cases: Sequence[object] | NDArray[np.object_] | None = None,
    settings: BootstrapSettings = BootstrapSettings(),  # noqa: B008 - frozen
) -> tuple[Curve, Curve] | None:
    """The ROC curve and the precision-recall curve of labels `y` and scores `p`, shape (figures,).

    ROC: sensitivity by straight lines between the steps. PR: the PPV at the highest threshold that reaches each
    sensitivity. Bands: pointwise percentiles over the resamples. None where a class is absent.

    Raises:
        EvaluationError: NaN, labels other than 0 and 1, scores outside 0 to 1, a blank case.
    """
    labels, scores = checked_pair(y, p)
    if not 0 < labels.sum() < len(labels):
        return None
    ranking = Ranking.of(labels, scores)
    plan = plan_resampling(labels.astype(np.int64), ("NMF", "AMF"), (scores, labels), cases)
    drawn = [ranking.cumulative(block) for block in _draws(plan, settings)]
    return _curve(_roc, ranking, drawn, plan, settings), _curve(_pr, ranking, drawn, plan, settings)


def _draws(plan: Resampling, settings: BootstrapSettings) -> list[Floats]:
    if plan.scarcest()[1] < 2:
        return []
    return list(plan.draws(min(settings.replicates, BAND_REPLICATES), settings.seed))


def _curve(
    trace: Trace, ranking: Ranking, drawn: list[tuple[Floats, Floats]], plan: Resampling, settings: BootstrapSettings
) -> Curve:
    tp, fp = ranking.cumulative(np.ones((1, len(ranking.order))))
    rows = [trace(t, f) for block in drawn for t, f in zip(*block, strict=True) if t[-1] > 0 and f[-1] > 0]
    wanted = (1 - MOST_UNDEFINED) * sum(len(block[0]) for block in drawn)
    low, high = None, None
    if rows and len(rows) >= wanted:
        low, high = np.quantile(np.stack(rows), [(1 - settings.level) / 2, (1 + settings.level) / 2], axis=0)
    return Curve(GRID, trace(tp[0], fp[0]), low, high, settings.level, plan.note() if rows else "")


def _roc(tp: Floats, fp: Floats) -> Floats:
    rate = np.append(0, fp) / fp[-1]
    sensitivity = np.append(0, tp) / tp[-1]
    # At a vertical step the curve's upper end counts; np.interp takes the last of equal x.
    return np.interp(GRID, rate, sensitivity)


def _pr(tp: Floats, fp: Floats) -> Floats:
    sensitivity = tp / tp[-1]
    # Sums of counts are exact, their quotients are not: 1e-12 keeps 0.3 from missing the step at 0.3.
    reached = np.searchsorted(sensitivity, np.where(GRID > 0, GRID - 1e-12, np.finfo(float).tiny))
    reached = np.minimum(reached, len(tp) - 1)
    return tp[reached] / (tp[reached] + fp[reached])
