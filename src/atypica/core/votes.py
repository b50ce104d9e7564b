"""Experts' votes as numbers: majority, soft label, disagreement. A missing vote is NaN and never counts."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

Votes = NDArray[np.float64]
"""Shape (figures, experts): 1 for AMF, 0 for NMF, NaN where the expert did not read the figure."""


def soft_label(votes: Votes) -> NDArray[np.float64]:
    """The share of the cast votes that say AMF, shape (figures,); NaN where nobody voted.

    >>> soft_label(np.array([[1.0, 0.0, np.nan]]))
    array([0.5])
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanmean(votes, axis=1)


def majority(votes: Votes) -> NDArray[np.float64]:
    """1 where more cast votes say AMF than NMF, 0 where fewer, NaN for a tie or no votes; shape (figures,)."""
    soft = soft_label(votes)
    result = np.where(soft > 0.5, 1.0, 0.0)
    result[np.isnan(soft) | (soft == 0.5)] = np.nan
    return result


def readers(votes: Votes) -> NDArray[np.int64]:
    """How many experts read each figure, shape (figures,)."""
    return np.sum(~np.isnan(votes), axis=1)


def disagreement(votes: Votes) -> NDArray[np.float64]:
    """1 where the cast votes differ ("hard"), 0 where they agree ("easy"), NaN with fewer than two votes."""
    soft = soft_label(votes)
    result = np.where((soft > 0) & (soft < 1), 1.0, 0.0)
    result[readers(votes) < 2] = np.nan
    return result
