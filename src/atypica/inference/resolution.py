"""The micrometers per pixel of every figure, and where each number came from."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from atypica.core.errors import FigureError, SettingsError
from atypica.data.figures import Figures

ASSUMED_MPP = 0.25
"""A usual scanner at 40x; taken where nothing says otherwise, and then said."""
POSSIBLE_MPP = (0.01, 10.0)
OTHER = 0.01
"""A given resolution that differs from the slide's own by more than this share is another one."""


class Origin(StrEnum):
    """Where a figure's resolution came from, in the order of precedence."""

    SLIDE = "slide"
    COLUMN = "column"
    GIVEN = "given"
    TAG = "tag"
    ASSUMED = "assumed"


class Resolution:
    """Knows each figure's micrometers per pixel.

    Args:
        figures: their own column `mpp` comes first.
        given: what the person said for figures without one; None for nothing.

    Raises:
        SettingsError: `given` is not a possible resolution.
    """

    def __init__(self, figures: Figures, given: float | None) -> None:
        if given is not None and not _possible(given):
            raise SettingsError(f"{given:g} micrometers per pixel are not possible", "give --mpp such as 0.25")
        self._given = given
        self._column = _column(figures)
        self._overruled: dict[str, tuple[float, float]] = {}

    def of(self, row: int, tag: float | None) -> tuple[float, Origin]:
        """The resolution of one figure, and its origin.

        Args:
            row: the figure's position.
            tag: what its file's resolution tag says, if it does.

        Raises:
            FigureError: its own entry is not a possible resolution.
        """
        return self._settled(float(self._column[row]), tag)

    def _settled(self, own: float, tag: float | None) -> tuple[float, Origin]:
        if np.isfinite(own) and own != self._given:
            if not _possible(own):
                raise FigureError(f"the entry {own:g} in column 'mpp' is not possible", "mend or blank it")
            return own, Origin.COLUMN
        if self._given is not None:
            return self._given, Origin.GIVEN
        return (tag, Origin.TAG) if tag is not None else (ASSUMED_MPP, Origin.ASSUMED)

    def of_slide(self, row: int, name: str, file: float | None) -> tuple[float, Origin]:
        """The resolution at level 0 of the slide that a figure lies on, and its origin; never assumed.

        Args:
            row: the figure's position.
            name: of the slide, for messages.
            file: what the slide's file says, which comes first.

        Raises:
            FigureError: nobody says it, or the figure's own entry is not a possible resolution.
        """
        return self._of_slide(float(self._column[row]), name, file)

    def of_bare_slide(self, own: float | None, name: str, file: float | None) -> tuple[float, Origin]:
        """`of_slide` of a slide without figures; `own` is what the table of slides says of it."""
        return self._of_slide(np.nan if own is None else own, name, file)

    def _of_slide(self, own: float, name: str, file: float | None) -> tuple[float, Origin]:
        said, origin = self._settled(own, None)
        if file is None and origin is Origin.ASSUMED:
            raise FigureError(f"{name} does not say its micrometers per pixel", "give --mpp, or a column 'mpp'")
        if file is None:
            return said, origin
        if origin is not Origin.ASSUMED and abs(said / file - 1) > OTHER:
            self._overruled[name] = (file, said)
        return file, Origin.SLIDE

    @property
    def overruled(self) -> dict[str, tuple[float, float]]:
        """By slide: its own resolution, which was taken, and the other one that was given."""
        return dict(self._overruled)


def _possible(mpp: float) -> bool:
    return POSSIBLE_MPP[0] <= mpp <= POSSIBLE_MPP[1]


def _column(figures: Figures) -> NDArray[np.float64]:
    if "mpp" not in figures.table:
        return np.full(len(figures), np.nan)
    return figures.table["mpp"].to_numpy(dtype=np.float64)
