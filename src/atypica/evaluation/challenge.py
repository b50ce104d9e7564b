"""The metrics of the MIDOG 2025 challenge, track 2, in the schema of its own evaluation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atypica.core.errors import EvaluationError
from atypica.evaluation.arrays import checked_pair
from atypica.evaluation.binary import binary_metrics

CHALLENGE_METRICS = {
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "balanced_accuracy": "balanced_accuracy",
    "roc_auc": "auroc",
    "accuracy": "accuracy",
}
"""The challenge's names of our metrics."""


def challenge_metrics(
    y: ArrayLike, p: ArrayLike, called: ArrayLike, domains: Sequence[int | None] | None = None
) -> dict[str, dict[str, object]]:
    """`{"aggregates": {"overall_sensitivity": ..., "domain_1": {...}, ...}}`; None where a metric is undefined.

    Args:
        y: labels, shape (figures,): 1 AMF, 0 NMF.
        p: P(atypical), shape (figures,), for the area under the ROC curve.
        called: the class that was decided, shape (figures,): 1 AMF, 0 NMF; it may differ from what `p` suggests.
        domains: the number of each figure's domain; None counts overall only.

    Raises:
        EvaluationError: shapes that do not fit, labels or decisions other than 0 and 1, p outside 0 to 1.
    """
    labels, scores = checked_pair(y, p)
    decisions = checked_pair(labels, called)[1]
    if not np.all(np.isin(decisions, (0, 1))):
        raise EvaluationError("some decisions are neither 0 (NMF) nor 1 (AMF)", "give the class of each figure")
    overall = _metrics(labels, scores, decisions)
    aggregates: dict[str, object] = {f"overall_{name}": value for name, value in overall.items()}
    numbers = np.array([-1 if domain is None else domain for domain in domains or [None] * len(labels)])
    if len(numbers) != len(labels):
        raise EvaluationError(f"{len(numbers)} domains for {len(labels)} figures", "give one for each figure")
    for number in sorted(set(numbers[numbers >= 0].tolist())):
        rows = numbers == number
        aggregates[f"domain_{number}"] = _metrics(labels[rows], scores[rows], decisions[rows])
    return {"aggregates": aggregates}


def number_domains(values: Sequence[object]) -> tuple[list[int | None], dict[int, str]]:
    """A number for each value, and what each number means.

    Values that are whole numbers from 0 keep them; others are numbered from 1 in alphabetical order. Blanks have none.

    >>> number_domains(["lung", None, "breast", "lung"])
    ([2, None, 1, 2], {1: 'breast', 2: 'lung'})
    """
    texts = [None if _blank(value) else _text(value) for value in values]
    names = sorted({text for text in texts if text is not None})
    known = all(name.isascii() and name.isdigit() for name in names) and len(set(map(int, names))) == len(names)
    numbers = {name: int(name) if known else place for place, name in enumerate(names, 1)}
    meaning = {number: name for name, number in sorted(numbers.items(), key=lambda item: item[1])}
    return [None if text is None else numbers[text] for text in texts], meaning


def _metrics(y: NDArray[np.float64], p: NDArray[np.float64], called: NDArray[np.float64]) -> dict[str, float | None]:
    ranked, decided = binary_metrics(y, p, 0.5), binary_metrics(y, called, 0.5)
    found = {name: float((ranked if ours == "auroc" else decided)[ours][0]) for name, ours in CHALLENGE_METRICS.items()}
    return {name: None if np.isnan(value) else value for name, value in found.items()}


def _blank(value: object) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value)) or not str(value).strip()


def _text(value: object) -> str:
    """3.0, which a column with blanks makes of 3, is 3."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
