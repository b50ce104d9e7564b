"""The AMF rate behind the called one: corrected for what the classifier is known to miss and to mistake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from atypica.core.errors import EvaluationError
from atypica.evaluation.arrays import case_codes
from atypica.evaluation.intervals import LEVEL, Estimate, Interval

METHOD = "Rogan-Gladen, Lang-Reiczigel interval"
ASSUMPTION = "holds if sensitivity and specificity on these figures are those of the held-out figures"
CLAMPED = "clamped to {value:g}"
NEAR_CHANCE = "the classifier is too close to chance to correct its rate"
IMPOSSIBLE = "the called rate is not possible with the known sensitivity and specificity: they do not hold here"


@dataclass(frozen=True)
class Accuracy:
    """What a classifier is known to get right, and on how many figures that was measured.

    Attributes:
        sensitivity, specificity: 0 to 1, on figures that it has not seen.
        amf, nmf: the figures of each class; effective numbers (`effective_size`) where they come from cases.
    """

    sensitivity: float
    specificity: float
    amf: float
    nmf: float

    def __post_init__(self) -> None:
        if not (0 <= self.sensitivity <= 1 and 0 <= self.specificity <= 1 and self.amf > 0 and self.nmf > 0):
            raise EvaluationError(f"{self} is not possible", "give shares from 0 to 1, each of one figure or more")


def corrected_rate(called: float, figures: float, accuracy: Accuracy, level: float = LEVEL) -> Estimate:
    """The share of AMF that explains the share called AMF: (rate + specificity - 1) / (sensitivity + specificity - 1).

    Rogan and Gladen, American Journal of Epidemiology 1978. The interval, of Lang and Reiczigel (Preventive
    Veterinary Medicine 2014), carries the chance in the rate, the sensitivity and the specificity alike. It holds as
    far as sensitivity and specificity on these figures are those given: another scanner, or another mix of easy and
    hard figures, breaks it.

    Args:
        called: how many figures were called AMF.
        figures: how many were typed; an effective number (with `called` in proportion) where they come from cases.
        accuracy: of the classifier at the very threshold of the calls.
        level: nominal coverage of the interval.

    Returns:
        Rate and limits within 0 to 1. `interval.note` says where the rate was clamped. Undefined, with the reason:
        without figures, for a classifier that may be no better than chance, and where no rate can explain the calls.

    Raises:
        EvaluationError: more calls than figures.

    >>> estimate = corrected_rate(30, 100, Accuracy(0.9, 0.8, 200, 200))
    >>> round(estimate.value, 3)
    0.143
    """
    if not 0 <= called <= figures:
        raise EvaluationError(f"{called:g} of {figures:g} figures called AMF is not possible", "count them again")
    if not figures:
        return Estimate(None, None, "no figures")
    z = float(ndtri((1 + level) / 2))
    if _power(accuracy, z) <= 0:
        return Estimate(None, None, NEAR_CHANCE)
    raw = (called / figures + accuracy.specificity - 1) / (accuracy.sensitivity + accuracy.specificity - 1)
    low, high = _lang_reiczigel(called, figures, accuracy, z)
    value = min(max(raw, 0.0), 1.0)
    if high <= 0 or low >= 1:
        return Estimate(None, None, IMPOSSIBLE)
    note = "" if value == raw else CLAMPED.format(value=value)
    return Estimate(value, Interval(min(max(low, 0.0), value), max(min(high, 1.0), value), level, METHOD, note))


def effective_size(hits: ArrayLike, cases: Sequence[object] | NDArray[np.object_] | None) -> float:
    """How many independent figures would fix the share of hits as well as these figures of cases do.

    Share x (1 - share) over the variance of the share between cases (linearized ratio estimator; Kish, Survey
    Sampling, 1965), never above the number of figures. Without cases, with fewer than two, or where all or none are
    hits (nothing varies), it is the number of figures.

    Args:
        hits: shape (figures,), 0 or 1.
        cases: the case of each figure.
    """
    values = np.asarray(hits, dtype=np.float64)
    if cases is None:
        return float(len(values))
    _, codes = case_codes(cases, len(values))
    return effective_size_of_counts(np.bincount(codes, weights=values), np.bincount(codes))


def effective_size_of_counts(hits: ArrayLike, sizes: ArrayLike) -> float:
    """`effective_size` from the counts of each case.

    Args:
        hits: shape (cases,).
        sizes: shape (cases,): figures of each; cases without any are as if they were not there.
    """
    counts = np.asarray(sizes, dtype=np.float64)
    positives = np.asarray(hits, dtype=np.float64)
    figures, cases = float(counts.sum()), int((counts > 0).sum())
    share = float(positives.sum()) / figures if figures else 0.0
    if cases < 2 or not 0 < share < 1:
        return figures
    surplus = positives - share * counts
    variance = cases / (cases - 1) * float(np.sum(surplus**2)) / figures**2
    return min(figures, share * (1 - share) / variance) if variance > 0 else figures


def _adjusted(share: float, figures: float) -> tuple[float, float]:
    """One hit and one miss more, and the variance of such a share."""
    adjusted = (share * figures + 1) / (figures + 2)
    return adjusted, adjusted * (1 - adjusted) / (figures + 2)


def _power(accuracy: Accuracy, z: float) -> float:
    """The lower limit of sensitivity + specificity - 1."""
    sensitivity, of_sensitivity = _adjusted(accuracy.sensitivity, accuracy.amf)
    specificity, of_specificity = _adjusted(accuracy.specificity, accuracy.nmf)
    return sensitivity + specificity - 1 - z * float(np.sqrt(of_sensitivity + of_specificity))


def _lang_reiczigel(called: float, figures: float, accuracy: Accuracy, z: float) -> tuple[float, float]:
    total = figures + z**2
    rate = (called + z**2 / 2) / total
    sensitivity, of_sensitivity = _adjusted(accuracy.sensitivity, accuracy.amf)
    specificity, of_specificity = _adjusted(accuracy.specificity, accuracy.nmf)
    power = sensitivity + specificity - 1
    center = (rate + specificity - 1) / power
    shift = 2 * z**2 * (center * of_sensitivity - (1 - center) * of_specificity)
    variance = rate * (1 - rate) / total + center**2 * of_sensitivity + (1 - center) ** 2 * of_specificity
    half = z * float(np.sqrt(variance)) / power
    return center + shift - half, center + shift + half
