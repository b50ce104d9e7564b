"""Intervals: how far a number may be off, and by which method."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from atypica.evaluation.arrays import Floats

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A confidence interval.

    Attributes:
        low, high: the limits.
        level: the nominal coverage, such as 0.95.
        method: how it was made, as words for a caption.
        note: what the reader must know ("figure-level, likely too narrow"); empty where there is nothing to say.
    """

    low: float
    high: float
    level: float
    method: str
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Estimate:
    """A number with its interval; where either is undefined it is None and `reason` says why."""

    value: float | None
    interval: Interval | None = None
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "value": self.value,
            "interval": self.interval.to_json() if self.interval else None,
            "reason": self.reason,
        }


def wilson(successes: float, total: float, level: float = LEVEL, note: str = "") -> Interval | None:
    """Wilson's score interval of a proportion (Wilson, JASA 1927); None where `total` is 0.

    It takes the trials as independent: for figures of several cases it is too narrow.

    >>> interval = wilson(8, 10)
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.49, 0.943)
    """
    if total <= 0:
        return None
    z = float(ndtri((1 + level) / 2))
    share, spread = successes / total, z * z / total
    center = (share + spread / 2) / (1 + spread)
    half = z * np.sqrt(share * (1 - share) / total + spread / (4 * total)) / (1 + spread)
    low, high = (0.0 if successes == 0 else center - half), (1.0 if successes == total else center + half)
    return Interval(float(low), float(high), level, "Wilson", note)


def percentile_limits(replicates: Floats, units: int | None = None, level: float = LEVEL) -> tuple[float, float]:
    """The central part of bootstrap replicates, shape (replicates,); NaN replicates are left out.

    With `units` (how many cases were drawn) the part is widened from the normal to the t distribution, the "expanded
    percentile" of Hesterberg (The American Statistician 2015): a plain percentile interval of few units is too narrow.
    """
    tail = (1 - level) / 2
    if units is not None:
        tail = _expanded(tail, units)
    low, high = np.nanquantile(replicates, [tail, 1 - tail])
    return float(low), float(high)


def _expanded(tail: float, units: int) -> float:
    if units < 2:
        return 0.0
    return float(ndtr(np.sqrt(units / (units - 1)) * stdtrit(units - 1, tail)))


def shifted_limits(
    estimate: float, replicates: Floats, units: int | None = None, level: float = LEVEL
) -> tuple[float, float]:
    """Percentile limits after the replicates' mean is moved onto the estimate, not below 0.

    For a statistic that resampling inflates (ECE: each resample is more uneven than the sample), whose percentile
    interval can miss its own estimate.
    """
    low, high = percentile_limits(replicates - (np.nanmean(replicates) - estimate), units, level)
    return max(low, 0.0), high


def bca_limits(
    estimate: float, replicates: Floats, leave_one_out: Floats, level: float = LEVEL
) -> tuple[float, float] | None:
    """Bias-corrected and accelerated limits (Efron, JASA 1987).

    Args:
        estimate: the statistic of the sample.
        replicates: its bootstrap replicates, shape (replicates,); NaN is left out.
        leave_one_out: its values with each unit left out, shape (units,); NaN is left out.
        level: the nominal coverage.

    Returns:
        Low and high; None where the correction is undefined (all replicates on one side of the estimate).
    """
    known = replicates[~np.isnan(replicates)]
    below = float(np.mean(known < estimate) + np.mean(known == estimate) / 2)
    if not 0 < below < 1:
        return None
    bias, acceleration = float(ndtri(below)), _acceleration(leave_one_out)
    z = bias + ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    room = 1 - acceleration * z
    if np.any(room <= 0):
        return None
    low, high = np.quantile(known, ndtr(bias + z / room))
    return float(low), float(high)


def _acceleration(leave_one_out: Floats) -> float:
    known = leave_one_out[~np.isnan(leave_one_out)]
    pulls = known.mean() - known if len(known) else known
    spread = float(np.sum(pulls**2))
    return float(np.sum(pulls**3) / (6 * spread**1.5)) if spread > 0 else 0.0
