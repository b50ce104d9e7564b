"""The eight subtypes, one against the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atypica.core.errors import EvaluationError
from atypica.core.vocabulary import AMF_SUBTYPES, Subtype
from atypica.evaluation.arrays import Floats, Integers, checked_labels
from atypica.evaluation.binary import Confusion, undefined_reason
from atypica.evaluation.bootstrap import BootstrapSettings, MetricTraits, estimates
from atypica.evaluation.intervals import Estimate
from atypica.evaluation.ranking import Ranking, auroc
from atypica.evaluation.resampling import plan_resampling

CLASSES = tuple(subtype.value for subtype in Subtype)
SUBTYPE_METRICS = {
    "auroc": "AUROC",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ppv": "PPV",
    "npv": "NPV",
}
_AMF = np.array([subtype in AMF_SUBTYPES for subtype in Subtype])


@dataclass(frozen=True)
class DerivedBinary:
    """The two-class result that follows from the eight classes.

    Attributes:
        truth: whose labels it is held against ("majority vote", "the subtype's own side").
        rule: "subtype": the side of the called subtype; "sum": the AMF subtypes' probabilities add up to 0.5 or more.
        confusion: counts, AMF positive.
        balanced_accuracy, sensitivity, specificity: None where undefined.
    """

    truth: str
    rule: str
    confusion: Confusion
    balanced_accuracy: float | None
    sensitivity: float | None
    specificity: float | None


@dataclass(frozen=True)
class SubtypeEvaluation:
    """Eight classes, each against the rest.

    Attributes:
        figures: how many have a subtype.
        counts: figures of each subtype, by its name.
        per_class: subtype to metric (`SUBTYPE_METRICS`) to estimate.
        macro: metric to its plain mean over the subtypes for which it is defined.
        confusion: shape (8, 8), rows the truth, columns the call, in the order of `Subtype`.
        binary: the derived two-class results.
    """

    figures: int
    counts: dict[str, int]
    per_class: dict[str, dict[str, Estimate]]
    macro: dict[str, Estimate]
    confusion: Integers
    binary: tuple[DerivedBinary, ...]

    @property
    def normalized(self) -> Floats:
        """The confusion matrix with each row divided by its sum; NaN in the row of an absent subtype."""
        with np.errstate(invalid="ignore"):
            return self.confusion / self.confusion.sum(axis=1, keepdims=True)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "figures": self.figures,
            "counts": self.counts,
            "per_class": {name: _json(metrics) for name, metrics in self.per_class.items()},
            "macro": _json(self.macro),
            "confusion": {"order": list(CLASSES), "counts": self.confusion.tolist()},
            "binary": [asdict(result) for result in self.binary],
        }


@dataclass(frozen=True)
class SubtypeScorer:
    """One-vs-rest metrics of all subtypes as a function of the weights of the figures."""

    cells: Floats
    """Shape (figures, 24): tp, fp and fn of each subtype, side by side."""
    rankings: tuple[Ranking, ...]

    @classmethod
    def of(cls, truth: Integers, probabilities: Floats, called: Integers) -> Self:
        """Prepare subtypes `truth` and `called` (indices, shape (figures,)) and `probabilities` (figures, 8)."""
        real, call = (np.eye(len(CLASSES))[codes] for codes in (truth, called))
        cells = np.concatenate([real * call, (1 - real) * call, real * (1 - call)], axis=1)
        return cls(cells, tuple(Ranking.of(real[:, k], probabilities[:, k]) for k in range(len(CLASSES))))

    def __call__(self, weights: Floats) -> dict[str, Floats]:
        """Metrics as `<subtype>.<metric>`, each (replicates,), for `weights` (replicates, figures)."""
        tp, fp, fn = np.split(weights @ self.cells, 3, axis=1)
        tn = weights.sum(axis=1, keepdims=True) - tp - fp - fn
        with np.errstate(divide="ignore", invalid="ignore"):
            table = {
                "sensitivity": tp / (tp + fn),
                "specificity": tn / (tn + fp),
                "ppv": np.where(tp + fn > 0, tp / (tp + fp), np.nan),
                "npv": np.where(tn + fp > 0, tn / (tn + fn), np.nan),
            }
        table["auroc"] = np.stack([auroc(*ranking.cumulative(weights)) for ranking in self.rankings], axis=1)
        return {f"{name}.{metric}": table[metric][:, k] for k, name in enumerate(CLASSES) for metric in SUBTYPE_METRICS}


def evaluate_subtypes(
    truth: ArrayLike,
    probabilities: ArrayLike,
    called: ArrayLike | None = None,
    *,
    cases: Sequence[object] | NDArray[np.object_] | None = None,
    y: ArrayLike | None = None,
    y_name: str = "majority vote",
    settings: BootstrapSettings = BootstrapSettings(),  # noqa: B008 - frozen
) -> SubtypeEvaluation:
    """Evaluate eight-class predictions, each subtype against the rest.

    Args:
        truth: the subtype's index in `Subtype`, shape (figures,).
        probabilities: shape (figures, 8), in the order of `Subtype`.
        called: the index of the subtype that was called; the most probable if None.
        cases: the case of each figure, for the intervals.
        y: two-class labels from another source than the subtype (majority vote), shape (figures,), or None.
        y_name: what to call that source.
        settings: number of resamples, seed, level, method.

    Raises:
        EvaluationError: shapes that do not fit, NaN, an index outside 0 to 7, labels other than 0 and 1.
    """
    real, scores = _codes(truth, "truth"), _probabilities(probabilities)
    call = np.argmax(scores, axis=1).astype(np.int64) if called is None else _codes(called, "calls")
    if not len(real) == len(scores) == len(call):
        raise EvaluationError(
            f"{len(real)} subtypes, {len(scores)} rows of probabilities, {len(call)} calls", "give one of each a figure"
        )
    per_class, macro = _with_intervals(real, scores, call, cases, settings)
    confusion = np.zeros((len(CLASSES), len(CLASSES)), dtype=np.int64)
    np.add.at(confusion, (real, call), 1)
    counts = {name: int(np.sum(real == k)) for k, name in enumerate(CLASSES)}
    binary = derived_binary(_AMF[real], scores, call, "the subtype's own side")
    if y is not None:
        binary = (*derived_binary(checked_labels(y), scores, call, y_name), *binary)
    return SubtypeEvaluation(len(real), counts, per_class, macro, confusion, binary)


def derived_binary(y: ArrayLike, probabilities: Floats, called: Integers, truth: str) -> tuple[DerivedBinary, ...]:
    """The two-class results of eight-class predictions against labels `y` (0 or 1), by both rules.

    Args:
        y: labels, shape (figures,): 1 AMF, 0 NMF.
        probabilities: shape (figures, 8).
        called: indices of the called subtypes, shape (figures,).
        truth: whose labels `y` are, for the table.
    """
    labels = checked_labels(np.asarray(y, dtype=np.float64))
    rules: dict[Literal["subtype", "sum"], NDArray[np.bool_]] = {
        "subtype": _AMF[called],
        # The tolerance is that of probabilities that were written with six decimals.
        "sum": probabilities[:, _AMF].sum(axis=1) >= 0.5 - 1e-9,
    }
    return tuple(_derived(labels, decision, truth, rule) for rule, decision in rules.items())


def _derived(y: Floats, decision: NDArray[np.bool_], truth: str, rule: str) -> DerivedBinary:
    counts = Confusion.of(y, decision)
    sensitivity = counts.tp / (counts.tp + counts.fn) if counts.tp + counts.fn else None
    specificity = counts.tn / (counts.tn + counts.fp) if counts.tn + counts.fp else None
    ba = None if sensitivity is None or specificity is None else (sensitivity + specificity) / 2
    return DerivedBinary(truth, rule, counts, ba, sensitivity, specificity)


def _with_intervals(
    truth: Integers,
    scores: Floats,
    called: Integers,
    cases: Sequence[object] | NDArray[np.object_] | None,
    settings: BootstrapSettings,
) -> tuple[dict[str, dict[str, Estimate]], dict[str, Estimate]]:
    plan = plan_resampling(truth, CLASSES, (*scores.T, called, truth), cases)
    traits = {
        f"{name}.{metric}": MetricTraits(_reason(metric, name, Confusion.of(truth == k, called == k)), (name,))
        for k, name in enumerate(CLASSES)
        for metric in SUBTYPE_METRICS
    }
    defined = {metric: [c for c in CLASSES if not traits[f"{c}.{metric}"].undefined] for metric in SUBTYPE_METRICS}
    traits |= {
        f"macro.{metric}": MetricTraits(None if names else "no subtype has it", tuple(names))
        for metric, names in defined.items()
    }
    scorer = SubtypeScorer.of(truth, scores, called)
    found = estimates(lambda weights: _with_macro(scorer(weights), defined), plan, traits, settings)
    per_class = {name: {metric: found[f"{name}.{metric}"] for metric in SUBTYPE_METRICS} for name in CLASSES}
    return per_class, {metric: _macro(found[f"macro.{metric}"], defined[metric]) for metric in SUBTYPE_METRICS}


def _with_macro(metrics: dict[str, Floats], defined: dict[str, list[str]]) -> dict[str, Floats]:
    empty = np.full(len(next(iter(metrics.values()))), np.nan)
    macro = {
        f"macro.{metric}": np.mean([metrics[f"{name}.{metric}"] for name in names], axis=0) if names else empty
        for metric, names in defined.items()
    }
    return metrics | macro


def _macro(estimate: Estimate, names: list[str]) -> Estimate:
    if len(names) in (0, len(CLASSES)):
        return estimate
    left_out = ", ".join(Subtype(name).display for name in CLASSES if name not in names)
    reason = "; ".join(filter(None, [f"mean over {len(names)} subtypes, without {left_out}", estimate.reason]))
    return Estimate(estimate.value, estimate.interval, reason)


def _reason(metric: str, name: str, counts: Confusion) -> str | None:
    reason = undefined_reason(metric, counts)
    if reason is None:
        return None
    words = reason.replace("AMF", Subtype(name).display)
    return words.replace("NMF", f"other than {Subtype(name).display}")


def _codes(values: ArrayLike, what: str) -> Integers:
    codes = np.asarray(values, dtype=np.float64)
    if codes.ndim != 1 or not np.all(np.isin(codes, np.arange(len(CLASSES)))):
        raise EvaluationError(f"the {what} are not subtypes by index (0 to 7)", "drop figures without a subtype")
    return codes.astype(np.int64)


def _probabilities(values: ArrayLike) -> Floats:
    scores = np.asarray(values, dtype=np.float64)
    if scores.ndim != 2 or scores.shape[1] != len(CLASSES) or not np.all((scores >= 0) & (scores <= 1)):
        raise EvaluationError(
            f"the subtypes' probabilities (shape {scores.shape}) are not eight columns from 0 to 1",
            "drop figures without a prediction; keep the order of the prediction columns",
        )
    return scores


def _json(metrics: dict[str, Estimate]) -> dict[str, Any]:
    return {name: estimate.to_json() for name, estimate in metrics.items()}
