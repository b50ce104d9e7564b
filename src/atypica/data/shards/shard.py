"""One file that holds very many figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import pandas as pd

from atypica.core.errors import FigureError, SourceError
from atypica.data.figures import DETECTION, KEYS, Figures, figures_from, tidy_text

COLUMNS = (*KEYS, *DETECTION, "mpp")
"""What is read of a shard's columns: all that typing a figure needs, and that predictions repeat."""
MOST_BYTES = 2**26
"""The bytes of one figure's image file; more is no crop."""


class Span(NamedTuple):
    """A range of a shard's rows.

    Attributes:
        start, stop: as of a slice.
        offset: where in the file the first row begins, for kinds that are read from there.
    """

    start: int
    stop: int
    offset: int = 0


class Rows(NamedTuple):
    """Some rows of a shard.

    Attributes:
        figures: their figure table.
        images: the bytes of each figure's image file, or why there are none; None where `figures` names files.
    """

    figures: Figures
    images: Sequence[bytes | FigureError] | None


class Shard(Protocol):
    """A file of figures that is never read as a whole. Travels by pickle; opens the file when it is asked.

    `path` is the file, `name` what to call it: its path within the source.
    """

    @property
    def path(self) -> Path: ...

    @property
    def name(self) -> str: ...

    def spans(self, size: int) -> Iterator[Span]:
        """All rows in ranges of `size`, the last one shorter.

        Raises:
            SourceError: the file cannot be read, or not from some place on.
        """
        ...

    def read(self, span: Span, step: int) -> Iterator[Rows]:
        """The rows of a range, at most `step` at a time where they hold pixels.

        Raises:
            SourceError: the file cannot be read, or has text where a number belongs.
        """
        ...


@dataclass(frozen=True)
class ShardFile:
    """What every kind of shard is made of; see `Shard`."""

    path: Path
    name: str

    def unreadable(self, error: Exception) -> SourceError:
        """A library's error as one that names the shard."""
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        first = next(iter(reason.splitlines()), "") or type(error).__name__
        return SourceError(f"{self.name} cannot be read: {first}", "bring the file again")

    def figures(self, table: pd.DataFrame, places: Sequence[str]) -> Figures:
        """Rows as figures, each with an id that no other figure of the source has.

        Args:
            table: those of `COLUMNS` that there are.
            places: where each row stands; the id of figures that have none, and their `image` where that is blank.

        Raises:
            SourceError: text where a number belongs.
        """
        given = {column: tidy_text(table[column]) for column in ("figure_id", "image") if column in table}
        named = pd.Series(places, index=table.index, dtype=object)
        filled = {column: values.where(values.notna(), named) for column, values in given.items()}
        image = filled.get("image", named)
        # Ids that stand twice are found when all shards are done; here they must not end the others.
        figures = figures_from(table.assign(figure_id=range(len(table)), image=image), self.path.parent, self.name)
        figures.table["figure_id"] = filled.get("figure_id", named).to_numpy()
        return figures


def even_spans(count: int, size: int) -> Iterator[Span]:
    """`count` rows in ranges of `size`."""
    return (Span(start, min(start + size, count)) for start in range(0, count, size))
