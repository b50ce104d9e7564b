"""The AMF rate corrected for what the model misses and mistakes, as a report shows and explains it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from atypica.inference.card import MeasuredAccuracy
from atypica.reporting.numbers import percent

CLAMPED, VIEWS = "*", "†"


@dataclass(frozen=True)
class Corrected:
    """A corrected rate with its 95 % interval (all 0 to 1), or the reason why there is none.

    Attributes:
        rate, low, high: None where there is no corrected rate.
        note: where the rate was clamped, else why there is none.
    """

    rate: float | None
    low: float | None
    high: float | None
    note: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Corrected:
        """From a row of `Result.cases()`."""
        rate, low, high = (_number(row.get(f"corrected_{end}")) for end in ("rate", "low", "high"))
        note = row.get("corrected_note")
        return cls(rate, low, high, str(note) if note is not None and pd.notna(note) else "")

    @property
    def mark(self) -> str:
        """Of a rate that was clamped."""
        return CLAMPED if self.rate is not None and self.note else ""


class HasCorrected(Protocol):
    """A row with a corrected rate."""

    @property
    def corrected(self) -> Corrected: ...


@dataclass(frozen=True)
class Footnote:
    """A sentence below the cases, and the mark that points to it; blank for one that is of the whole column."""

    mark: str
    text: str


def footnotes(rows: Sequence[HasCorrected], accuracy: MeasuredAccuracy | None, views: int) -> list[Footnote]:
    """What a reader must know of the column of corrected rates.

    Args:
        rows: all cases, the last of which is all together.
        accuracy: of the model's card.
        views: how many views of each figure were averaged; the accuracy of a card is always that of one.
    """
    reasons = dict.fromkeys(row.corrected.note for row in rows if row.corrected.rate is None and row.corrected.note)
    missing = [Footnote("", f"No corrected rate: {reason}.") for reason in reasons]
    if accuracy is None or all(row.corrected.rate is None for row in rows):
        return missing
    found = [Footnote("", _assumption(accuracy))]
    if views > 1:
        found.append(Footnote(VIEWS, _OTHER_VIEWS.format(views=views)))
    if any(row.corrected.mark for row in rows):
        found.append(Footnote(CLAMPED, _CLAMPED))
    return [*found, *missing]


def _assumption(accuracy: MeasuredAccuracy) -> str:
    return (
        f"Corrected: the share of AMF that explains the share called AMF, for a model that finds "
        f"{percent(accuracy.sensitivity, 1)} of AMF and takes {percent(1 - accuracy.specificity, 1)} of NMF for AMF, "
        f"as on {accuracy.n_amf:,} AMF and {accuracy.n_nmf:,} NMF that it had not seen (Rogan and Gladen; 95 % "
        "interval of Lang and Reiczigel). It assumes that the model is as good on your figures. Another scanner, "
        "stain, tissue, or mix of easy and hard figures breaks that, and the interval does not know of it."
    )


_OTHER_VIEWS = (
    "The model's accuracy was measured with one view of each figure, and here {views} views were averaged: the "
    "correction is approximate."
)
_CLAMPED = (
    "Clamped: the formula gave less than 0 % or more than 100 %. With few figures that is chance; with many, the "
    "model is not as good, or not as bad, on these figures as assumed."
)


def _number(value: Any) -> float | None:
    number = float(value) if value is not None and pd.notna(value) else np.nan
    return number if np.isfinite(number) else None
