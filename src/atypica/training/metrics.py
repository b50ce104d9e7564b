"""The few metrics that a card keeps of a set of figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from atypica.core.vocabulary import Subtype
from atypica.core.votes import disagreement
from atypica.data.figures import Figures
from atypica.evaluation.intervals import Estimate
from atypica.evaluation.summary import Evaluation, SubtypeInput, evaluate

KEPT = ("auroc", "balanced_accuracy", "sensitivity", "specificity", "average_precision", "ece")


def short_metrics(figures: Figures, predictions: pd.DataFrame, threshold: float) -> dict[str, Any]:
    """Metrics with 95 % intervals by case, in a form that reads well in a card.

    Args:
        figures: labeled, with cases.
        predictions: of the same figures in the same order; the columns `p_amf`, and where there are any the
            subtypes' and `p_disagreement`.
        threshold: p_amf from which a figure is called AMF.
    """
    names = [f"p_{subtype.value}" for subtype in Subtype]
    subtypes = None
    if _answered(predictions, *names) and "subtype" in figures.table:
        subtypes = SubtypeInput(_codes(figures), predictions[names].to_numpy(dtype=np.float64))
    p = predictions["p_amf"].to_numpy(dtype=np.float64)
    found = evaluate(figures.labels, p, threshold, cases=figures.cases, subtypes=subtypes)
    return {
        "figures": len(figures),
        "amf": int(figures.labels.sum()),
        "cases": len(set(figures.cases)),
        "threshold": threshold,
        **{name: _brief(found.overall.metrics[name]) for name in KEPT},
        **_subtypes(found),
        **_disagreement(figures, predictions),
    }


def _subtypes(found: Evaluation) -> dict[str, Any]:
    return {"subtype_auroc_mean": _brief(found.subtypes.macro["auroc"])} if found.subtypes else {}


def _disagreement(figures: Figures, predictions: pd.DataFrame) -> dict[str, Any]:
    if not _answered(predictions, "p_disagreement") or figures.votes.shape[1] < 2:
        return {}
    hard = disagreement(figures.votes)
    known = ~np.isnan(hard)
    p = predictions["p_disagreement"].to_numpy(dtype=np.float64)[known]
    found = evaluate(hard[known], p, 0.5, cases=figures.cases[known])
    return {"disagreement_auroc": _brief(found.overall.metrics["auroc"])}


def _answered(predictions: pd.DataFrame, *names: str) -> bool:
    """Whether the model has the head: the columns of one that it has not are empty."""
    return set(names) <= set(predictions) and bool(predictions[list(names)].notna().all(axis=None))


def _codes(figures: Figures) -> NDArray[np.float64]:
    order = {subtype.value: float(index) for index, subtype in enumerate(Subtype)}
    return np.array([order.get(name, np.nan) for name in figures.table["subtype"]])


def _brief(estimate: Estimate) -> dict[str, Any]:
    interval = estimate.interval
    limits = {"low": round(interval.low, 4), "high": round(interval.high, 4)} if interval else {}
    return {"value": None if estimate.value is None else round(estimate.value, 4), **limits}
