"""How results differ between the folds of a cross-validation: a spread, never an interval.

Folds share most of their training figures, so that their standard deviation says nothing exact of how sure the mean is
(Bengio and Grandvalet, JMLR 2004).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from atypica.core.errors import EvaluationError
from atypica.evaluation.arrays import checked_pair
from atypica.evaluation.binary import Confusion, binary_metrics, undefined_reason

FOLD_METRICS = {"balanced_accuracy": "BA", "auroc": "AUROC"}


@dataclass(frozen=True)
class Fold:
    """One fold: its figures, and each of `FOLD_METRICS`; None where undefined."""

    fold: str
    figures: int
    amf: int
    metrics: dict[str, float | None]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"fold": self.fold, "figures": self.figures, "amf": self.amf, **self.metrics}


@dataclass(frozen=True)
class Spread:
    """Mean, sample standard deviation (n - 1), lowest and highest over the `folds` where a metric is defined.

    `reason` says what is undefined, and why; empty where all is well.
    """

    folds: int
    mean: float | None
    sd: float | None
    min: float | None
    max: float | None
    reason: str = ""


@dataclass(frozen=True)
class FoldSpread:
    """The folds in order, and the spread of each of `FOLD_METRICS`; `blank` counts figures without a fold."""

    folds: tuple[Fold, ...]
    spread: dict[str, Spread]
    blank: int

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "folds": [fold.to_json() for fold in self.folds],
            **{name: asdict(spread) for name, spread in self.spread.items()},
            "figures_without_fold": self.blank,
        }


def fold_spread(y: ArrayLike, p: ArrayLike, threshold: float, folds: Sequence[str | None]) -> FoldSpread:
    """BA and AUROC of every fold by itself, and how they spread.

    Args:
        y: labels, shape (figures,): 1 AMF, 0 NMF.
        p: p_amf that the network of the figure's fold gave, which had not seen it, shape (figures,).
        threshold: p at or above it is called AMF.
        folds: the fold of each figure; None counts in no fold.

    Raises:
        EvaluationError: shapes that do not fit, NaN, labels other than 0 and 1, scores outside 0 to 1.
    """
    labels, scores = checked_pair(y, p)
    if len(folds) != len(labels):
        raise EvaluationError(f"{len(folds)} folds for {len(labels)} figures", "give one for each figure")
    names = np.array(list(folds), dtype=object)
    found: list[Fold] = []
    reasons: dict[str, list[str]] = {metric: [] for metric in FOLD_METRICS}
    for name in sorted({fold for fold in folds if fold is not None}, key=_order):
        rows = names == name
        values = binary_metrics(labels[rows], scores[rows], threshold)
        counts = Confusion.of(labels[rows], scores[rows] >= threshold)
        for metric in FOLD_METRICS:
            reason = undefined_reason(metric, counts)
            reasons[metric] += [f"fold {name}: {reason}"] if reason else []
        known = {metric: float(values[metric][0]) for metric in FOLD_METRICS}
        metrics = {metric: None if np.isnan(value) else value for metric, value in known.items()}
        found.append(Fold(name, counts.figures, counts.counts["AMF"], metrics))
    spread = {metric: _spread([fold.metrics[metric] for fold in found], reasons[metric]) for metric in FOLD_METRICS}
    return FoldSpread(tuple(found), spread, sum(fold is None for fold in folds))


def _spread(values: Sequence[float | None], reasons: list[str]) -> Spread:
    known = np.array([value for value in values if value is not None])
    if not len(known):
        return Spread(0, None, None, None, None, "; ".join(reasons) or "no folds")
    if len(known) == 1:
        reasons = [*reasons, "one fold has no standard deviation"]
    sd = float(known.std(ddof=1)) if len(known) > 1 else None
    return Spread(len(known), float(known.mean()), sd, float(known.min()), float(known.max()), "; ".join(reasons))


def _order(name: str) -> tuple[float, str]:
    """10 after 9."""
    return (float(name) if name.isascii() and name.isdigit() else float("inf"), name)
