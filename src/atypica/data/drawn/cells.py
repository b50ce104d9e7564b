"""Single cells laid over the tissue: interphase nuclei, lymphocytes, red cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atypica.data.drawn.grid import Field, Grid, step

Rng = np.random.Generator


@dataclass
class Dyes:
    """Amounts of the two dyes at each pixel, painted in place; both of shape (size, size)."""

    hematoxylin: Field
    eosin: Field

    def cover(self, place: tuple[slice, slice], mask: Field, hematoxylin: Field | float, eosin: Field | float) -> None:
        """Replace the dyes at `place` where `mask` is 1, mix where it is between 0 and 1."""
        for layer, amount in ((self.hematoxylin, hematoxylin), (self.eosin, eosin)):
            layer[place] += mask * (amount - layer[place])


@dataclass(frozen=True)
class Nucleus:
    """An interphase nucleus.

    Attributes:
        center: x and y in micrometers.
        radius: of the circle of the same area, micrometers.
        ratio: long axis to short axis.
        angle: of the long axis, radians.
        chromatin: amount of hematoxylin between the clumps.
        clumps: additional amount in clumps and at the membrane.
        nucleoli: how many.
    """

    center: tuple[float, float]
    radius: float
    ratio: float = 1.2
    angle: float = 0.0
    chromatin: float = 0.45
    clumps: float = 0.6
    nucleoli: int = 1


@dataclass(frozen=True)
class Texture:
    """Two noises that all nuclei of a picture share, each of shape (size, size)."""

    coarse: Field
    fine: Field

    @classmethod
    def random(cls, grid: Grid, rng: Rng) -> Texture:
        """New noises of 1.4 and 0.6 micrometers."""
        return cls(grid.noise(rng, 1.4), grid.noise(rng, 0.6))


def paint_nucleus(dyes: Dyes, grid: Grid, nucleus: Nucleus, texture: Texture, rng: Rng) -> None:
    """Paint a nucleus with a membrane, clumped chromatin and nucleoli."""
    place = grid.window(nucleus.center, nucleus.radius * nucleus.ratio**0.5 * 1.3 + 0.6)
    if place is None:
        return
    inward = _inward(grid, place, nucleus, rng)
    coarse, fine = texture.coarse[place], texture.fine[place]
    clumps = step(np.float32(0.65) - 0.65 * coarse - 0.3 * fine, 0.25)
    membrane = np.exp(-np.square((inward - np.float32(0.25)) / (0.34 + 0.12 * np.tanh(coarse))))
    amount = nucleus.chromatin * (1 + 0.2 * coarse + 0.1 * fine) + nucleus.clumps * (clumps + membrane)
    eosin = 0.2 + 0.08 * coarse + 0.05 * fine
    for _ in range(nucleus.nucleoli):
        spot = _nucleolus(grid, place, nucleus, rng)
        amount, eosin = amount + 0.9 * spot, eosin + 0.45 * spot
    dyes.cover(place, step(-inward), amount.astype(np.float32), eosin.astype(np.float32))


def _inward(grid: Grid, place: tuple[slice, slice], nucleus: Nucleus, rng: Rng) -> Field:
    """Distance inside the nuclear membrane, micrometers, about; negative outside."""
    x, y = grid.x[:, place[1]] - np.float32(nucleus.center[0]), grid.y[place[0]] - np.float32(nucleus.center[1])
    c, s = np.float32(np.cos(nucleus.angle)), np.float32(np.sin(nucleus.angle))
    stretch = np.float32(nucleus.ratio**0.5)
    a, b = (x * c + y * s) / stretch, (y * c - x * s) * stretch
    r2 = a * a + b * b
    bumps = rng.normal(0, 0.045, 4).astype(np.float32)
    square, product = (a * a - b * b) / (r2 + 1), 2 * a * b / (r2 + 1)
    odd = (a * square - b * product) / (np.sqrt(r2) + 1)
    outline = 1 + bumps[0] * square + bumps[1] * product + bumps[2] * odd + bumps[3] * a / (np.sqrt(r2) + 1)
    return np.float32(nucleus.radius) * outline - np.sqrt(r2)


def _nucleolus(grid: Grid, place: tuple[slice, slice], nucleus: Nucleus, rng: Rng) -> Field:
    x0, y0 = np.array(nucleus.center) + rng.uniform(-0.4, 0.4, 2) * nucleus.radius
    x, y = grid.x[:, place[1]] - np.float32(x0), grid.y[place[0]] - np.float32(y0)
    return step(np.sqrt(x * x + y * y) - np.float32(rng.uniform(0.45, 0.95)))


def paint_lymphocyte(dyes: Dyes, grid: Grid, center: tuple[float, float], texture: Texture, rng: Rng) -> None:
    """Paint a small dark round nucleus with coarse chromatin and hardly any cytoplasm."""
    radius = rng.uniform(2.3, 3.0)
    nucleus = Nucleus(center, radius, rng.uniform(1.0, 1.2), rng.uniform(0, np.pi), rng.uniform(1.0, 1.5), 0.7, 0)
    paint_nucleus(dyes, grid, nucleus, texture, rng)


def paint_red_cell(dyes: Dyes, grid: Grid, center: tuple[float, float], rng: Rng) -> None:
    """Paint an erythrocyte: a smooth disc full of eosin, paler in the middle."""
    radius = rng.uniform(2.5, 3.3)
    place = grid.window(center, radius + 1)
    if place is None:
        return
    x, y = grid.x[:, place[1]] - np.float32(center[0]), (grid.y[place[0]] - np.float32(center[1])) * np.float32(1.1)
    r = np.sqrt(x * x + y * y)
    eosin = np.float32(rng.uniform(1.3, 1.9)) * (1 - 0.25 * np.exp(-np.square(r / np.float32(0.45 * radius))))
    dyes.cover(place, step(r - np.float32(radius)), 0.05, eosin)
