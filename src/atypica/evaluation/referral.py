"""What it is worth to refer the figures of the largest doubt to a person, by whatever doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atypica.core.errors import EvaluationError
from atypica.evaluation.abstention import CoverageCurve, Rest, coverage_curve, without_referred
from atypica.evaluation.arrays import Floats, checked_pair
from atypica.evaluation.binary import Confusion, undefined_reason
from atypica.evaluation.bootstrap import BootstrapSettings, MetricTraits, estimates
from atypica.evaluation.doubt import checked_doubt, most_doubtful
from atypica.evaluation.intervals import Estimate
from atypica.evaluation.ranking import Ranking, auroc
from atypica.evaluation.resampling import plan_resampling

SHARE = 0.1
"""Of the figures, referred where nothing else is said."""
NO_VOTES = "no figure has two experts' votes"
Cases = Sequence[object] | NDArray[np.object_]


@dataclass(frozen=True)
class Referral:
    """Figures of the largest doubt are referred; the model answers for the rest.

    Attributes:
        share: of the figures that were to be referred.
        rest: the figures that are left, and how good the calls are there.
        balanced_accuracy: of the rest, with an interval.
        gain: that less the balanced accuracy of all figures, with an interval from the same resamples.
        hard_auroc: how well the doubt ranks figures on which the experts disagreed above the others.
        curve: what is right over the share that is kept.
    """

    share: float
    rest: Rest
    balanced_accuracy: Estimate
    gain: Estimate
    hard_auroc: Estimate
    curve: CoverageCurve

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "share": self.share,
            "rest": self.rest.to_json(),
            "balanced_accuracy": self.balanced_accuracy.to_json(),
            "gain": self.gain.to_json(),
            "hard_auroc": self.hard_auroc.to_json(),
            "curve": self.curve.to_json(),
        }


def refer(
    y: ArrayLike,
    p: ArrayLike,
    threshold: float,
    doubt: ArrayLike,
    *,
    hard: ArrayLike | None = None,
    cases: Cases | None = None,
    share: float = SHARE,
    settings: BootstrapSettings = BootstrapSettings(),  # noqa: B008 - frozen
) -> Referral:
    """Refer the `share` of the figures whose doubt is largest, as `most_doubtful` does, and look at the rest.

    In a resample the same figures are referred as in the whole, so the intervals hold for that choice.

    Args:
        y: labels, shape (figures,): 1 AMF, 0 NMF.
        p: p_amf, shape (figures,).
        threshold: p at or above it is AMF.
        doubt: any number that grows with doubt, shape (figures,).
        hard: 1 where the experts disagreed, 0 where they agreed, NaN where unknown, shape (figures,).
        cases: the case of each figure; without, single figures are resampled, and the intervals are marked.
        share: 0 to 1 without 1.
        settings: how intervals are made.

    Raises:
        EvaluationError: no figures, NaN, labels other than 0 and 1, scores outside 0 to 1, shapes that do not fit.
    """
    labels, scores = checked_pair(y, p)
    doubts = checked_doubt(doubt, len(labels))
    curve = coverage_curve(labels, scores, threshold, doubts)
    referred = most_doubtful(doubts, share)
    ba, gain = _estimates(labels, scores >= threshold, ~referred, scores, cases, settings)
    return Referral(
        share,
        without_referred(labels, scores, threshold, referred),
        ba,
        gain,
        _hard_auroc(doubts, hard, cases, settings),
        curve,
    )


def _estimates(
    y: Floats,
    called: NDArray[np.bool_],
    kept: NDArray[np.bool_],
    p: Floats,
    cases: Cases | None,
    settings: BootstrapSettings,
) -> tuple[Estimate, Estimate]:
    """BA of the kept figures, and its gain over that of all."""
    right = np.stack([(called == y) * y, (called == y) * (1 - y), y, 1 - y], axis=1)

    def statistic(weights: Floats) -> dict[str, Floats]:
        rest = _balanced((weights * kept) @ right)
        return {"rest": rest, "gain": rest - _balanced(weights @ right)}

    plan = plan_resampling(y.astype(np.int64), ("NMF", "AMF"), (p, y), cases)
    undefined = undefined_reason("balanced_accuracy", Confusion.of(y[kept], called[kept]))
    trait = MetricTraits(undefined=f"{undefined} left" if undefined else None)
    found = estimates(statistic, plan, {"rest": trait, "gain": trait}, settings)
    return found["rest"], found["gain"]


def _balanced(sums: Floats) -> Floats:
    """From sums of right AMF, right NMF, AMF, NMF, shape (replicates, 4), to BA, shape (replicates,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return (sums[:, 0] / sums[:, 2] + sums[:, 1] / sums[:, 3]) / 2


def _hard_auroc(doubt: Floats, hard: ArrayLike | None, cases: Cases | None, settings: BootstrapSettings) -> Estimate:
    disagreed = np.full(len(doubt), np.nan) if hard is None else np.asarray(hard, dtype=np.float64)
    if disagreed.shape != doubt.shape:
        raise EvaluationError(f"{len(disagreed)} disagreements for {len(doubt)} figures", "give one for each figure")
    known = ~np.isnan(disagreed)
    if not known.any():
        return Estimate(None, None, NO_VOTES)
    truth, doubts = disagreed[known], doubt[known]
    if len(set(truth.tolist())) < 2:
        return Estimate(None, None, f"the experts {'disagree on every figure' if truth[0] else 'never disagree'}")
    ranking = Ranking.of(truth, doubts)
    names = None if cases is None else np.asarray(cases, dtype=object)[known]
    plan = plan_resampling(truth.astype(np.int64), ("agreement", "disagreement"), (doubts, truth), names)

    def statistic(weights: Floats) -> dict[str, Floats]:
        return {"auroc": auroc(*ranking.cumulative(weights))}

    return estimates(statistic, plan, {"auroc": MetricTraits()}, settings)["auroc"]
