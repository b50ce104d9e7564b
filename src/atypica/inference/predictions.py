"""From the network's outputs to the prediction columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, softmax, xlogy

from atypica.core.vocabulary import AMF_SUBTYPES, NMF_SUBTYPES, Label, Subtype
from atypica.data.figures import DETECTION, KEYS, Figures
from atypica.inference.card import Calibration, Card, Strangeness
from atypica.inference.classifier import Outputs

Floats = NDArray[np.float64]
DECIMALS = 6
EXACT = 2**53
"""From here on, a floating point number does not say which whole number it is."""
SUBTYPE_COLUMNS = tuple(f"p_{subtype.value}" for subtype in Subtype)
COLUMNS = (
    "p_amf",
    "threshold",
    "prediction",
    "subtype",
    *SUBTYPE_COLUMNS,
    "p_disagreement",
    "uncertainty",
    "ood",
    "abstain",
    "border",
    "in_training",
    "counted",
    "left_out",
    "error",
    "model",
    "model_sha256",
)
"""The columns that follow the figure's keys."""


def needed(card: Card) -> tuple[str, ...]:
    """The outputs of the graph that the prediction columns are made from."""
    heads = [head for head in ("subtype", "disagreement") if head in card.heads]
    return ("amf", *heads, *(["distance"] if card.strangeness else []))


def tabulate(
    figures: Figures,
    outputs: Outputs,
    errors: Sequence[str | None],
    card: Card,
    threshold: float,
    in_training: Sequence[bool | None] | None = None,
    border: Sequence[bool | None] | None = None,
) -> pd.DataFrame:
    """The predictions table.

    Args:
        figures: the figures, in order.
        outputs: those of `needed`, (figures, ...) each; NaN rows where a figure failed.
        errors: what kept each figure from being typed, None where nothing did.
        card: the model's card.
        threshold: p_amf from which a figure is called AMF.
        in_training: whether each figure trained the model; None where that is not known of any.
        border: whether each field of view reaches beyond its slide; None where no figure is on a slide.

    Returns:
        One row a figure: its keys, then `COLUMNS`; blank numbers where `error` is filled. Every typed figure counts.
    """
    table = _keys(figures)
    for name, values in typed_columns(outputs, card, threshold).items():
        table[name] = values
    table["threshold"] = table["threshold"].where(table["p_amf"].notna())
    table["border"] = pd.Series(list(border or [None] * len(figures)), dtype="boolean")
    table["in_training"] = pd.Series(list(in_training or [None] * len(figures)), dtype="boolean")
    table["counted"] = table["p_amf"].notna()
    table["left_out"] = pd.Series([None] * len(figures), dtype=object)
    table["error"] = pd.Series(list(errors), dtype=object)
    table["model"] = f"{card.name} {card.version}"
    table["model_sha256"] = card.onnx_sha256
    return table[[*table.columns[: -len(COLUMNS)], *COLUMNS]]


def _keys(figures: Figures) -> pd.DataFrame:
    keys = figures.table[[key for key in (*KEYS, *DETECTION) if key in figures.table]].reset_index(drop=True)
    for name in ("page", "x", "y"):
        if name in keys and bool(((keys[name].dropna() % 1 == 0) & (keys[name].dropna().abs() < EXACT)).all()):
            keys[name] = keys[name].astype("Int64")
    return keys


def typed_columns(outputs: Outputs, card: Card, threshold: float | Floats) -> dict[str, Any]:
    """The columns that the outputs give, `p_amf` to `abstain`, by name; each (figures,).

    Args:
        outputs: those of `needed`, (figures, ...) each; NaN rows where a figure failed.
        card: the model's card.
        threshold: p_amf from which a figure is called AMF; one for all, or (figures,).
    """
    amf = outputs["amf"].reshape(-1)
    p = calibrated(amf, card.calibration)
    subtypes = subtype_probabilities(p, outputs.get("subtype"))
    ood = strangeness(outputs.get("distance"), card.strangeness, len(p))
    typed = ~np.isnan(p)
    positive = p >= threshold
    return {
        "p_amf": p,
        "threshold": np.full(len(p), threshold),
        "prediction": _text(np.where(positive, Label.AMF.value, Label.NMF.value), typed),
        "subtype": _text(best_subtype(subtypes, positive), ~np.isnan(subtypes[:, 0])),
        **{name: subtypes[:, i] for i, name in enumerate(SUBTYPE_COLUMNS)},
        "p_disagreement": disagreement(outputs.get("disagreement"), card, len(p)),
        "uncertainty": entropy(p),
        "ood": ood,
        "abstain": _flags(referred(p, ood, card), typed),
    }


def _text(values: NDArray[np.object_] | NDArray[np.str_], known: NDArray[np.bool_]) -> pd.Series:
    # One text for all rows that say the same, not one a row.
    one = {value: str(value) for value in np.unique(values).tolist()}
    return pd.Series([one[v] if k else None for v, k in zip(values.tolist(), known, strict=True)], dtype=object)


def flags(table: pd.DataFrame, column: str) -> NDArray[np.bool_]:
    """A column of yes and no as booleans, however it was read; blank, missing or absent is no. Shape (rows,)."""
    if column not in table:
        return np.zeros(len(table), dtype=bool)
    return np.array([str(value).lower() in {"true", "1", "1.0"} for value in table[column]], dtype=bool)


def _flags(values: NDArray[np.bool_], known: NDArray[np.bool_]) -> pd.Series:
    return pd.Series(values, dtype="boolean").where(pd.Series(known))


def calibrated(logits: NDArray[np.float32], calibration: Calibration) -> Floats:
    """sigmoid((logit - bias) / temperature), rounded to `DECIMALS`, so that a table's p and prediction agree."""
    z = (logits.astype(np.float64) - calibration.bias) / calibration.temperature
    return np.round(np.asarray(expit(z), dtype=np.float64), DECIMALS)


def subtype_probabilities(p_amf: Floats, logits: NDArray[np.float32] | None) -> Floats:
    """p of the side times the softmax within the side: the four AMF subtypes sum to p_amf, all eight to 1.

    Args:
        p_amf: (figures,).
        logits: (figures, 8) in the order of `Subtype`; None where the model has no such head.

    Returns:
        (figures, 8); NaN where unknown.
    """
    result: Floats = np.full((len(p_amf), len(Subtype)), np.nan)
    if logits is None:
        return result
    order = list(Subtype)
    for side, p in ((NMF_SUBTYPES, 1 - p_amf), (AMF_SUBTYPES, p_amf)):
        at = [order.index(subtype) for subtype in side]
        within: Floats = softmax(logits[:, at].astype(np.float64), axis=1)
        result[:, at] = p[:, None] * within
    return result.round(DECIMALS)


def best_subtype(probabilities: Floats, positive: NDArray[np.bool_]) -> NDArray[np.str_]:
    """The likeliest subtype within the predicted side, (figures,)."""
    is_amf = np.array([subtype.side is Label.AMF for subtype in Subtype])
    allowed = np.where(positive[:, None] == is_amf, np.nan_to_num(probabilities), -1.0)
    return np.array([subtype.value for subtype in Subtype])[allowed.argmax(axis=1)]


def disagreement(logits: NDArray[np.float32] | None, card: Card, count: int) -> Floats:
    """The calibrated probability that experts would disagree; NaN where the model does not say."""
    if logits is None:
        return np.full(count, np.nan)
    return calibrated(logits.reshape(-1), card.disagreement_calibration)


def entropy(p: Floats) -> Floats:
    """Binary entropy in bits: 0 where the model is sure, 1 at p = 0.5."""
    bits = -(xlogy(p, p) + xlogy(1 - p, 1 - p)) / np.log(2)
    return np.round(np.asarray(bits, dtype=np.float64), DECIMALS) + 0.0


def strangeness(distance: NDArray[np.float32] | None, scale: Strangeness | None, count: int) -> Floats:
    """The share of held-out training figures that are less unlike; NaN where the model does not say."""
    if distance is None or scale is None:
        return np.full(count, np.nan)
    shares: Floats = np.linspace(0, 1, 101)
    share: Floats = np.interp(distance.reshape(-1).astype(np.float64), np.array(scale.quantiles), shares)
    return np.round(share, DECIMALS)


def referred(p: Floats, ood: Floats, card: Card) -> NDArray[np.bool_]:
    """Whether a person should look: p within the card's band of referral, or the figure is too unlike."""
    low, high = card.thresholds.refer_low, card.thresholds.refer_high
    unlike = ood > card.strangeness.limit if card.strangeness else np.zeros(len(p), dtype=bool)
    return ((p > low) & (p < high)) | unlike
