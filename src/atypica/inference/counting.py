"""Which typed figures count: a detector's doubtful finds, and figures unlike the training figures, can be left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from atypica.core.errors import SettingsError
from atypica.data.figures import Figures
from atypica.inference.card import Card
from atypica.inference.predictions import flags

SCORE, OOD = "detection_score", "ood"
CARD = "card"
"""In place of a number: the limit that the model's card gives."""


@dataclass(frozen=True)
class Limits:
    """What a typed figure must keep within to count; None is no limit.

    Attributes:
        min_detection_score: the least score of the detector. A figure without a score counts: nobody doubted it.
        max_ood: the greatest `ood`.
    """

    min_detection_score: float | None = None
    max_ood: float | None = None

    def __bool__(self) -> bool:
        return self.min_detection_score is not None or self.max_ood is not None

    @classmethod
    def of(
        cls, figures: Figures | None, card: Card, min_detection_score: float | None, max_ood: float | str | None
    ) -> Limits:
        """Limits as given, checked against what the figures and the model say.

        Args:
            figures: those to be typed; None where they are too many to be looked at first.
            card: the model's.
            min_detection_score: any finite number.
            max_ood: 0 to 1, or `card` for the limit of the card.

        Raises:
            SettingsError: not such a number; figures without any score, or a model without `ood`.
        """
        if min_detection_score is not None:
            _check_score(min_detection_score, figures)
        return cls(min_detection_score, None if max_ood is None else _ood_limit(max_ood, card))


def _check_score(least: float, figures: Figures | None) -> None:
    if not np.isfinite(least):
        raise SettingsError(f"{least} is no least detection score", "give a number")
    if figures is not None and (SCORE not in figures.table or figures.table[SCORE].isna().all()):
        raise SettingsError(
            f"{figures.name} has no detection scores to leave figures out by",
            f"fill the column '{SCORE}', or leave out --min-detection-score",
        )


def _ood_limit(wanted: float | str, card: Card) -> float:
    if card.strangeness is None:
        raise SettingsError(f"the model {card.name} does not say how unlike a figure is", "leave out --max-ood")
    if wanted == CARD:
        return card.strangeness.limit
    try:
        limit = float(wanted)
    except ValueError:
        limit = -1.0
    if not 0 <= limit <= 1:
        raise SettingsError(f"'{wanted}' is no limit of ood", f"give a number from 0 to 1, or '{CARD}'")
    return limit


def leave_out(predictions: pd.DataFrame, limits: Limits) -> pd.DataFrame:
    """The predictions with `counted` and `left_out` filled: no row goes, one beyond a limit only counts nowhere.

    Args:
        predictions: as `tabulate` makes them; `detection_score` is needed where a limit is set on it.
        limits: a blank number is never beyond a limit.
    """
    reasons: list[str | None] = [None] * len(predictions)
    typed = predictions["p_amf"].notna().to_numpy(dtype=bool)
    for column, cut, word in ((SCORE, limits.min_detection_score, "below"), (OOD, limits.max_ood, "above")):
        if cut is None:
            continue
        values = predictions[column].to_numpy(dtype=np.float64)
        for row in np.flatnonzero(typed & (values < cut if word == "below" else values > cut)):
            reason = f"{column} {values[row]:g} {word} {cut:g}"
            reasons[row] = f"{earlier}; {reason}" if (earlier := reasons[row]) else reason
    left_out = pd.Series(reasons, index=predictions.index, dtype=object)
    return predictions.assign(counted=typed & left_out.isna().to_numpy(dtype=bool), left_out=left_out)


def counted(predictions: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows of a predictions table enter counts and rates: typed, and not left out; shape (rows,)."""
    typed = predictions["p_amf"].notna().to_numpy(dtype=bool)
    return typed & flags(predictions, "counted") if "counted" in predictions else typed


@dataclass(frozen=True)
class LeftOut:
    """How many typed figures each limit leaves out, and how many it could not judge; those of parts add up."""

    below: int = 0
    """Their detection score is too low."""
    unscored: int = 0
    """They have no detection score, and count."""
    above: int = 0
    """Their ood is too high."""

    @classmethod
    def of(cls, predictions: pd.DataFrame, limits: Limits) -> LeftOut:
        """Of a predictions table."""
        typed = predictions[predictions["p_amf"].notna()]
        least, most = limits.min_detection_score, limits.max_ood
        return cls(
            below=0 if least is None else int((typed[SCORE] < least).sum()),
            unscored=0 if least is None else int(typed[SCORE].isna().sum()),
            above=0 if most is None else int((typed[OOD] > most).sum()),
        )

    def __add__(self, other: LeftOut) -> LeftOut:
        return LeftOut(self.below + other.below, self.unscored + other.unscored, self.above + other.above)

    def notes(self, limits: Limits) -> tuple[str, ...]:
        """The counts as sentences, for the limits that are set."""
        notes: list[str] = []
        if limits.min_detection_score is not None:
            notes.append(
                f"left out: {_figures(self.below)} with a detection score below {limits.min_detection_score:g}"
            )
            notes += [f"counted: {_figures(self.unscored)} without a detection score"] if self.unscored else []
        if limits.max_ood is not None:
            notes.append(f"left out: {_figures(self.above)} with ood above {limits.max_ood:g}")
        return tuple(notes)


def _figures(number: int) -> str:
    return f"{number:,} figure" + ("" if number == 1 else "s")
