"""What a report says before anything else: the key numbers, and what to beware of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from atypica.core.vocabulary import Label, Subtype
from atypica.inference.card import Card
from atypica.inference.predictions import flags
from atypica.inference.trained_on import flattery
from atypica.reporting.case_row import CaseRow

FEW = 30
"""With fewer typed figures than this in all, the report warns."""
STRANGE_FACTOR = 5
"""The report warns when unlike figures are this many times as frequent as among the training figures."""


@dataclass(frozen=True)
class Summary:
    """The key numbers of a result."""

    figures: int
    typed: int
    failed: int
    amf: int
    nmf: int
    referred: int
    strange: int
    in_training: int
    cases: int
    threshold: float
    total: CaseRow


def summarize(predictions: pd.DataFrame, rows: Sequence[CaseRow], card: Card) -> Summary:
    """Count what was typed.

    Args:
        predictions: the predictions table.
        rows: the cases, the last of which is all together.
        card: the model's.
    """
    typed = predictions["p_amf"].notna().to_numpy(dtype=bool)
    thresholds = predictions.loc[typed, "threshold"]
    return Summary(
        figures=len(predictions),
        typed=int(typed.sum()),
        failed=int((~typed).sum()),
        amf=int((predictions["prediction"] == Label.AMF.value).sum()),
        nmf=int((predictions["prediction"] == Label.NMF.value).sum()),
        referred=int(flags(predictions, "abstain").sum()),
        strange=int(strange(predictions, card).sum()),
        in_training=int(flags(predictions, "in_training").sum()),
        cases=max(1, len(rows) - 1),
        threshold=float(thresholds.iloc[0]) if len(thresholds) else card.thresholds.default,
        total=rows[-1],
    )


def strange(predictions: pd.DataFrame, card: Card) -> pd.Series[bool]:
    """Which figures are more unlike the training figures than the card's limit allows."""
    if "ood" not in predictions or card.strangeness is None:
        return pd.Series(False, index=predictions.index)
    return pd.to_numeric(predictions["ood"], errors="coerce") > card.strangeness.limit


def subtype_counts(predictions: pd.DataFrame) -> dict[Subtype, int]:
    """How many figures were given each subtype; empty where the model names none."""
    if "subtype" not in predictions:
        return {}
    counts = predictions["subtype"].value_counts()
    return {subtype: int(counts[subtype.value]) for subtype in Subtype if subtype.value in counts}


def warnings(summary: Summary, rows: Sequence[CaseRow], card: Card, notes: Sequence[str]) -> list[str]:
    """What a reader must know before using the numbers, as sentences."""
    found = [note for note in notes if "assum" in note.lower()]
    if summary.in_training:
        words = flattery(summary.in_training, summary.typed)
        found.insert(0, f"{words[0].upper()}{words[1:]}.")
    if summary.failed:
        found.append(f"{_count(summary.failed, 'figure')} could not be read and count nowhere; see “Failed”.")
    if 0 < summary.typed < FEW or rows[-1].few:
        found.append(
            f"Only {_count(summary.typed, 'figure')} could be typed: the AMF rate is uncertain, mind its interval."
        )
    few = sum(row.few for row in rows[:-1])
    if few and summary.cases > 1:
        found.append(f"{few} of {summary.cases} cases have too few figures for a rate of their own; they are marked.")
    if card.strangeness and summary.strange >= max(3, STRANGE_FACTOR * (1 - card.strangeness.limit) * summary.typed):
        share = summary.strange / summary.typed
        found.append(
            f"{summary.strange} of {summary.typed} figures ({share:.0%}) are unlike the figures the model was trained "
            f"on, where {1 - card.strangeness.limit:.0%} would be usual: another stain, scanner, magnification or "
            "tissue? Check the micrometres per pixel, and trust the numbers less."
        )
    return found


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
