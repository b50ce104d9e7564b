"""What goes into an evaluation, checked once at the door."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit

from atypica.core.errors import EvaluationError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
LOGIT_CLIP = 1e-6
"""Probabilities are kept this far from 0 and 1 where their log-odds are taken."""


def checked_labels(y: ArrayLike) -> Floats:
    """Labels as floats, shape (figures,): 1 for AMF, 0 for NMF.

    Raises:
        EvaluationError: not one-dimensional, or anything but 0 and 1 (NaN included); names the first such rows.
    """
    labels = _vector(y, "labels")
    _refuse((labels != 0) & (labels != 1), labels, "labels that are neither 0 (NMF) nor 1 (AMF)")
    return labels


def checked_scores(p: ArrayLike, figures: int) -> Floats:
    """Scores as floats, shape (figures,): p_amf from 0 to 1.

    Raises:
        EvaluationError: another length than `figures`, NaN, or outside 0 to 1.
    """
    scores = _vector(p, "scores")
    _same_length(len(scores), figures, "scores")
    _refuse(~((scores >= 0) & (scores <= 1)), scores, "scores that are not between 0 and 1")
    return scores


def checked_pair(y: ArrayLike, p: ArrayLike) -> tuple[Floats, Floats]:
    """Labels and scores of the same figures; raises as `checked_labels` and `checked_scores` do."""
    labels = checked_labels(y)
    return labels, checked_scores(p, len(labels))


def checked_weights(weights: ArrayLike | None, figures: int) -> Floats:
    """Weights as floats, shape (figures,); ones where none are given.

    Raises:
        EvaluationError: another length than `figures`, NaN or negative.
    """
    if weights is None:
        return np.ones(figures)
    values = _vector(weights, "weights")
    _same_length(len(values), figures, "weights")
    _refuse(~((values >= 0) & np.isfinite(values)), values, "weights that are not finite numbers from 0")
    return values


def case_codes(cases: Sequence[object] | NDArray[np.object_], figures: int) -> tuple[NDArray[np.str_], Integers]:
    """The distinct cases, sorted, and each figure's index among them.

    Raises:
        EvaluationError: another length than `figures`, or a blank case.
    """
    _same_length(len(cases), figures, "cases")
    blank = np.array([_is_blank(case) for case in cases], dtype=bool)
    if blank.any():
        raise EvaluationError(
            f"{int(blank.sum())} figures have no case (the first at row {int(np.argmax(blank))})",
            "fill the case of every figure, or evaluate without cases",
        )
    names, codes = np.unique(np.array([str(case) for case in cases], dtype=np.str_), return_inverse=True)
    return names, codes.astype(np.int64)


def log_odds(p: Floats) -> Floats:
    """The log-odds of probabilities, kept `LOGIT_CLIP` from 0 and 1; the shape stays."""
    return logit(np.clip(p, LOGIT_CLIP, 1 - LOGIT_CLIP))


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value)) or str(value).strip() == ""


def _vector(values: ArrayLike, what: str) -> Floats:
    try:
        vector = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise EvaluationError(f"the {what} are not numbers: {error}", f"give the {what} as numbers") from error
    if vector.ndim != 1:
        raise EvaluationError(
            f"the {what} have shape {vector.shape}, not (figures,)", f"give one of the {what} a figure"
        )
    return vector


def _same_length(found: int, wanted: int, what: str) -> None:
    if found != wanted:
        raise EvaluationError(f"{found} {what} for {wanted} figures", f"give one of the {what} for each figure")


def _refuse(bad: NDArray[np.bool_], values: Floats, what: str) -> None:
    if bad.any():
        rows = ", ".join(f"row {row}: {values[row]:g}" for row in np.flatnonzero(bad)[:3])
        raise EvaluationError(f"{int(bad.sum())} {what} ({rows})", "drop or mend these figures before evaluating")
