"""What every slide can do, whatever its format."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from atypica.core.errors import FigureError
from atypica.data.pixels import WHITE
from atypica.data.stack import SANE_MPP

MAX_READ = 64_000_000
"""Pixels that one call of `read` gives at most."""
BLOCK_PX = 2048
"""Side of the pieces in which a thumbnail is read."""
UNEQUAL = 0.05
"""Where the resolutions along x and y differ by more than this share, the file says none."""


class Slide(ABC):
    """An open slide or region. `read` may be called from several threads at once. Use as a context manager.

    Positions are pixels of level 0, the finest, with (0, 0) at the upper left corner of the upper left pixel. What lies
    beyond the border is white.

    Args:
        name: the file's name, for messages.
        sizes: (width, height) of every level, the finest first.
        mpp: micrometers per pixel of level 0, if the file says it.
    """

    def __init__(self, name: str, sizes: Sequence[tuple[int, int]], mpp: float | None) -> None:
        if not sizes or min(min(size) for size in sizes) < 1:
            raise FigureError(f"{name} has no pixels", "replace the file")
        self.name = name
        self.sizes = tuple(sizes)
        self.mpp = mpp
        self.downsamples = tuple(_downsample(sizes[0], size) for size in sizes)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height at level 0."""
        return self.sizes[0]

    def read(self, x: int, y: int, width: int, height: int, level: int = 0) -> NDArray[np.uint8]:
        """Pixels of one level.

        Args:
            x, y: upper left corner in pixels of level 0; may lie beyond the border.
            width, height: in pixels of the level.
            level: an index of `downsamples`.

        Returns:
            (height, width, 3) RGB, white beyond the border; `covers` tells whether there is any such pixel.

        Raises:
            FigureError: the pixels cannot be decoded, or are more than `MAX_READ`.
        """
        left, top = (round(value / self.downsamples[level]) for value in (x, y))
        return self.read_level(left, top, width, height, level)

    def read_level(self, left: int, top: int, width: int, height: int, level: int) -> NDArray[np.uint8]:
        """`read` with the corner in pixels of the level."""
        if width < 1 or height < 1 or width * height > MAX_READ:
            raise FigureError(f"{width}x{height} px of {self.name} are not possible", f"ask for 1 to {MAX_READ:,}")
        across, down = (
            slice(max(0, -start), max(0, min(length, end - start)))
            for start, length, end in zip((left, top), (width, height), self.sizes[level], strict=True)
        )
        if across == slice(0, width) and down == slice(0, height):
            return self._inside(left, top, width, height, level)
        pixels = np.full((height, width, 3), WHITE, dtype=np.uint8)
        if across.start < across.stop and down.start < down.stop:
            wide, high = across.stop - across.start, down.stop - down.start
            pixels[down, across] = self._inside(left + across.start, top + down.start, wide, high, level)
        return pixels

    def covers(self, x: int, y: int, width: int, height: int, level: int = 0) -> bool:
        """Whether all that `read` would give for these arguments lies on the slide."""
        scale = self.downsamples[level]
        starts = round(x / scale), round(y / scale)
        ends = starts[0] + width, starts[1] + height
        return min(starts) >= 0 and all(end <= size for end, size in zip(ends, self.sizes[level], strict=True))

    def thumbnail(self, max_px: int) -> NDArray[np.uint8]:
        """The whole slide with a longer side of at most `max_px`, (height, width, 3) RGB, in bounded memory.

        Each pixel is the mean of the pixels below it, of the coarsest level that is large enough.
        """
        factor = max(1.0, max(self.size) / max_px)
        width, height = (max(1, round(length / factor)) for length in self.size)
        level = max(i for i, scale in enumerate(self.downsamples) if scale <= factor)
        result = np.empty((height, width, 3), dtype=np.uint8)
        step = max(1, int(BLOCK_PX / (factor / self.downsamples[level])))
        for rows in _spans(height, step):
            for columns in _spans(width, step):
                result[rows, columns] = self._shrunk(rows, columns, (width, height), level)
        return result

    def _shrunk(self, rows: slice, columns: slice, size: tuple[int, int], level: int) -> NDArray[np.uint8]:
        whole = self.sizes[level]
        box = [
            edge * length / small
            for edge, length, small in zip(
                (columns.start, rows.start, columns.stop, rows.stop), (*whole, *whole), (*size, *size), strict=True
            )
        ]
        left, top = math.floor(box[0]), math.floor(box[1])
        right, bottom = min(whole[0], math.ceil(box[2])), min(whole[1], math.ceil(box[3]))
        pixels = self._inside(left, top, right - left, bottom - top, level)
        part = (box[0] - left, box[1] - top, min(box[2], right) - left, min(box[3], bottom) - top)
        target = (columns.stop - columns.start, rows.stop - rows.start)
        return np.asarray(Image.fromarray(pixels).resize(target, Image.Resampling.BOX, box=part))

    @abstractmethod
    def _inside(self, left: int, top: int, width: int, height: int, level: int) -> NDArray[np.uint8]:
        """RGB pixels, positions in pixels of the level, all of them on it."""

    @abstractmethod
    def close(self) -> None:
        """Close the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _spans(length: int, step: int) -> Iterator[slice]:
    for start in range(0, length, step):
        yield slice(start, min(start + step, length))


def _downsample(full: tuple[int, int], size: tuple[int, int]) -> float:
    """A whole number where sizes were rounded to whole pixels: 1001 px at 1 / 4 are 250, and the scale is 4."""
    factors = [large / small for large, small in zip(full, size, strict=True)]
    whole = round(sum(factors) / 2)
    if whole and all(abs(large / whole - small) <= 1 for large, small in zip(full, size, strict=True)):
        return float(whole)
    return sum(factors) / 2


def one_mpp(x: float | None, y: float | None) -> float | None:
    """One resolution of those along x and y; None where one is unknown, not a microscope's, or they are unequal."""
    if x is None or y is None or not all(SANE_MPP[0] <= value <= SANE_MPP[1] for value in (x, y)):
        return None
    return None if abs(x - y) > UNEQUAL * max(x, y) else (x + y) / 2
