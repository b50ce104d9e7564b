"""Ways to doubt a call, figure by figure: whichever is used, the figures of the largest doubt go to a person first."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atypica.core.errors import EvaluationError
from atypica.evaluation.arrays import Floats, checked_scores, log_odds

DOUBTS = {
    "spread": "where the networks differ most",
    "disagreement": "where experts are predicted to disagree",
    "closeness": "nearest to the threshold",
}
"""The doubts by key, with what they refer first."""
_ROUNDING = 1e-9
"""A share of the figures is not one figure short for the rounding of a product."""


def ensemble_spread(p: ArrayLike) -> Floats:
    """How much the members of an ensemble differ: the standard deviation of their probabilities, one for each figure.

    The sample standard deviation (members - 1 below), 0 to 0.71. Members trained apart agree near what they were
    trained on and part elsewhere, which is what makes their spread a doubt (Lakshminarayanan, Pritzel and Blundell,
    NeurIPS 2017).

    Args:
        p: p_amf of each member, shape (figures, members); NaN where a member does not answer.

    Returns:
        Shape (figures,); NaN where fewer than two members answer.

    Raises:
        EvaluationError: another shape, or probabilities outside 0 to 1.

    >>> ensemble_spread([[0.2, 0.4, 0.6], [0.9, 0.9, 0.9]]).round(3).tolist()
    [0.2, 0.0]
    """
    members = np.asarray(p, dtype=np.float64)
    if members.ndim != 2:
        raise EvaluationError(
            f"the members' probabilities have shape {members.shape}, not (figures, members)", "give a column a member"
        )
    known = ~np.isnan(members)
    checked_scores(members[known], int(known.sum()))
    count = known.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(known, members, 0.0).sum(axis=1) / count
        squares = np.where(known, (members - mean[:, None]) ** 2, 0.0).sum(axis=1)
        return np.where(count > 1, np.sqrt(squares / (count - 1)), np.nan)


def closeness(p: ArrayLike, threshold: float) -> Floats:
    """How near each figure is to the threshold: less the distance in log-odds, so 0 at the threshold and below else.

    Args:
        p: p_amf, shape (figures,); kept 0.000001 from 0 and 1.
        threshold: p at or above it is AMF.

    Raises:
        EvaluationError: NaN, p or threshold outside 0 to 1.
    """
    scores, at = checked_scores(p, np.size(p)), checked_scores([threshold], 1)
    return -np.abs(log_odds(scores) - log_odds(at))


def most_doubtful(doubt: ArrayLike, share: float) -> NDArray[np.bool_]:
    """The figures of the largest doubt, as many whole ones as `share` holds and never more.

    Of equal doubts the figure that stands first is taken first.

    Args:
        doubt: any number that grows with doubt, shape (figures,).
        share: of the figures, 0 to 1 without 1.

    Returns:
        True for those, shape (figures,).

    Raises:
        EvaluationError: NaN, or an impossible share.

    >>> most_doubtful([0.1, 0.5, 0.5, 0.5], 0.5).tolist()
    [False, True, True, False]
    """
    values = checked_doubt(doubt, np.size(doubt))
    found = np.zeros(len(values), dtype=bool)
    found[np.argsort(-values, kind="stable")[: whole(share, len(values))]] = True
    return found


def whole(share: float, figures: int) -> int:
    """How many whole figures a share of them holds.

    Raises:
        EvaluationError: an impossible share.

    >>> whole(0.29, 100)
    29
    """
    if not 0 <= share < 1:
        raise EvaluationError(f"a share of {share} of {figures} figures cannot be referred", "give such as 0.1")
    return int(share * figures + _ROUNDING)


def checked_doubt(doubt: ArrayLike, figures: int) -> Floats:
    """Doubts as floats, shape (figures,).

    Raises:
        EvaluationError: another length than `figures`, or one that is not a finite number.
    """
    values = np.asarray(doubt, dtype=np.float64)
    if values.shape != (figures,) or not np.isfinite(values).all():
        raise EvaluationError(f"the doubts are not {figures} finite numbers", "give one for each figure")
    return values
