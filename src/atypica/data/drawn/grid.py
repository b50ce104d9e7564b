"""The pixel grid of one picture in micrometers, and what is cast on it: noise and points."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates

Field = NDArray[np.floating[Any]]
"""Shape (size, size): one number a pixel."""

Points = NDArray[np.float64]
"""Shape (points, 2): x and y in micrometers, (0, 0) is the middle of the picture, y points down."""

_BICUBIC_SD = 0.72
"""Standard deviation that bicubic interpolation leaves of unit noise."""
_SMOOTH_SD = 0.28
"""Standard deviation that a Gaussian of one lattice step leaves of unit noise."""
_SQUARE_UM = 2.0
"""Noise coarser than this would show the squares of its lattice, so the lattice is made finer and smoothed."""


@dataclass(frozen=True)
class Grid:
    """A square picture of `size` pixels, `mpp` micrometers each."""

    size: int
    mpp: float

    @property
    def extent(self) -> float:
        """The side in micrometers."""
        return self.size * self.mpp

    @property
    def axis(self) -> Field:
        """The pixel centers along one side in micrometers, shape (size,)."""
        return _axis(self.size, self.mpp)

    @property
    def x(self) -> Field:
        """Micrometers to the right of the middle, shape (1, size)."""
        return self.axis[None, :]

    @property
    def y(self) -> Field:
        """Micrometers below the middle, shape (size, 1)."""
        return self.axis[:, None]

    def noise(self, rng: np.random.Generator, scale: float) -> Field:
        """Smooth noise of mean 0 and about unit variance whose blobs are about `scale` micrometers wide."""
        smooth = scale > _SQUARE_UM
        cells = max(self.extent / scale * (2 if smooth else 1), 1.0)
        count = ceil(cells) + 5
        lattice = rng.standard_normal((count, count), dtype=np.float32)
        if smooth:
            lattice = gaussian_filter(lattice, 1.0, truncate=3.0) / np.float32(_SMOOTH_SD)
        left, top = rng.uniform(2.0, 3.0, 2)
        box = (left, top, left + cells, top + cells)
        picture = Image.fromarray(lattice).resize((self.size, self.size), Image.Resampling.BICUBIC, box=box)
        return np.asarray(picture) / np.float32(1 if smooth else _BICUBIC_SD)

    def streaks(self, rng: np.random.Generator, angle: float, length: float, width: float) -> Field:
        """Noise drawn out along `angle` (radians): streaks `length` by `width` micrometers, gently wavy."""
        along, across = self.turned(angle)
        across = across + 0.8 * self.noise(rng, 7.0)
        reach = 0.75 * self.extent
        lattice = rng.standard_normal((ceil(2 * reach / width) + 4, ceil(2 * reach / length) + 4), dtype=np.float32)
        places = np.stack([(across + reach) / width + 1, (along + reach) / length + 1])
        return map_coordinates(lattice, places, order=1, mode="reflect", output=np.float32) / np.float32(0.67)

    def turned(self, angle: float, center: tuple[float, float] = (0.0, 0.0)) -> tuple[Field, Field]:
        """Coordinates along and across the direction `angle`, from `center`, each of shape (size, size)."""
        x, y = self.x - np.float32(center[0]), self.y - np.float32(center[1])
        c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        return x * c + y * s, y * c - x * s

    def window(self, center: tuple[float, float], radius: float) -> tuple[slice, slice] | None:
        """The rows and columns within `radius` of `center`; None where that lies outside the picture."""
        first = [int((c - radius) / self.mpp + self.size / 2) for c in center]
        last = [int((c + radius) / self.mpp + self.size / 2) + 2 for c in center]
        columns, rows = (slice(max(a, 0), min(b, self.size)) for a, b in zip(first, last, strict=True))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return None
        return rows, columns

    def splat(self, points: Points, weights: NDArray[np.float64], sigma: float) -> Field:
        """Cast weighted points, each spread as a Gaussian of `sigma` micrometers.

        Returns:
            Weight per square micrometer, shape (size, size).
        """
        place = points / self.mpp + (self.size - 1) / 2
        base = np.floor(place).astype(np.int64)
        part = place - base
        total = np.zeros(self.size * self.size)
        for dx in (0, 1):
            for dy in (0, 1):
                column, row = base[:, 0] + dx, base[:, 1] + dy
                share = np.abs(1 - dx - part[:, 0]) * np.abs(1 - dy - part[:, 1])
                inside = (column >= 0) & (column < self.size) & (row >= 0) & (row < self.size)
                index = (row * self.size + column)[inside]
                total += np.bincount(index, (weights * share)[inside], minlength=total.size)
        flat = total.reshape(self.size, self.size).astype(np.float32) / np.float32(self.mpp**2)
        return gaussian_filter(flat, sigma / self.mpp, mode="constant", truncate=3.0)


@lru_cache(maxsize=16)
def _axis(size: int, mpp: float) -> Field:
    axis = ((np.arange(size) - (size - 1) / 2) * mpp).astype(np.float32)
    axis.flags.writeable = False
    return axis


def step(distance: Field, softness: float = 0.15) -> Field:
    """1 where `distance` (micrometers) is well below 0, 0 well above, a soft edge between."""
    return np.float32(0.5) - np.float32(0.5) * np.tanh(distance / np.float32(2 * softness))
