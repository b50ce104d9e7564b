"""The chromosomes of a dividing cell: rods of chromatin in plates and clumps, whose absorbance adds up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atypica.data.drawn.grid import Field, Grid, Points

Array = NDArray[np.float64]
Rng = np.random.Generator

ROD_SIGMA = 0.27
"""Half width of a chromosome arm, micrometers (Gaussian sigma)."""
_ARM_POINTS = 6
_SATURATION = 1.5
"""Chromatin length per area (um per um2) at which absorbance reaches 63 % of its greatest."""


@dataclass(frozen=True)
class Chromosomes:
    """Chromatin as weighted points, in a frame whose x axis is the spindle's equator and y axis its length.

    Attributes:
        points: x, y in micrometers, shape (points, 2).
        weights: micrometers of chromatin that each point stands for, shape (points,).
        spindle: how much longer than wide the cell is, as a ratio of its half axes.
        furrow: depth of the cleavage furrow, 0 (none) to 1 (two cells).
        reach: radius of the cell that holds them, micrometers.
    """

    points: Points
    weights: Array
    spindle: float = 1.0
    furrow: float = 0.0
    reach: float = 7.5

    def turned(self, angle: float, shift: Array) -> Points:
        """The points turned by `angle` (radians), then moved by `shift` (2,) micrometers."""
        c, s = np.cos(angle), np.sin(angle)
        return self.points @ np.array([[c, s], [-s, c]]) + shift


def absorb(chromosomes: Chromosomes, grid: Grid, angle: float = 0.0, shift: Array | None = None) -> Field:
    """How dark the chromatin is at each pixel, 0 (none) to 1 (as dark as chromatin gets), shape (size, size)."""
    points = chromosomes.turned(angle, np.zeros(2) if shift is None else shift)
    density = grid.splat(points, chromosomes.weights, ROD_SIGMA)
    return np.float32(1) - np.exp(-density / np.float32(_SATURATION))


def rods(rng: Rng, centers: Array, angles: Array, *, length: float = 1.5, opening: float = 0.5) -> Chromosomes:
    """Chromosomes at `centers`, each of two arms about its angle, `length` micrometers an arm, slightly bent."""
    count = len(centers)
    arms = angles[:, None] + opening * rng.normal(1.0, 0.5, (count, 2)) * np.array([1.0, -1.0])
    lengths = length * np.exp(rng.normal(0, 0.35, (count, 2)))
    along = np.linspace(0.08, 1, _ARM_POINTS)
    heading = arms[..., None] + rng.normal(0, 0.5, (count, 2, 1)) * along
    steps = (lengths[..., None] * along)[..., None] * np.stack([np.cos(heading), np.sin(heading)], axis=-1)
    points = centers[:, None, None, :] + steps
    weights = np.repeat(lengths.ravel() / _ARM_POINTS, _ARM_POINTS)
    return Chromosomes(points.reshape(-1, 2), weights)


def joined(parts: list[Chromosomes], *, spindle: float = 1.0, furrow: float = 0.0, reach: float = 7.5) -> Chromosomes:
    """All of `parts` as one, in a cell of the given shape."""
    points = np.concatenate([part.points for part in parts])
    weights = np.concatenate([part.weights for part in parts])
    return Chromosomes(points, weights, spindle, furrow, reach)


def moved(part: Chromosomes, angle: float, x: float, y: float) -> Chromosomes:
    """`part` turned by `angle` (radians), then moved to x, y (micrometers)."""
    return Chromosomes(part.turned(angle, np.array([x, y])), part.weights)


def chromosome_count(rng: Rng) -> int:
    """How many chromosomes a tumor cell has."""
    return int(rng.integers(46, 80))


def plate(
    rng: Rng, count: int, length: float, thickness: float, *, bend: float = 0.0, arm: float = 0.95
) -> Chromosomes:
    """A plate seen from the side, along x; arms stand off on both sides; `bend` curves it (um of sagitta)."""
    x = rng.uniform(-0.5, 0.5, count) * (length - 1.2)
    wave = 0.25 * np.sin(x * rng.uniform(0.8, 1.8) + rng.uniform(0, 6.3))
    taper = np.sqrt(1 - 2.4 * (x / length) ** 2)
    y = rng.normal(0, thickness / 4.2, count) * taper + wave + bend * (1 - 8 * (x / length) ** 2) / 2
    angles = np.pi / 2 * rng.choice([-1.0, 1.0], count) + rng.normal(0, 0.45, count)
    return rods(rng, np.stack([x, y], axis=1), angles, length=arm * taper.mean(), opening=0.55)


def clump(rng: Rng, count: int, radius: float, *, lobes: float = 0.18, arm: float = 1.0) -> Chromosomes:
    """An irregular heap of chromosomes, its outline lobed, arms in all directions."""
    theta = rng.uniform(0, 2 * np.pi, count)
    outline = 1.0 + sum(lobes * rng.normal() / k**0.5 * np.cos(k * theta + rng.uniform(0, 6.3)) for k in (2, 3, 4, 5))
    r = radius * np.sqrt(rng.uniform(0, 1, count)) * np.clip(outline, 0.6, 1.5)
    centers = np.stack([r * np.cos(theta), r * np.sin(theta)], axis=1)
    return rods(rng, centers, rng.uniform(0, 2 * np.pi, count), length=arm, opening=0.8)
