"""From scores to probabilities that can be trusted: fitting, and how far off they are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.special import expit

from atypica.core.errors import EvaluationError
from atypica.evaluation.arrays import Floats, checked_pair, checked_scores, checked_weights
from atypica.evaluation.binary import ECE_BINS, bin_index
from atypica.evaluation.intervals import wilson

LEAST_SLOPE = 1e-3
"""Below this slope of the log-odds on the logit, the scores carry nothing about the labels."""


@dataclass(frozen=True)
class ReliabilityBin:
    """The figures whose p lies in one bin.

    Attributes:
        low, high: the bin's bounds of p.
        figures: how many lie in it.
        mean_p: their mean p; None in an empty bin.
        share: the share of AMF among them; None in an empty bin.
        share_low, share_high: Wilson's 95 % interval of the share, the figures taken as independent.
    """

    low: float
    high: float
    figures: int
    mean_p: float | None
    share: float | None
    share_low: float | None
    share_high: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def fit_calibration(
    logits: ArrayLike, targets: ArrayLike, weights: ArrayLike | None = None, *, smooth: bool = True
) -> tuple[float, float]:
    """Fit p = sigmoid((logit - bias) / temperature) by maximum likelihood (Platt scaling).

    Args:
        logits: shape (figures,), from a model that has not seen these figures.
        targets: shape (figures,): 0 or 1, or soft labels between (the share of votes for AMF).
        weights: shape (figures,); ones if None.
        smooth: pull the targets a little toward each other by one pseudo-count a class, as Platt (1999) does; keeps
            the fit finite where the labels are separated perfectly, and changes little with hundreds of figures.

    Returns:
        Temperature (> 0) and bias.

    Raises:
        EvaluationError: NaN, targets outside 0 to 1, one class alone, scores that do not rise with the labels, or
            (without `smooth`) labels that the scores separate perfectly.
    """
    z, t, w = _checked(logits, targets, weights)
    if not smooth:
        _refuse_separated(z, t, w)
    slope, intercept = _maximum_likelihood(z, _pulled(t, w) if smooth else t, w, with_intercept=True)
    return 1 / slope, -intercept / slope


def fit_temperature(logits: ArrayLike, targets: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Fit p = sigmoid(logit / temperature) by maximum likelihood (Guo et al., ICML 2017).

    Args and errors as `fit_calibration`; targets are smoothed in the same way.
    """
    z, t, w = _checked(logits, targets, weights)
    return 1 / _maximum_likelihood(z, _pulled(t, w), w, with_intercept=False)[0]


def calibrated(logits: ArrayLike, temperature: float, bias: float = 0.0) -> Floats:
    """sigmoid((logit - bias) / temperature), any shape."""
    return expit((np.asarray(logits, dtype=np.float64) - bias) / temperature)


def expected_calibration_error(y: ArrayLike, p: ArrayLike, bins: int = ECE_BINS) -> float | None:
    """Mean distance between p and the share of AMF over bins of equal width, weighted by figures; None if empty.

    On the probability of AMF (not on the confidence of the winning class). Rises with fewer figures even for a
    perfectly calibrated model: compare at equal numbers.

    Raises:
        EvaluationError: NaN, labels other than 0 and 1, scores outside 0 to 1.
    """
    labels, scores = checked_pair(y, p)
    gaps = np.bincount(bin_index(scores, bins), weights=scores - labels, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels)) if len(labels) else None


def reliability(y: ArrayLike, p: ArrayLike, bins: int = 10) -> list[ReliabilityBin]:
    """The share of AMF by bins of p of equal width, for a reliability diagram.

    Raises:
        EvaluationError: NaN, labels other than 0 and 1, scores outside 0 to 1.
    """
    labels, scores = checked_pair(y, p)
    index = bin_index(scores, bins)
    return [_bin(k / bins, (k + 1) / bins, labels[index == k], scores[index == k]) for k in range(bins)]


def _bin(low: float, high: float, y: Floats, p: Floats) -> ReliabilityBin:
    interval = wilson(float(y.sum()), len(y))
    if interval is None:
        return ReliabilityBin(low, high, 0, None, None, None, None)
    return ReliabilityBin(low, high, len(y), float(p.mean()), float(y.mean()), interval.low, interval.high)


def _checked(logits: ArrayLike, targets: ArrayLike, weights: ArrayLike | None) -> tuple[Floats, Floats, Floats]:
    z = np.asarray(logits, dtype=np.float64)
    if z.ndim != 1 or not np.all(np.isfinite(z)):
        raise EvaluationError("the logits are not a row of finite numbers", "drop figures without a prediction")
    t = checked_scores(targets, len(z))
    w = checked_weights(weights, len(z))
    if not 0 < np.sum(w * t) < np.sum(w):
        raise EvaluationError("calibration needs figures of both classes", "label some AMF and some NMF figures")
    return z, t, w


def _pulled(targets: Floats, weights: Floats) -> Floats:
    positive = np.sum(weights * targets)
    negative = np.sum(weights) - positive
    return targets * (positive + 1) / (positive + 2) + (1 - targets) / (negative + 2)


def _maximum_likelihood(z: Floats, t: Floats, w: Floats, *, with_intercept: bool) -> tuple[float, float]:
    """Slope and intercept of the logistic regression of t on z; the loss is convex, so BFGS finds its one minimum."""
    center, scale = (float(z.mean()) if with_intercept else 0.0), float(z.std()) or 1.0
    design = np.stack([(z - center) / scale, np.full(len(z), float(with_intercept))], axis=1)
    share = w / w.sum()

    def loss(beta: Floats) -> tuple[float, Floats]:
        eta = design @ beta
        value = np.sum(share * (np.logaddexp(0, eta) - t * eta))
        return float(value), design.T @ (share * (expit(eta) - t))

    found = minimize(loss, np.zeros(2), jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 500}).x
    if found[0] < LEAST_SLOPE:
        raise EvaluationError(
            "the scores do not rise with the labels, so they cannot be calibrated",
            "check that logits and labels belong to the same figures and that AMF is the positive class",
        )
    slope = float(found[0]) / scale
    return slope, float(found[1]) - slope * center


def _refuse_separated(z: Floats, t: Floats, w: Floats) -> None:
    """A likelihood without a maximum: everything above a cut is AMF for certain, everything below NMF."""
    lowest, highest = z[(t > 0) & (w > 0)].min(), z[(t < 1) & (w > 0)].max()
    if lowest >= highest:
        raise EvaluationError("the scores separate the labels perfectly: no finite calibration", "use smooth=True")
