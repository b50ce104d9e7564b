"""What a detector found: a table of places, collected in bounded memory."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np
import pandas as pd

from atypica.core.errors import SourceError

Units = Literal["px", "um"]
"""Pixels of level 0, or micrometers from the upper left corner."""
Boxes = Literal["xyxy", "xywh"]
"""A box as two corners (x1, y1, x2, y2), or as a corner with width and height."""
MOST = 1_000_000
"""More detections in one file are no mitotic figures of a slide; they are refused while they are read."""
LONGEST_NAME = 200
SHOWN = 5
NUMBERS = ("x", "y", "width", "height", "detection_score")
SCORES = ("detection_score", "score", "probability", "confidence", "prob", "detection score", "detection probability")
"""Names of a detector's score, lower case, the first that is there counts."""
NAN = float("nan")


@dataclass(frozen=True)
class Detections:
    """Places where a detector saw a mitotic figure.

    Attributes:
        table: `x`, `y` (center, in `units`; NaN where the file says no number), `width`, `height` (of boxes and
            outlines, else NaN), `detection_score` (NaN unknown), `detection_class` (None unknown), and `image` (the
            file name of the slide, None where the file does not say).
        units: of x, y, width and height.
        kind: the format, for messages.
        notes: what was understood, as sentences.
    """

    table: pd.DataFrame
    units: Units
    kind: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.table)

    def on(self, slide: str) -> Detections:
        """Those on one slide: all where the file names no slides, else those whose image has its name, with or without
        suffix."""
        names = self.table["image"]
        if names.isna().all():
            return self
        same = {name for name in names.dropna().unique() if _is_same(str(name), slide)}
        return replace(self, table=self.table[names.isin(same)].reset_index(drop=True))

    @property
    def classes(self) -> Counter[str | None]:
        """How many detections have each class."""
        return Counter(self.table["detection_class"].tolist())

    @property
    def images(self) -> list[str]:
        """The names of the slides that the file tells apart."""
        return [str(name) for name in self.table["image"].dropna().unique()]


def _is_same(name: str, slide: str) -> bool:
    first, second = (PurePosixPath(text.replace("\\", "/")) for text in (name, slide))
    return first.name == second.name or first.stem == second.stem


class Collector:
    """Gathers detections one by one; a million take 60 MB.

    Args:
        name: of the file, for messages.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._numbers = {column: array("d") for column in NUMBERS}
        self._codes = {column: array("l") for column in ("detection_class", "image")}
        self._names: dict[str, dict[str | None, int]] = {column: {} for column in self._codes}

    def __len__(self) -> int:
        return len(self._numbers["x"])

    def add(
        self,
        x: float,
        y: float,
        *,
        width: float = NAN,
        height: float = NAN,
        score: float = NAN,
        label: str | None = None,
        image: str | None = None,
    ) -> None:
        """One detection.

        Raises:
            SourceError: it is one more than `MOST`.
        """
        if len(self) >= MOST:
            raise too_many(self.name)
        for column, value in zip(NUMBERS, (x, y, width, height, score), strict=True):
            self._numbers[column].append(value)
        for column, text in (("detection_class", label), ("image", image)):
            known = self._names[column]
            self._codes[column].append(known.setdefault(text and text[:LONGEST_NAME], len(known)))

    def table(self) -> pd.DataFrame:
        """What was gathered, as `Detections.table`."""
        numbers = {column: np.array(values, dtype=np.float64) for column, values in self._numbers.items()}
        texts = {
            column: pd.Series(np.array([*self._names[column], None], dtype=object)[list(codes)], dtype=object)
            for column, codes in self._codes.items()
        }
        return pd.DataFrame({**numbers, **texts})


def too_many(name: str) -> SourceError:
    """The error of a file with more than `MOST` detections."""
    return SourceError(f"{name} has more than {MOST:,} detections", "keep those that the detector is sure of")


def number(value: Any, what: str) -> float:
    """A number as it is, NaN and infinity too.

    Raises:
        SourceError: it is none, such as a text.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise SourceError(f"{what} is {value!r:.40}, not a number", "mend the file, or export it again")
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def score_in(values: Any) -> float:
    """The detector's score among named values; NaN where there is none."""
    if not isinstance(values, dict):
        return NAN
    by_name = {str(name).lower(): value for name, value in values.items()}  # pyright: ignore[reportUnknownArgumentType]
    found = next((by_name[name] for name in SCORES if name in by_name), None)
    return float(found) if isinstance(found, (int, float)) and abs(found) < 1e300 else NAN


def counts(names: Sequence[Any] | pd.Series[Any]) -> str:
    """ "mitosis 12, not mitotic figure 3", the most frequent first; "" where nothing is named."""
    found = pd.Series(list(names), dtype=object).dropna().value_counts()
    more = f" and {len(found) - SHOWN} more classes" if len(found) > SHOWN else ""
    return ", ".join(f"{name} {count:,}" for name, count in found.head(SHOWN).items()) + more
