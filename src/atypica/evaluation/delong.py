"""The variance of AUROCs, and the test of two that were measured on the same figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata

from atypica.core.errors import EvaluationError
from atypica.evaluation.arrays import Floats, Integers, case_codes, checked_labels
from atypica.evaluation.intervals import LEVEL, Estimate, Interval
from atypica.evaluation.significance import Significance

INDEPENDENT = "takes figures of a case as independent: p is likely too small"
_NO_VARIANCE = 1e-14

Cases = Sequence[object] | NDArray[np.object_]


@dataclass(frozen=True)
class AurocCovariance:
    """AUROCs of several models on the same figures.

    Attributes:
        auroc: shape (models,).
        covariance: shape (models, models).
        grouped: whether figures of a case were allowed to resemble each other.
    """

    auroc: Floats
    covariance: Floats
    grouped: bool


def auroc_covariance(y: ArrayLike, scores: ArrayLike, cases: Cases | None = None) -> AurocCovariance:
    """AUROCs and their covariance (DeLong et al., Biometrics 1988), by mid-ranks (Sun & Xu, IEEE SPL 2014).

    With `cases` the figures of a case may depend on each other (Obuchowski, Biometrics 1997); with a case to each
    figure that is DeLong's.

    Args:
        y: labels, shape (figures,): 1 AMF, 0 NMF.
        scores: shape (models, figures).
        cases: the case of each figure, or None.

    Raises:
        EvaluationError: fewer than two figures (with `cases`: cases) of a class, other lengths, a blank case, NaN.
    """
    labels = checked_labels(y)
    values = np.atleast_2d(np.asarray(scores, dtype=np.float64))
    if values.shape[1] != len(labels) or not np.isfinite(values).all():
        raise EvaluationError(
            f"scores of shape {values.shape} for {len(labels)} figures", "give a finite score for each figure"
        )
    unit = np.arange(len(labels)) if cases is None else case_codes(cases, len(labels))[1]
    positive = labels == 1
    too_few = undefined(labels, cases)
    if too_few:
        raise EvaluationError(f"the variance of an AUROC is undefined: {too_few}", "add figures of both classes")
    parts = np.stack([_components(row, positive) for row in values])
    area = parts[:, positive].mean(axis=1)
    return AurocCovariance(area, _covariance(parts - area[:, None], positive, unit), cases is not None)


def delong_test(y: ArrayLike, first: ArrayLike, second: ArrayLike, cases: Cases | None = None) -> Significance:
    """Whether two models on the same figures differ in AUROC: DeLong's test; with `cases`, Obuchowski's by case.

    The effect is the difference of the AUROCs (first - second) with the interval that belongs to the test.

    Args:
        y: labels, shape (figures,).
        first, second: scores, shape (figures,).
        cases: the case of each figure, or None.

    Raises:
        EvaluationError: other lengths, NaN, a blank case. Too few figures of a class are no error: p is then undefined.
    """
    name = "DeLong by figure" if cases is None else "DeLong by case"
    note = INDEPENDENT if cases is None else ""
    why = undefined(checked_labels(y), cases)
    if why:
        return Significance(name, None, None, {"auroc_difference": Estimate(None, None, why)}, reason=why, note=note)
    found = auroc_covariance(y, np.stack([np.asarray(first), np.asarray(second)]), cases)
    difference = float(found.auroc[0] - found.auroc[1])
    variance = float(np.array([1, -1]) @ found.covariance @ np.array([1, -1]))
    if variance <= _NO_VARIANCE:
        why = "the difference has no variance (both rank the figures alike)"
        return Significance(name, None, None, {"auroc_difference": Estimate(difference, None, why)}, None, why, note)
    z = difference / np.sqrt(variance)
    half = float(ndtri((1 + LEVEL) / 2)) * np.sqrt(variance)
    interval = Interval(float(max(difference - half, -1.0)), float(min(difference + half, 1.0)), LEVEL, name, note)
    return Significance(
        name, float(2 * ndtr(-abs(z))), float(z), {"auroc_difference": Estimate(difference, interval)}, note=note
    )


def undefined(y: Floats, cases: Cases | None = None) -> str:
    """Why AUROCs of these figures have no variance, as words for a table; "" where they have."""
    names = np.arange(len(y)) if cases is None else case_codes(cases, len(y))[1]
    for value, name in ((1, "AMF"), (0, "NMF")):
        count = len(np.unique(names[y == value]))
        if count < 2:
            return f"only {count} {'figures are' if cases is None else 'cases hold'} {name}"
    return ""


def _components(scores: Floats, positive: NDArray[np.bool_]) -> Floats:
    """For each AMF the share of NMF that it outranks, for each NMF the share of AMF that outrank it; ties half."""
    overall, parts = rankdata(scores), np.empty(len(scores))
    amf, nmf = int(positive.sum()), int((~positive).sum())
    parts[positive] = (overall[positive] - rankdata(scores[positive])) / nmf
    parts[~positive] = 1 - (overall[~positive] - rankdata(scores[~positive])) / amf
    return parts


def _covariance(centered: Floats, positive: NDArray[np.bool_], unit: Integers) -> Floats:
    units = int(unit.max()) + 1
    amf, nmf = (_sums(centered * chosen, unit, units) / chosen.sum() for chosen in (positive, ~positive))
    with_amf, with_nmf = len(np.unique(unit[positive])), len(np.unique(unit[~positive]))
    across = amf @ nmf.T * units / (units - 1)
    return amf @ amf.T * with_amf / (with_amf - 1) + nmf @ nmf.T * with_nmf / (with_nmf - 1) + across + across.T


def _sums(parts: Floats, unit: Integers, units: int) -> Floats:
    sums = np.zeros((len(parts), units))
    for row, part in zip(sums, parts, strict=True):
        np.add.at(row, unit, part)
    return sums
