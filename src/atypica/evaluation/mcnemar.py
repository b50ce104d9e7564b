"""Whether two models decide differently on the same figures: McNemar's test."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.special import ndtr

from atypica.core.errors import EvaluationError
from atypica.evaluation.arrays import Integers, case_codes
from atypica.evaluation.delong import INDEPENDENT, Cases
from atypica.evaluation.intervals import LEVEL, Estimate, Interval
from atypica.evaluation.ranktests import sign_flip_p
from atypica.evaluation.significance import Significance, smallest_paired_p

FEW_DISCORDANT = 25
"""Below this number of figures on which only one of the two is right, p is exact; from it on, mid-p."""


def mcnemar_test(first_right: ArrayLike, second_right: ArrayLike, cases: Cases | None = None) -> Significance:
    """McNemar's test (Psychometrika 1947) of who is right where only one of the two is, two-sided.

    Without `cases`: exact binomial p below `FEW_DISCORDANT` discordant figures, mid-p from there on (Fagerland et al.,
    BMC Medical Research Methodology 2013). With `cases`: the exact test that swaps the two models in whole cases, each
    case counting by how many more of its figures the one gets right than the other; with a case to each figure that is
    the exact binomial test.

    Effects: the odds ratio of discordant figures (right only by the first / only by the second; its exact interval is
    that of the binomial share, Clopper & Pearson 1934, and takes figures as independent) and the difference of
    accuracies (first - second).

    Args:
        first_right, second_right: whether each model is right, shape (figures,).
        cases: the case of each figure, or None.

    Raises:
        EvaluationError: other lengths, a blank case.
    """
    one, two = np.asarray(first_right) == 1, np.asarray(second_right) == 1
    if one.shape != two.shape or one.ndim != 1:
        raise EvaluationError(f"decisions of shapes {one.shape} and {two.shape}", "give one a figure, of both models")
    only_first, only_second = int(np.sum(one & ~two)), int(np.sum(two & ~one))
    if cases is None:
        return _by_figure(only_first, only_second, len(one))
    return _by_case(_majorities(one, two, cases), only_first, only_second, len(one))


def mcnemar_p(only_first: int, only_second: int, *, mid: bool) -> float:
    """The two-sided binomial p of McNemar's test: exact, or the mid-p that counts the observed outcome half.

    >>> mcnemar_p(0, 5, mid=False), mcnemar_p(0, 5, mid=True)
    (0.0625, 0.03125)
    """
    discordant = only_first + only_second
    if not discordant:
        return 1.0
    fewer = min(only_first, only_second)
    below = 2 * float(stats.binom.cdf(fewer, discordant, 0.5))
    return min(1.0, below - float(stats.binom.pmf(fewer, discordant, 0.5)) if mid else below)


def _by_figure(only_first: int, only_second: int, figures: int) -> Significance:
    discordant = only_first + only_second
    effects = _effects(only_first, only_second, figures)
    if not discordant:
        why = "no figure on which only one is right"
        return Significance("McNemar by figure", None, None, effects, None, why, INDEPENDENT)
    mid = discordant >= FEW_DISCORDANT
    p = mcnemar_p(only_first, only_second, mid=mid)
    least = mcnemar_p(0, discordant, mid=mid)
    name = f"McNemar by figure, {'mid-p' if mid else 'exact'}"
    return Significance(name, p, float(min(only_first, only_second)), effects, least, note=INDEPENDENT)


def _by_case(majorities: Integers, only_first: int, only_second: int, figures: int) -> Significance:
    moved = majorities[majorities != 0]
    effects = _effects(only_first, only_second, figures)
    if not len(moved):
        return Significance("McNemar by case", None, None, effects, None, "in no case is one more often right")
    ahead, sizes = int(moved[moved > 0].sum()), np.abs(moved)
    p = sign_flip_p(sizes, ahead)
    how = "McNemar by case, exact"
    if p is None:
        p, how = float(2 * ndtr(-abs(moved.sum()) / np.sqrt(np.sum(sizes**2)))), "McNemar by case, normal approximation"
    return Significance(how, p, float(moved.sum()), effects, smallest_paired_p(len(moved)))


def _majorities(one: NDArray[np.bool_], two: NDArray[np.bool_], cases: Cases) -> Integers:
    """By how many figures the first is more often right than the second, shape (cases,)."""
    names, codes = case_codes(cases, len(one))
    surplus = one.astype(np.int64) - two.astype(np.int64)
    return np.round(np.bincount(codes, weights=surplus, minlength=len(names))).astype(np.int64)


def _effects(only_first: int, only_second: int, figures: int) -> dict[str, Estimate]:
    accuracy = (only_first - only_second) / figures if figures else None
    return {
        "odds_ratio": _odds_ratio(only_first, only_second),
        "accuracy_difference": Estimate(accuracy, None, "" if figures else "no figures"),
    }


def _odds_ratio(only_first: int, only_second: int) -> Estimate:
    if not only_first + only_second:
        return Estimate(None, None, "no figure on which only one is right")
    if not only_second:
        return Estimate(None, None, f"infinite: {only_first} figures to 0")
    share = stats.binomtest(only_first, only_first + only_second).proportion_ci(LEVEL, method="exact")
    if share.high == 1:
        return Estimate(only_first / only_second, None, "no upper limit")
    low, high = (float(limit / (1 - limit)) for limit in (share.low, share.high))
    return Estimate(only_first / only_second, Interval(low, high, LEVEL, "Clopper-Pearson", INDEPENDENT))
