"""How far experts agree, with votes that some of them never cast.

Ratings have the shape (figures, experts): a number for each category (votes: 1 AMF, 0 NMF), NaN where an expert did not
read the figure. Coefficients are None where they are undefined.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from atypica.core.errors import EvaluationError
from atypica.core.votes import majority
from atypica.evaluation.arrays import Floats
from atypica.evaluation.binary import Confusion, binary_metrics


@dataclass(frozen=True)
class PairAgreement:
    """Two experts on the figures that both read.

    `first` and `second` are the experts' columns, from 0; `agreement` the share of equal calls; `kappa` Cohen's.
    """

    first: int
    second: int
    figures: int
    agreement: float | None
    kappa: float | None


@dataclass(frozen=True)
class ExpertAgainstOthers:
    """One expert against the majority of the others, as if the expert were a classifier (the human ceiling).

    Attributes:
        expert: the expert's column, from 0.
        figures: read by the expert, with a majority among the others.
        ties: read by the expert, but the others were tied or absent: left out.
        confusion: counts, AMF positive, the others' majority as truth.
        balanced_accuracy, sensitivity, specificity: None where undefined.
    """

    expert: int
    figures: int
    ties: int
    confusion: Confusion
    balanced_accuracy: float | None
    sensitivity: float | None
    specificity: float | None


@dataclass(frozen=True)
class Agreement:
    """How far experts agree.

    Attributes:
        figures: with two or more ratings; only these count.
        full: the share of figures on which all who read it agree.
        pairwise: the share of pairs of ratings of the same figure that agree, over all such pairs.
        fleiss, krippendorff: chance-corrected, over all experts.
        pairs: two experts at a time.
        against_others: each expert against the majority of the others; empty where the ratings are not votes.
    """

    figures: int
    full: float | None
    pairwise: float | None
    fleiss: float | None
    krippendorff: float | None
    pairs: tuple[PairAgreement, ...]
    against_others: tuple[ExpertAgainstOthers, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def agreement(ratings: ArrayLike) -> Agreement:
    """All measures of agreement of `ratings`, shape (figures, experts).

    Raises:
        EvaluationError: not two-dimensional.
    """
    values = _checked(ratings)
    counts = _counts(values)
    votes = bool(np.all(np.isnan(values) | (values == 0) | (values == 1)))
    pairs = tuple(_pair(values, i, j) for i, j in combinations(range(values.shape[1]), 2))
    others = tuple(expert_against_others(values, k) for k in range(values.shape[1])) if votes else ()
    return Agreement(
        len(counts), full_agreement(values), pairwise_agreement(values), fleiss_kappa(values),
        krippendorff_alpha(values), pairs, others,
    )  # fmt: skip


def full_agreement(ratings: ArrayLike) -> float | None:
    """The share of figures on which all who read it agree; figures with fewer than two ratings do not count."""
    counts = _counts(_checked(ratings))
    return _mean(counts.max(axis=1) == counts.sum(axis=1)) if len(counts) else None


def pairwise_agreement(ratings: ArrayLike) -> float | None:
    """The share of pairs of ratings of the same figure that agree, over all pairs of all figures."""
    counts = _counts(_checked(ratings))
    readers = counts.sum(axis=1)
    pairs = float(np.sum(readers * (readers - 1)))
    return float(np.sum(counts * (counts - 1))) / pairs if pairs else None


def cohen_kappa(first: ArrayLike, second: ArrayLike) -> float | None:
    """Cohen's kappa of two experts (Educational and Psychological Measurement 1960) on the figures both read.

    (p_o - p_e) / (1 - p_e), with p_e from each expert's own shares of the categories. None where nothing was read by
    both, or both used one and the same category throughout.
    """
    values = _checked(np.stack([np.asarray(first, dtype=float), np.asarray(second, dtype=float)], axis=1))
    both = values[~np.isnan(values).any(axis=1)]
    if not len(both):
        return None
    categories = np.unique(both)
    shares = (both[:, :, None] == categories).mean(axis=0)
    return _corrected(float(np.mean(both[:, 0] == both[:, 1])), float(np.sum(shares[0] * shares[1])))


def fleiss_kappa(ratings: ArrayLike) -> float | None:
    """Fleiss' kappa (Psychological Bulletin 1971), generalized to figures with different numbers of ratings.

    Observed: the mean over figures of the share of agreeing pairs; expected: the sum of the squared shares of the
    categories among all ratings. Equal to the original where every figure has the same number of ratings. Figures with
    fewer than two ratings do not count.
    """
    counts = _counts(_checked(ratings))
    if not len(counts):
        return None
    readers = counts.sum(axis=1)
    observed = _mean(np.sum(counts * (counts - 1), axis=1) / (readers * (readers - 1)))
    shares = counts.sum(axis=0) / counts.sum()
    return _corrected(observed, float(np.sum(shares**2)))


def krippendorff_alpha(ratings: ArrayLike) -> float | None:
    """Krippendorff's alpha for nominal data with missing ratings (Content Analysis, 4th ed., chapter 12).

    1 - D_o / D_e from the coincidence matrix: each figure with m >= 2 ratings adds its ordered pairs, each counting
    1 / (m - 1); D_e is what ratings paired at random, without replacement, would give.
    """
    counts = _counts(_checked(ratings))
    readers = counts.sum(axis=1)
    totals = counts.sum(axis=0)
    paired = float(totals.sum())
    expected = paired**2 - float(np.sum(totals**2))
    if not expected:
        return None
    observed = float(np.sum((readers**2 - np.sum(counts**2, axis=1)) / (readers - 1)))
    return 1 - (paired - 1) * observed / expected


def expert_against_others(votes: ArrayLike, expert: int) -> ExpertAgainstOthers:
    """One expert's votes against the majority of the other experts' votes.

    Args:
        votes: shape (figures, experts): 1 AMF, 0 NMF, NaN not read.
        expert: the column, from 0.
    """
    values = _checked(votes)
    own, truth = values[:, expert], majority(np.delete(values, expert, axis=1))
    used = ~np.isnan(own) & ~np.isnan(truth)
    metrics = binary_metrics(truth[used], own[used], 0.5)
    shown = {
        name: None if np.isnan(metrics[name][0]) else float(metrics[name][0])
        for name in ("balanced_accuracy", "sensitivity", "specificity")
    }
    ties = int(np.sum(~np.isnan(own) & np.isnan(truth)))
    return ExpertAgainstOthers(expert, int(used.sum()), ties, Confusion.of(truth[used], own[used]), **shown)


def _pair(ratings: Floats, first: int, second: int) -> PairAgreement:
    both = ~np.isnan(ratings[:, first]) & ~np.isnan(ratings[:, second])
    a, b = ratings[both, first], ratings[both, second]
    return PairAgreement(first, second, len(a), _mean(a == b) if len(a) else None, cohen_kappa(a, b))


def _checked(ratings: ArrayLike) -> Floats:
    values = np.asarray(ratings, dtype=np.float64)
    if values.ndim != 2:
        raise EvaluationError(f"the ratings have shape {values.shape}", "give one row a figure, one column an expert")
    return values


def _counts(ratings: Floats) -> Floats:
    """How many experts chose each category, shape (figures with two or more ratings, categories)."""
    categories = np.unique(ratings[~np.isnan(ratings)])
    counts = np.sum(ratings[:, :, None] == categories, axis=1).astype(np.float64)
    return counts[counts.sum(axis=1) >= 2]


def _corrected(observed: float, expected: float) -> float | None:
    return (observed - expected) / (1 - expected) if expected < 1 else None


def _mean(values: Any) -> float:
    return float(np.mean(values))
