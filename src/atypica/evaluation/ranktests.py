"""Rank tests of fold results: Wilcoxon's signed-rank and the Mann-Whitney U test, exact with ties too."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from atypica.core.errors import EvaluationError
from atypica.evaluation.arrays import Floats, Integers
from atypica.evaluation.intervals import Estimate
from atypica.evaluation.significance import Significance, finite, smallest_paired_p, smallest_unpaired_p

DECIMALS = 10
"""Values are compared after rounding to so many decimals: 0.7 - 0.6 and 0.3 - 0.2 are a tie, whatever their bits."""
MOST_STEPS = 50_000_000
"""Above so many additions for the exact distribution, the normal approximation is taken."""
_CLOSE = 1e-9


def wilcoxon_signed_rank(first: ArrayLike, second: ArrayLike) -> Significance:
    """Wilcoxon's signed-rank test of paired values (Biometrics Bulletin 1945), two-sided.

    Pairs without a difference are dropped, as Wilcoxon did; tied differences share their mean rank, and p is exact
    given the ties. Effects: the mean and the median difference (first - second), and the matched-pairs rank-biserial
    correlation (Kerby, Comprehensive Psychology 2014): the share of ranks in favor of the first less that of
    the second.

    Args:
        first, second: values of shape (pairs,), in the same order.

    Raises:
        EvaluationError: different lengths, or a value that is not finite.
    """
    one, two = finite(first, "fold results"), finite(second, "fold results")
    if len(one) != len(two):
        raise EvaluationError(f"{len(one)} values against {len(two)} are no pairs", "give the same folds of both")
    difference = np.round(one - two, DECIMALS)
    moved = difference[difference != 0]
    least = smallest_paired_p(len(one))
    if not len(moved):
        why = "no pair differs" if len(one) else "no pairs"
        return Significance("Wilcoxon signed-rank", None, None, _shifts(one - two, None, why), least, why)
    ranks = stats.rankdata(np.abs(moved))
    ahead, total = float(ranks[moved > 0].sum()), float(ranks.sum())
    p, how = _signed_rank_p(moved, np.round(2 * ranks).astype(np.int64), ahead)
    effects = _shifts(one - two, 2 * ahead / total - 1, "")
    note = "" if len(moved) == len(one) else f"{len(one) - len(moved)} of {len(one)} pairs do not differ"
    return Significance(f"Wilcoxon signed-rank, {how}", p, min(ahead, total - ahead), effects, least, note=note)


def mann_whitney_u(first: ArrayLike, second: ArrayLike) -> Significance:
    """The Mann-Whitney U test of two independent sets of values (Annals of Mathematical Statistics 1947), two-sided.

    p is exact given the ties; two-sided means as far from the mean as observed, on either side. Effects: the difference
    of means (first - second), Cliff's delta (Psychological Bulletin 1993), and the common-language effect size: how
    often a value of the first exceeds one of the second, ties counting half.

    Args:
        first, second: values of shape (n,) and (m,).

    Raises:
        EvaluationError: a value that is not finite.
    """
    one, two = (np.round(finite(values, "fold results"), DECIMALS) for values in (first, second))
    if not len(one) or not len(two):
        return Significance("Mann-Whitney U", None, reason="a group has no values")
    ranks = stats.rankdata(np.concatenate([one, two]))
    u = float(ranks[: len(one)].sum()) - len(one) * (len(one) + 1) / 2
    language = u / (len(one) * len(two))
    effects = {
        "mean_difference": Estimate(float(one.mean() - two.mean()), None, "folds give no interval"),
        "cliffs_delta": Estimate(2 * language - 1),
        "common_language": Estimate(language),
    }
    least = smallest_unpaired_p(len(one), len(two))
    if np.ptp(ranks) == 0:
        return Significance("Mann-Whitney U", None, u, effects, least, "all values are the same")
    p, how = _rank_sum_p(one, two, np.round(2 * ranks).astype(np.int64))
    return Significance(f"Mann-Whitney U, {how}", p, u, effects, least)


def sign_flip_p(magnitudes: Integers, ahead: int) -> float | None:
    """How likely signs drawn at random leave a sum as far from its mean as observed; None where that is too much work.

    The exact null distribution of Wilcoxon's test (magnitudes: twice the ranks), and of McNemar's by case (magnitudes:
    by how many decisions each case speaks for one side).

    Args:
        magnitudes: whole numbers above 0, shape (n,).
        ahead: the sum of those with a positive sign.
    """
    total = int(magnitudes.sum())
    if len(magnitudes) * total > MOST_STEPS:
        return None
    chances = np.ones(1)
    for size in magnitudes.tolist():
        longer = np.zeros(len(chances) + size)
        longer[: len(chances)] = chances / 2
        longer[size:] += chances / 2
        chances = longer
    return _as_far(chances, ahead, total / 2)


def _shifts(difference: Floats, biserial: float | None, why: str) -> dict[str, Estimate]:
    if not len(difference):
        names = ("mean_difference", "median_difference", "rank_biserial")
        return {name: Estimate(None, None, why) for name in names}
    return {
        "mean_difference": Estimate(float(difference.mean()), None, "folds give no interval"),
        "median_difference": Estimate(float(np.median(difference)), None, "folds give no interval"),
        "rank_biserial": Estimate(biserial, None, why),
    }


def _signed_rank_p(moved: Floats, doubled: Integers, ahead: float) -> tuple[float, str]:
    p = sign_flip_p(doubled, round(2 * ahead))
    if p is not None:
        return p, "exact"
    found: Any = stats.wilcoxon(moved, method="asymptotic")
    return float(found.pvalue), "normal approximation"


def _rank_sum_p(one: Floats, two: Floats, doubled: Integers) -> tuple[float, str]:
    few = min(len(one), len(two))
    total = int(doubled.sum())
    if few * len(doubled) * total > MOST_STEPS:
        return float(stats.mannwhitneyu(one, two, method="asymptotic").pvalue), "normal approximation"
    small = doubled[: len(one)] if len(one) == few else doubled[len(one) :]
    ways = np.zeros((few + 1, total + 1))
    ways[0, 0] = 1
    for rank in doubled.tolist():
        ways[1:, rank:] += ways[:-1, :-rank].copy()
    chances = ways[few] / ways[few].sum()
    return _as_far(chances, int(small.sum()), few * total / len(doubled)), "exact"


def _as_far(chances: Floats, observed: int, mean: float) -> float:
    """The chance of a sum (the index of `chances`) at least as far from `mean` as `observed`."""
    distance = np.abs(np.arange(len(chances)) - mean)
    return min(1.0, float(chances[distance >= abs(observed - mean) - _CLOSE].sum()))
