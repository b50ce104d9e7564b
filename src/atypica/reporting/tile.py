"""One figure in the gallery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from atypica.core.vocabulary import Label, Subtype, parse_label, parse_subtype
from atypica.inference.card import Card
from atypica.inference.predictions import flags
from atypica.reporting.gallery import Picture
from atypica.reporting.redaction import Shown
from atypica.reporting.summary import strange


@dataclass(frozen=True)
class Tile:
    """What the gallery says of one figure; None where the model or the source does not know."""

    number: int
    figure: str
    case: str | None
    label: str | None
    prediction: str | None
    subtype: str | None
    p_amf: float | None
    threshold: float | None
    uncertainty: float | None
    disagreement: float | None
    ood: float | None
    odds: tuple[float, ...]
    """The probabilities of the eight subtypes, in the order of `Subtype`; empty where the model names none."""
    referred: bool
    strange: bool
    in_training: bool
    score: float | None
    left_out: str | None
    error: str | None
    picture: Picture | None

    @property
    def kinds(self) -> str:
        """The filters that this figure passes, as class names."""
        if self.left_out and self.prediction:
            return f"{self.prediction.lower()}-look out"
        kinds = [self.prediction.lower()] if self.prediction else ["failed"]
        return " ".join([*kinds, *(["check"] if self.referred else [])])

    @property
    def contradicts(self) -> bool:
        """Whether the label that came with the figure is another one than predicted."""
        return self.label is not None and self.prediction is not None and self.label != self.prediction


def tiles(
    predictions: pd.DataFrame,
    rows: Sequence[int],
    pictures: Sequence[Picture | None],
    card: Card,
    labels: Sequence[str | None] | None,
    shown: Shown,
) -> list[Tile]:
    """The tiles of `rows`, in that order.

    Args:
        predictions: the predictions table.
        rows: row positions.
        pictures: one per entry of `rows`; None for a figure that could not be read.
        card: the model's.
        labels: the label that came with each row of `predictions`; None where there are none.
        shown: what may be shown of a text.
    """
    marks = np.stack([
        flags(predictions, "abstain"), strange(predictions, card).to_numpy(dtype=bool),
        flags(predictions, "in_training"),
    ], axis=1)  # fmt: skip
    table = predictions.drop(columns="label", errors="ignore")
    if labels is not None:
        table["label"] = list(labels)
    records = table.iloc[list(rows)].to_dict("records")
    return [
        _tile(number, row, marks[at].tolist(), picture, shown)
        for number, (at, row, picture) in enumerate(zip(rows, records, pictures, strict=True))
    ]


def _tile(number: int, row: dict[Any, Any], marks: list[bool], picture: Picture | None, shown: Shown) -> Tile:
    referred, unlike, in_training = marks
    label = parse_label(row["label"]) if text(row, "label") else None
    prediction = text(row, "prediction")
    subtype = parse_subtype(row["subtype"]) if text(row, "subtype") else None
    case, error = text(row, "case"), text(row, "error")
    return Tile(
        number=number,
        figure=shown(row["figure_id"] if text(row, "figure_id") else row.get("image", number)),
        case=shown(case) if case else None,
        label=label.value if label else None,
        prediction=prediction if prediction in {Label.AMF, Label.NMF} else None,
        subtype=subtype.display if subtype else None,
        p_amf=value(row, "p_amf"),
        threshold=value(row, "threshold"),
        uncertainty=value(row, "uncertainty"),
        disagreement=value(row, "p_disagreement"),
        ood=value(row, "ood"),
        odds=_odds(row),
        referred=referred,
        strange=unlike,
        in_training=in_training,
        score=value(row, "detection_score"),
        left_out=text(row, "left_out"),
        error=shown(error) if error else None,
        picture=picture,
    )


def _odds(row: dict[Any, Any]) -> tuple[float, ...]:
    odds = [value(row, f"p_{subtype.value}") for subtype in Subtype]
    return tuple(p for p in odds if p is not None) if None not in odds else ()


def text(row: dict[Any, Any], column: str) -> str | None:
    """One entry as text; None where it is blank or absent."""
    entry = row.get(column)
    return str(entry) if entry is not None and pd.notna(entry) and str(entry).strip() else None


def value(row: dict[Any, Any], column: str) -> float | None:
    """One entry as a finite number; None where it is blank or absent."""
    entry = row.get(column)
    number = float(entry) if entry is not None and pd.notna(entry) else np.nan
    return number if np.isfinite(number) else None
