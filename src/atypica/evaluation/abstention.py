"""What is gained by leaving the doubtful figures to a person."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from atypica.core.errors import EvaluationError
from atypica.evaluation.arrays import Floats, checked_pair, checked_scores
from atypica.evaluation.thresholds import LOGIT_CLIP

MOST_POINTS = 200
"""A coverage curve has at most this many points."""


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


def refer_band(p: ArrayLike, threshold: float, share: float) -> ReferBand:
    """The band around the threshold that holds about `share` of these figures: those nearest to it in log-odds.

    No labels are needed, so the band is fitted to no luck in them; the threshold that it lies around may be. On other
    figures it holds another share, the more so the fewer it was made from. Figures of one distance stay together, and
    those on the band's edge (or beyond p = 0.000001 or 0.999999) are outside: `referred` is the share that results.

    Args:
        p: p_amf, shape (figures,).
        threshold: p at or above it is AMF.
        share: of the figures to refer, 0 to 1 without 1.

    Raises:
        EvaluationError: no figures, NaN, p or threshold outside 0 to 1, an impossible share.
    """
    scores = checked_scores(p, np.size(p))
    if not len(scores) or not 0 <= share < 1:
        raise EvaluationError(f"a share of {share} of {len(scores)} figures cannot be referred", "give such as 0.1")
    if not share:
        return ReferBand(threshold, threshold, 0.0)
    width = float(np.quantile(_distance(scores, threshold), share))
    center = _log_odds(np.array([threshold]))[0]
    low, high = float(expit(center - width)), float(expit(center + width))
    return ReferBand(low, high, float(np.mean((scores > low) & (scores < high))))


def without_band(y: ArrayLike, p: ArrayLike, threshold: float, low: float, high: float) -> Rest:
    """How good the calls are on the figures outside the band (p <= low or p >= high).

    Raises:
        EvaluationError: NaN, labels other than 0 and 1, scores outside 0 to 1.
    """
    labels, scores = checked_pair(y, p)
    kept = (scores <= low) | (scores >= high)
    truth, right = labels[kept], (scores[kept] >= threshold) == labels[kept]
    sensitivity, specificity = _mean(right[truth == 1]), _mean(right[truth == 0])
    ba = None if sensitivity is None or specificity is None else (sensitivity + specificity) / 2
    coverage = float(np.mean(kept)) if len(kept) else 0.0
    return Rest(coverage, len(truth), int(truth.sum()), ba, _mean(right), sensitivity, specificity)


def coverage_curve(y: ArrayLike, p: ArrayLike, threshold: float) -> CoverageCurve:
    """Accuracy over coverage, the figures nearest to the threshold (in log-odds) being left out first.

    Figures of the same distance stay together.

    Args:
        y: labels, shape (figures,): 1 AMF, 0 NMF.
        p: p_amf, shape (figures,).
        threshold: p at or above it is AMF.

    Raises:
        EvaluationError: no figures, NaN, labels other than 0 and 1, scores outside 0 to 1.
    """
    labels, scores = checked_pair(y, p)
    if not len(labels):
        raise EvaluationError("there are no figures to evaluate", "check that predictions and labels match")
    distance = _distance(scores, threshold)
    order = np.argsort(-distance, kind="stable")
    truth, right = labels[order], ((scores >= threshold) == labels)[order].astype(np.float64)
    ends = np.append(np.flatnonzero(np.diff(distance[order])), len(order) - 1)
    if len(ends) > MOST_POINTS:
        ends = ends[np.unique(np.linspace(0, len(ends) - 1, MOST_POINTS).round().astype(np.int64))]
    amf, nmf = np.cumsum(truth)[ends], np.cumsum(1 - truth)[ends]
    with np.errstate(invalid="ignore"):
        ba = (np.cumsum(right * truth)[ends] / amf + np.cumsum(right * (1 - truth))[ends] / nmf) / 2
    kept = ends + 1.0
    return CoverageCurve((kept / len(order))[::-1], ba[::-1], (np.cumsum(right)[ends] / kept)[::-1])


def _distance(p: Floats, threshold: float) -> Floats:
    checked_scores([threshold], 1)
    return np.abs(_log_odds(p) - _log_odds(np.array([threshold])))


def _log_odds(p: Floats) -> Floats:
    return logit(np.clip(p, LOGIT_CLIP, 1 - LOGIT_CLIP))


def _mean(values: Any) -> float | None:
    return float(np.mean(values)) if len(values) else None
