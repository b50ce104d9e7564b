"""Metrics of a two-class classifier; AMF is the positive class.

Every metric is computed from weights of shape (replicates, figures), so that a bootstrap is one call: a row of weights
says how often each figure was drawn. Undefined is NaN in these arrays, and None with a reason in `undefined_reason`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atypica.evaluation.arrays import Floats, Integers, checked_pair
from atypica.evaluation.bootstrap import BootstrapSettings, MetricTraits, estimates
from atypica.evaluation.intervals import Estimate
from atypica.evaluation.ranking import Ranking, auroc, average_precision
from atypica.evaluation.resampling import plan_resampling

METRICS = {
    "balanced_accuracy": "balanced accuracy",
    "auroc": "AUROC",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "accuracy": "accuracy",
    "ppv": "PPV",
    "npv": "NPV",
    "f1": "F1",
    "mcc": "MCC",
    "average_precision": "average precision",
    "brier": "Brier score",
    "ece": "ECE",
    "log_loss": "log loss",
}
"""The metrics by key, with the name a person reads, in the order of every table."""
LOWER_IS_BETTER = frozenset({"brier", "ece", "log_loss"})
ECE_BINS = 15
LOG_LOSS_CLIP = 1e-7

_CLASSES = {"sensitivity": ("AMF",), "specificity": ("NMF",)}
_INFLATED = frozenset({"ece"})
_BOTH = ("AMF", "NMF")
_NEEDS: dict[str, tuple[str, ...]] = {
    "balanced_accuracy": _BOTH,
    "auroc": _BOTH,
    "sensitivity": ("AMF",),
    "specificity": ("NMF",),
    "ppv": (*_BOTH, "called AMF"),
    "npv": (*_BOTH, "called NMF"),
    "f1": ("AMF",),
    "mcc": (*_BOTH, "called AMF", "called NMF"),
    "average_precision": _BOTH,
}


@dataclass(frozen=True)
class Confusion:
    """The four counts at a threshold; AMF is positive."""

    tp: int
    fp: int
    fn: int
    tn: int

    @classmethod
    def of(cls, y: ArrayLike, called: ArrayLike) -> Self:
        """Count decisions `called` (AMF or not) against labels `y`, both of shape (figures,), 0 or 1."""
        truth, call = np.asarray(y) == 1, np.asarray(called) == 1
        cells = (truth & call, ~truth & call, truth & ~call, ~truth & ~call)
        return cls(*(int(np.sum(cell)) for cell in cells))

    @property
    def figures(self) -> int:
        """All figures."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def counts(self) -> dict[str, int]:
        """How many figures there are of each thing that a metric may need."""
        amf, called = self.tp + self.fn, self.tp + self.fp
        return {"AMF": amf, "NMF": self.figures - amf, "called AMF": called, "called NMF": self.figures - called}


@dataclass(frozen=True)
class BinaryScorer:
    """All metrics of one set of figures as a function of the weights of its figures."""

    sums: Floats
    """Shape (figures, 6 + bins): what is summed over figures: tp, fp, fn, tn, squared error, log loss, and in each
    bin of p the difference p - y."""
    ranking: Ranking

    @classmethod
    def of(cls, y: ArrayLike, p: ArrayLike, threshold: float, *, bins: int = ECE_BINS) -> Self:
        """Prepare the metrics of labels `y` and scores `p`, shape (figures,), at `threshold` (p >= threshold is AMF).

        Raises:
            EvaluationError: NaN, labels other than 0 and 1, scores outside 0 to 1, different lengths.
        """
        labels, scores = checked_pair(y, p)
        return cls(_summands(labels, scores, threshold, bins), Ranking.of(labels, scores))

    def __call__(self, weights: Floats) -> dict[str, Floats]:
        """The metrics for `weights` of shape (replicates, figures): name to shape (replicates,), NaN if undefined."""
        tp, fp = self.ranking.cumulative(weights)
        metrics = _from_sums(weights @ self.sums)
        metrics["auroc"] = auroc(tp, fp)
        metrics["average_precision"] = average_precision(tp, fp)
        return {name: metrics[name] for name in METRICS}


def binary_metrics(y: ArrayLike, p: ArrayLike, threshold: float, weights: Floats | None = None) -> dict[str, Floats]:
    """All metrics of `METRICS`, with NaN for the undefined.

    AUROC counts ties half; average precision is the step-wise sum; ECE has `ECE_BINS` bins of equal width of p_amf
    (Guo et al., ICML 2017, on the probability of AMF); log loss is in nats with p kept `LOG_LOSS_CLIP` from 0 and 1.

    Args:
        y: labels, shape (figures,): 1 AMF, 0 NMF.
        p: p_amf, shape (figures,).
        threshold: p at or above it is called AMF.
        weights: shape (replicates, figures); one replicate of ones if None.

    Returns:
        Metric key to shape (replicates,).

    Raises:
        EvaluationError: NaN, labels other than 0 and 1, scores outside 0 to 1, different lengths.

    >>> round(float(binary_metrics([1, 1, 0, 0], [0.9, 0.4, 0.6, 0.1], 0.5)["auroc"][0]), 2)
    0.75
    """
    scorer = BinaryScorer.of(y, p, threshold)
    return scorer(np.ones((1, len(scorer.sums))) if weights is None else np.atleast_2d(weights))


def binary_estimates(
    y: ArrayLike,
    p: ArrayLike,
    threshold: float,
    cases: Sequence[object] | NDArray[np.object_] | None = None,
    settings: BootstrapSettings = BootstrapSettings(),  # noqa: B008 - frozen
) -> dict[str, Estimate]:
    """All metrics of `METRICS`, each with a bootstrap interval that keeps the figures of a case together.

    Args:
        y, p, threshold: as in `binary_metrics`.
        cases: the case of each figure; None draws single figures, and the intervals say so.
        settings: number of resamples, seed, level, method.

    Raises:
        EvaluationError: as `binary_metrics`; a blank case.
    """
    labels, scores = checked_pair(y, p)
    plan = plan_resampling(labels.astype(np.int64), ("NMF", "AMF"), (scores, labels), cases)
    confusion = Confusion.of(labels, scores >= threshold)
    traits = {
        name: MetricTraits(undefined_reason(name, confusion), _CLASSES.get(name), name in _INFLATED) for name in METRICS
    }
    return estimates(BinaryScorer.of(labels, scores, threshold), plan, traits, settings)


def undefined_reason(metric: str, confusion: Confusion) -> str | None:
    """Why `metric` is undefined for these counts, as words for a table; None where it is defined."""
    if not confusion.figures:
        return "no figures"
    missing = [need for need in _NEEDS.get(metric, ()) if not confusion.counts[need]]
    if not missing:
        return None
    return f"no {missing[0]} figures" if missing[0] in _BOTH else f"no figure is {missing[0]}"


def _summands(y: Floats, p: Floats, threshold: float, bins: int) -> Floats:
    called = (p >= threshold).astype(np.float64)
    clipped = np.clip(p, LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP)
    columns = [y * called, (1 - y) * called, y * (1 - called), (1 - y) * (1 - called)]
    columns += [(p - y) ** 2, -np.log(np.where(y == 1, clipped, 1 - clipped))]
    index = bin_index(p, bins)
    columns += [np.where(index == k, p - y, 0.0) for k in range(bins)]
    return np.stack(columns, axis=1)


def bin_index(p: Floats, bins: int) -> Integers:
    """Which of `bins` bins of equal width each score lies in; 1 lies in the last."""
    return np.minimum((p * bins).astype(np.int64), bins - 1)


def _from_sums(sums: Floats) -> dict[str, Floats]:
    tp, fp, fn, tn, squared, loss = sums[:, :6].T
    amf, nmf, called_amf, called_nmf = tp + fn, fp + tn, tp + fp, tn + fn
    total = amf + nmf
    with np.errstate(divide="ignore", invalid="ignore"):
        sensitivity, specificity = tp / amf, tn / nmf
        raw = {
            "balanced_accuracy": (sensitivity + specificity) / 2,
            "sensitivity": sensitivity,
            "specificity": specificity,
            "accuracy": (tp + tn) / total,
            "ppv": tp / called_amf,
            "npv": tn / called_nmf,
            "f1": 2 * tp / (2 * tp + fp + fn),
            "mcc": (tp * tn - fp * fn) / np.sqrt(amf * nmf * called_amf * called_nmf),
            "brier": squared / total,
            "ece": np.abs(sums[:, 6:]).sum(axis=1) / total,
            "log_loss": loss / total,
        }
    present = {"AMF": amf > 0, "NMF": nmf > 0, "called AMF": called_amf > 0, "called NMF": called_nmf > 0}
    return {name: _where_defined(values, name, present) for name, values in raw.items()}


def _where_defined(values: Floats, metric: str, present: dict[str, NDArray[np.bool_]]) -> Floats:
    defined = np.isfinite(values)
    for need in _NEEDS.get(metric, ()):
        defined = defined & present[need]
    return np.where(defined, values, np.nan)
