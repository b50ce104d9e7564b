"""Figures that must not count in an evaluation: those that trained the model, and second copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from atypica.core.errors import SourceError
from atypica.data.figures import Figures
from atypica.data.leaks import Pixels
from atypica.inference.predictions import flags
from atypica.inference.trained_on import flattery

MOST_NAMED = 3


@dataclass(frozen=True)
class LeftOut:
    """Which figures stay, shape (figures,), what was counted, and what the person must know."""

    kept: NDArray[np.bool_]
    counts: dict[str, int]
    notes: tuple[str, ...] = ()


def training_figures(rows: pd.DataFrame, keep: bool) -> LeftOut:
    """Leave out the figures that the predictions' column `in_training` marks, or keep and mark them.

    Args:
        rows: the predictions that could be scored.
        keep: whether they count all the same.

    Raises:
        SourceError: none would be left.
    """
    marked = flags(rows, "in_training")
    number = int(marked.sum())
    if keep or not number:
        words = flattery(number, len(rows))
        notes = (f"{words} (--keep-training-figures)",) if words else _unknown(rows)
        return LeftOut(
            np.ones(len(rows), dtype=bool), {"training_figures": number, "training_figures_left_out": 0}, notes
        )
    if number == len(rows):
        raise SourceError(
            f"the model was trained on all {number:,} figures that have a label and a prediction",
            "evaluate it on others, or keep them with --keep-training-figures",
        )
    note = f"{number:,} figures that the model was trained on are left out (--keep-training-figures keeps them)"
    return LeftOut(~marked, {"training_figures": number, "training_figures_left_out": number}, (note,))


def _unknown(rows: pd.DataFrame) -> tuple[str, ...]:
    if "in_training" not in rows or rows["in_training"].notna().any():
        return ()
    return ("the model does not say which figures it was trained on: make sure that these are not among them",)


def copies(labels: Figures, rows: NDArray[np.int64], truth: NDArray[np.float64]) -> LeftOut:
    """Count figures with the same pixels once: the first of them stays.

    Args:
        labels: the table whose images are read.
        rows: which of its rows could be scored.
        truth: 1 AMF, 0 NMF for each of `rows`.
    """
    chosen = Figures(labels.table.iloc[rows].reset_index(drop=True), labels.root, labels.name)
    found = Pixels.of(chosen)
    groups = found.groups
    kept = np.ones(len(rows), dtype=bool)
    kept[[row for group in groups for row in group[1:]]] = False
    gone = int((~kept).sum())
    notes = [found.unchecked] if found.unchecked else []
    if gone:
        noun = "figure repeats" if gone == 1 else "figures repeat"
        notes.append(f"{gone:,} {noun} the pixels of another: counted once (--keep-duplicates counts all)")
    notes += _contradictions(chosen, groups, truth)
    return LeftOut(kept, {"duplicates_left_out": gone}, tuple(notes))


def _contradictions(figures: Figures, groups: Sequence[tuple[int, ...]], truth: NDArray[np.float64]) -> list[str]:
    torn = [group for group in groups if len(set(truth[list(group)].tolist())) > 1]
    if not torn:
        return []
    ids = figures.table["figure_id"]
    named = "; ".join(
        ", ".join(f"{ids[row]} {'AMF' if truth[row] else 'NMF'}" for row in group) for group in torn[:MOST_NAMED]
    )
    more = f"; and {len(torn) - MOST_NAMED} more" if len(torn) > MOST_NAMED else ""
    noun = "figure has" if len(torn) == 1 else "figures have"
    return [f"{len(torn)} {noun} contradicting labels, of which the first counts: {named}{more}"]
