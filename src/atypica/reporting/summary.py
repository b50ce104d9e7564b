"""What a report says before anything else: the key numbers, and what to beware of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from atypica.core.vocabulary import Label, Subtype
from atypica.data.detections import LEFT_OUT_BY_CLASS
from atypica.inference.card import Card
from atypica.inference.counting import counted
from atypica.inference.predictions import flags
from atypica.inference.trained_on import flattery
from atypica.reporting.case_row import CaseRow

FEW = 30
"""With fewer typed figures than this in all, the report warns."""
STRANGE_FACTOR = 5
"""The report warns when unlike figures are this many times as frequent as among the training figures."""


@dataclass(frozen=True)
class Summary:
    """The key numbers of a result; `amf` to `in_training` are of the `counted` figures."""

    figures: int
    typed: int
    failed: int
    counted: int
    amf: int
    nmf: int
    referred: int
    strange: int
    in_training: int
    cases: int
    threshold: float
    total: CaseRow

    @property
    def left_out(self) -> int:
        """Typed figures that a limit leaves out of all counts."""
        return self.typed - self.counted


def summarize(predictions: pd.DataFrame, rows: Sequence[CaseRow], card: Card) -> Summary:
    """Count what was typed.

    Args:
        predictions: the predictions table.
        rows: the cases, the last of which is all together.
        card: the model's.
    """
    typed = predictions["p_amf"].notna().to_numpy(dtype=bool)
    thresholds, counts = predictions.loc[typed, "threshold"], counted(predictions)
    return Summary(
        figures=len(predictions),
        typed=int(typed.sum()),
        failed=int((~typed).sum()),
        counted=int(counts.sum()),
        amf=int(((predictions["prediction"] == Label.AMF.value) & counts).sum()),
        nmf=int(((predictions["prediction"] == Label.NMF.value) & counts).sum()),
        referred=int((flags(predictions, "abstain") & counts).sum()),
        strange=int((strange(predictions, card) & counts).sum()),
        in_training=int((flags(predictions, "in_training") & counts).sum()),
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
    found = [note for note in notes if "assum" in note.lower() or note.startswith(LEFT_OUT_BY_CLASS)]
    if summary.in_training:
        words = flattery(summary.in_training, summary.counted)
        found.insert(0, f"{words[0].upper()}{words[1:]}.")
    if summary.failed:
        found.append(f"{_count(summary.failed, 'figure')} could not be read and count nowhere; see “Failed”.")
    if 0 < summary.typed < FEW or rows[-1].few or 0 < summary.counted < FEW:
        could = "could be typed" if not summary.left_out else "count"
        found.append(f"Only {_count(summary.counted, 'figure')} {could}: the AMF rate is uncertain, mind its interval.")
    few = sum(row.few for row in rows[:-1])
    if few and summary.cases > 1:
        found.append(f"{few} of {summary.cases} cases have too few figures for a rate of their own; they are marked.")
    if card.strangeness and summary.strange >= max(3, STRANGE_FACTOR * (1 - card.strangeness.limit) * summary.counted):
        share = summary.strange / summary.counted
        found.append(
            f"{summary.strange} of {summary.counted} figures ({share:.0%}) are unlike the figures the model was "
            f"trained on, where {1 - card.strangeness.limit:.0%} would be usual: another stain, scanner, magnification "
            "or tissue? Check the micrometres per pixel, and trust the numbers less."
        )
    return found


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
