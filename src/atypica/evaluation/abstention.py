"""What is gained by leaving the doubtful figures to a person."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from atypica.core.errors import EvaluationError
from atypica.evaluation.arrays import Floats, checked_pair, checked_scores, log_odds
from atypica.evaluation.doubt import checked_doubt, closeness, whole

MOST_POINTS = 200
"""A coverage curve has at most this many points."""
_SAME = 1e-9
"""Distances in log-odds that differ by less are the same."""


@dataclass(frozen=True)
class ReferBand:
    """The band of p (low < p < high) that goes to a person, and the share of figures within."""

    low: float
    high: float
    referred: float


@dataclass(frozen=True)
class Rest:
    """The figures that are not referred.

    Attributes:
        coverage: their share of all.
        figures, amf: how many, and how many AMF among them.
        balanced_accuracy, accuracy, sensitivity, specificity: of them; None where undefined.
    """

    coverage: float
    figures: int
    amf: int
    balanced_accuracy: float | None
    accuracy: float | None
    sensitivity: float | None
    specificity: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class CoverageCurve:
    """What is right among the figures that are kept, from all of them (first) to the surest alone.

    Attributes:
        coverage: the share that is kept, falling, shape (points,).
        balanced_accuracy, accuracy: of those, shape (points,); NaN where undefined.
    """

    coverage: Floats
    balanced_accuracy: Floats
    accuracy: Floats

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON, rounded to 5 decimals; None where undefined."""
        return {
            name: [None if np.isnan(value) else round(float(value), 5) for value in values]
            for name, values in (
                ("coverage", self.coverage),
                ("balanced_accuracy", self.balanced_accuracy),
                ("accuracy", self.accuracy),
            )
        }


def refer_band(p: ArrayLike, threshold: float, share: float) -> ReferBand:
    """The band around the threshold that holds `share` of these figures: those nearest to it in log-odds.

    No labels are needed, so the band is fitted to no luck in them; the threshold that it lies around may be. On other
    figures it holds another share, the more so the fewer it was made from. Its edge lies half-way to the next figure.

    A band cannot part figures of one distance. Where they stand across its edge they are outside, so that it never
    holds more than `share`; only where the nearest figures of all are too many are they inside, and it holds more.
    p beyond 0.000001 or 0.999999 may be outside. `referred` is the share that results.

    Args:
        p: p_amf, shape (figures,).
        threshold: p at or above it is AMF.
        share: of the figures to refer, 0 to 1 without 1; less than one figure is none.

    Raises:
        EvaluationError: no figures, NaN, p or threshold outside 0 to 1, an impossible share.
    """
    scores = checked_scores(p, np.size(p))
    wanted = whole(share, len(scores))
    if not len(scores):
        raise EvaluationError("there are no figures to make a band of", "give p_amf of some")
    distance = np.sort(-closeness(scores, threshold))
    if not wanted:
        return ReferBand(threshold, threshold, 0.0)
    width = _edge(distance, wanted)
    center = log_odds(np.array([threshold]))[0]
    low, high = float(expit(center - width)), float(expit(center + width))
    return ReferBand(low, high, float(np.mean((scores > low) & (scores < high))))


def _edge(distance: Floats, wanted: int) -> float:
    """Half-way between the distances, rising, of the figures inside and of the next; infinite if all are inside."""
    ends = np.flatnonzero(np.diff(distance) > _SAME) + 1
    fitting = ends[ends <= wanted]
    inside = int(fitting[-1]) if len(fitting) else int(ends[0]) if len(ends) else len(distance)
    return np.inf if inside == len(distance) else float(distance[inside - 1 : inside + 1].mean())


def without_band(y: ArrayLike, p: ArrayLike, threshold: float, low: float, high: float) -> Rest:
    """How good the calls are on the figures outside the band (p <= low or p >= high).

    Raises:
        EvaluationError: NaN, labels other than 0 and 1, scores outside 0 to 1.
    """
    labels, scores = checked_pair(y, p)
    return _rest(labels, scores, threshold, (scores <= low) | (scores >= high))


def without_referred(y: ArrayLike, p: ArrayLike, threshold: float, referred: NDArray[np.bool_]) -> Rest:
    """How good the calls are on the figures that are not referred, whatever they were chosen by.

    Args:
        y: labels, shape (figures,): 1 AMF, 0 NMF.
        p: p_amf, shape (figures,).
        threshold: p at or above it is AMF.
        referred: true for those that go to a person, shape (figures,).

    Raises:
        EvaluationError: NaN, labels other than 0 and 1, scores outside 0 to 1, another number of `referred`.
    """
    labels, scores = checked_pair(y, p)
    if referred.shape != labels.shape:
        raise EvaluationError(f"{len(referred)} marks for {len(labels)} figures", "give one for each figure")
    return _rest(labels, scores, threshold, ~referred)


def _rest(labels: Floats, scores: Floats, threshold: float, kept: NDArray[np.bool_]) -> Rest:
    truth, right = labels[kept], (scores[kept] >= threshold) == labels[kept]
    sensitivity, specificity = _mean(right[truth == 1]), _mean(right[truth == 0])
    ba = None if sensitivity is None or specificity is None else (sensitivity + specificity) / 2
    coverage = float(np.mean(kept)) if len(kept) else 0.0
    return Rest(coverage, len(truth), int(truth.sum()), ba, _mean(right), sensitivity, specificity)


def coverage_curve(y: ArrayLike, p: ArrayLike, threshold: float, doubt: ArrayLike | None = None) -> CoverageCurve:
    """Accuracy over coverage, the most doubtful figures being left out first (El-Yaniv and Wiener, JMLR 2010).

    Figures of the same doubt stay together.

    Args:
        y: labels, shape (figures,): 1 AMF, 0 NMF.
        p: p_amf, shape (figures,).
        threshold: p at or above it is AMF.
        doubt: any number that grows with doubt, shape (figures,); closeness to the threshold if None.

    Raises:
        EvaluationError: no figures, NaN, labels other than 0 and 1, scores outside 0 to 1, doubts of another number.
    """
    labels, scores = checked_pair(y, p)
    if not len(labels):
        raise EvaluationError("there are no figures to evaluate", "check that predictions and labels match")
    doubts = closeness(scores, threshold) if doubt is None else checked_doubt(doubt, len(labels))
    order = np.argsort(doubts, kind="stable")
    truth, right = labels[order], ((scores >= threshold) == labels)[order].astype(np.float64)
    ends = np.append(np.flatnonzero(np.diff(doubts[order])), len(order) - 1)
    if len(ends) > MOST_POINTS:
        ends = ends[np.unique(np.linspace(0, len(ends) - 1, MOST_POINTS).round().astype(np.int64))]
    amf, nmf = np.cumsum(truth)[ends], np.cumsum(1 - truth)[ends]
    with np.errstate(invalid="ignore"):
        ba = (np.cumsum(right * truth)[ends] / amf + np.cumsum(right * (1 - truth))[ends] / nmf) / 2
    kept = ends + 1.0
    return CoverageCurve((kept / len(order))[::-1], ba[::-1], (np.cumsum(right)[ends] / kept)[::-1])


def _mean(values: Any) -> float | None:
    return float(np.mean(values)) if len(values) else None
