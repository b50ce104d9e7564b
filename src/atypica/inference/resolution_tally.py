"""Which resolutions were taken for many figures, and where they came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from atypica.inference.resolution import Origin


class Range(NamedTuple):
    """How many figures, and between which micrometers per pixel."""

    figures: int
    low: float
    high: float

    def with_(self, other: Range | None) -> Range:
        """Both together."""
        if other is None:
            return self
        return Range(self.figures + other.figures, min(self.low, other.low), max(self.high, other.high))


class ResolutionTally:
    """Counts figures by where their resolution came from; those of parts can be added up.

    Args:
        ranges: of each origin.
        overruled: of `Resolution.overruled`.
    """

    def __init__(
        self, ranges: dict[Origin, Range] | None = None, overruled: dict[str, tuple[float, float]] | None = None
    ) -> None:
        self._ranges = ranges or {}
        self._overruled = overruled or {}

    @classmethod
    def of(
        cls,
        mpp: NDArray[np.float64],
        origins: Sequence[Origin | None],
        overruled: dict[str, tuple[float, float]] | None = None,
    ) -> Self:
        """Of some figures.

        Args:
            mpp: (figures,), NaN where the figure was not read.
            origins: where each came from, None where the figure was not read.
            overruled: of `Resolution.overruled`.
        """
        found = np.array([origin or "" for origin in origins], dtype=np.str_)
        values = {origin: mpp[found == origin.value] for origin in Origin}
        ranges = {
            origin: Range(len(some), float(some.min()), float(some.max()))
            for origin, some in values.items()
            if len(some)
        }
        return cls(ranges, overruled)

    def add(self, other: ResolutionTally) -> None:
        """Add the figures of another tally."""
        for origin, some in other._ranges.items():
            self._ranges[origin] = some.with_(self._ranges.get(origin))
        self._overruled |= other._overruled

    @property
    def notes(self) -> tuple[str, ...]:
        """What was taken, one sentence for each origin, an assumption being named as one; then the slides whose own
        resolution was taken although another was given."""
        taken = [_sentence(origin, self._ranges[origin]) for origin in Origin if origin in self._ranges]
        doubts = [
            f"Resolution: {name} says {file:.4g} um/px itself, so the given {said:.4g} was not taken."
            for name, (file, said) in self._overruled.items()
        ]
        return (*taken, *doubts)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "ranges": {origin.value: list(some) for origin, some in self._ranges.items()},
            "overruled": self._overruled,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """What `to_json` gave."""
        ranges = {Origin(origin): Range(*some) for origin, some in values["ranges"].items()}
        return cls(ranges, {name: (file, said) for name, (file, said) in values["overruled"].items()})


_SENTENCES = {
    Origin.SLIDE: "Resolution: {mpp} um/px from the slide's file ({figures}).",
    Origin.COLUMN: "Resolution: {mpp} um/px from the column 'mpp' ({figures}).",
    Origin.GIVEN: "Resolution: {mpp} um/px as given with --mpp ({figures}).",
    Origin.TAG: "Resolution: {mpp} um/px from the TIFF's resolution tag ({figures}).",
    Origin.ASSUMED: "Resolution: nothing says it, so {mpp} um/px was assumed ({figures}); give --mpp if that is wrong.",
}


def _sentence(origin: Origin, some: Range) -> str:
    low, high = f"{some.low:.4g}", f"{some.high:.4g}"
    figures = f"{some.figures:,} figure" + ("" if some.figures == 1 else "s")
    return _SENTENCES[origin].format(mpp=low if low == high else f"{low} to {high}", figures=figures)
