"""What is typed and written at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from atypica.core.errors import SettingsError
from atypica.data.figures import Figures
from atypica.data.shards import Rows, Shard, Span
from atypica.inference.crop_sources import on_slides
from atypica.inference.pipeline import BATCH, CHUNK
from atypica.inference.slide_crops import figures_by_image

PART_SIZE = 8192
LOT = BATCH * CHUNK
"""Parts are a multiple of it, so that batches are those of a run in one go."""
STRETCH = 1024
"""Figures of a shard whose image files are held at a time."""


class PartRows(Protocol):
    """The figures of a part; travels by pickle to where they are typed."""

    def read(self) -> Iterator[Rows]:
        """The figures, some at a time where they hold pixels."""
        ...


@dataclass(frozen=True)
class TableRows:
    """Some rows of a figure table."""

    figures: Figures

    def read(self) -> Iterator[Rows]:
        """See `PartRows.read`."""
        yield Rows(self.figures, None)


@dataclass(frozen=True)
class ShardRows:
    """A range of a shard."""

    shard: Shard
    span: Span

    def read(self) -> Iterator[Rows]:
        """See `PartRows.read`."""
        return self.shard.read(self.span, STRETCH)


@dataclass(frozen=True)
class Part:
    """A job of a run in parts.

    Attributes:
        name: of its file, without suffix.
        identity: of its figures; a file of the same name with another one is of other figures.
        size: how many they are.
        rows: the figures.
    """

    name: str
    identity: str
    size: int
    rows: PartRows


def check_part_size(size: int) -> None:
    """Refuse a part size that would change the batches.

    Raises:
        SettingsError: not a multiple of `LOT`.
    """
    if size < 1 or size % LOT:
        raise SettingsError(f"--part-size {size} is not possible", f"give a multiple of {LOT}, such as {PART_SIZE}")


def parts_of_shard(number: int, shard: Shard, size: int) -> Iterator[Part]:
    """A shard in parts; `number` is its place among the shards.

    Raises:
        SourceError: the shard cannot be read, or not from some place on.
    """
    for at, span in enumerate(shard.spans(size)):
        known = shard.path.stat()
        identity = f"{shard.name} {known.st_size} {known.st_mtime_ns} {span.start} {span.stop}"
        yield Part(f"part-{number:05}-{at:05}", identity, span.stop - span.start, ShardRows(shard, span))


def rows_of_parts(figures: Figures, size: int) -> list[NDArray[np.int64]]:
    """The rows of a table in parts of about `size`: first the figures with files of their own, then whole slides."""
    on = on_slides(figures)
    own, there = np.flatnonzero(~on), np.flatnonzero(on)
    parts = [own[start : start + size] for start in range(0, len(own), size)]
    together: list[NDArray[np.int64]] = []
    for at in figures_by_image(figures.table["image"].iloc[there]) if len(there) else ():
        together.append(there[at])
        if sum(map(len, together)) >= size:
            parts.append(np.concatenate(together))
            together = []
    return [*parts, np.concatenate(together)] if together else parts


def part_of_table(number: int, figures: Figures, rows: NDArray[np.int64]) -> Part:
    """Some rows of a table as a part."""
    table = figures.table.iloc[rows].reset_index(drop=True)
    images = set(table["image"])
    slides = tuple(slide for slide in figures.slides if slide.image in images)
    some = replace(figures, table=table, root=figures.root.absolute(), slides=slides, notes=())
    return Part(f"part-{number:05}", _identity(some), len(rows), TableRows(some))


def _identity(figures: Figures) -> str:
    """Of the rows and the folder that their images are in, not of the images."""
    values = pd.util.hash_pandas_object(figures.table.astype(object), index=False).to_numpy()
    said = f"{figures.root} {list(figures.table.columns)}"
    return hashlib.sha256(said.encode(errors="surrogateescape") + values.tobytes()).hexdigest()
