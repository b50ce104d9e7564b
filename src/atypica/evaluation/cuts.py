"""Which figures are left when a cut moves over a score."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atypica.evaluation.arrays import Floats

Keeps = Literal["at least", "at most"]
_SAME = 1e-9
"""Numbers that differ by less than this share are one, and differ by rounding."""
_NICE = (1.0, 2.0, 2.5, 5.0, 10.0)


def kept_by_cut(scores: ArrayLike, cuts: ArrayLike, keeps: Keeps) -> NDArray[np.bool_]:
    """Which figures each cut keeps, shape (cuts, figures).

    Args:
        scores: shape (figures,); a figure without a score (NaN) is kept by every cut.
        cuts: shape (cuts,).
        keeps: figures whose score is `at least`, or `at most`, the cut.

    >>> kept_by_cut([0.1, 0.5, 0.9], [0.0, 0.5, 0.6], "at least").sum(axis=1)
    array([3, 2, 1])
    """
    values, grid = np.asarray(scores, dtype=np.float64), np.asarray(cuts, dtype=np.float64)[:, None]
    return ~(values < grid) if keeps == "at least" else ~(values > grid)


def even_cuts(scores: ArrayLike, about: int = 20) -> Floats:
    """Round numbers at even steps (1, 2, 2.5 or 5 times a power of ten) from below the least score to the greatest.

    Args:
        scores: shape (figures,); what is not finite is left aside.
        about: how many steps, at most.

    Returns:
        Rising, shape (cuts,); the first keeps all ("at least"). One cut where all scores are one; none without scores.

    >>> even_cuts([0.12, 0.97], 5).tolist()
    [0.0, 0.2, 0.4, 0.6, 0.8]
    """
    values = np.asarray(scores, dtype=np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return np.zeros(0)
    low, high = float(values.min()), float(values.max())
    if high - low <= _SAME * max(abs(low), abs(high), 1.0):
        return np.array([low])
    power = 10.0 ** np.floor(np.log10((high - low) / about))
    step = next(power * nice for nice in _NICE if power * nice * about >= (high - low) * (1 - _SAME))
    whole = np.arange(np.floor(low / step) - 1, np.floor(high / step + _SAME) + 1)
    cuts = np.round(whole * step, int(max(0, 3 - np.floor(np.log10(step)))))
    return cuts[np.searchsorted(cuts, low, side="right") - 1 :]
