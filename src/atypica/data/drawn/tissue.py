"""The tissue around a figure: cytoplasm, cell borders, gaps, stroma, neighbors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atypica.data.drawn.cells import Dyes, Nucleus, Texture, paint_lymphocyte, paint_nucleus, paint_red_cell
from atypica.data.drawn.grid import Field, Grid, Points, step

Rng = np.random.Generator


@dataclass(frozen=True)
class Tissue:
    """What the tissue of one case looks like.

    Attributes:
        spacing: between cell centers, micrometers.
        nucleus: mean radius of interphase nuclei, micrometers.
        pleomorphism: how much nuclei differ, as standard deviation of log radius.
        vesicular: 0 (dense dark nuclei) to 1 (pale nuclei with a sharp rim).
        eosin: amount in cytoplasm.
        basophilia: amount of hematoxylin in cytoplasm.
        gaps: share of the area that is empty.
        stroma: probability that fibers cross a picture.
        inflammation: expected lymphocytes a picture.
        clumping: amount of hematoxylin in the chromatin clumps of interphase nuclei.
        bleeding: expected red cells a picture.
        clearing: 0 (dividing cells stain as their neighbors) to 1 (pale or shrunken with a halo).
    """

    spacing: float = 10.5
    nucleus: float = 4.2
    pleomorphism: float = 0.15
    vesicular: float = 0.6
    eosin: float = 0.5
    basophilia: float = 0.22
    gaps: float = 0.05
    stroma: float = 0.25
    inflammation: float = 0.3
    clumping: float = 0.5
    bleeding: float = 0.15
    clearing: float = 0.5


def random_tissue(rng: Rng) -> Tissue:
    """The tissue of a new case."""
    nucleus = rng.uniform(3.4, 5.0)
    return Tissue(
        spacing=nucleus * rng.uniform(2.35, 3.0),
        nucleus=nucleus,
        pleomorphism=rng.uniform(0.08, 0.25),
        vesicular=rng.uniform(0.0, 1.0),
        eosin=rng.uniform(0.38, 0.85),
        basophilia=rng.uniform(0.1, 0.55),
        gaps=rng.uniform(0.0, 0.18),
        stroma=rng.uniform(0.0, 0.5),
        inflammation=rng.uniform(0.0, 0.6),
        clumping=rng.uniform(0.22, 0.62),
        bleeding=rng.uniform(0.0, 0.4),
        clearing=rng.uniform(0.0, 1.0),
    )


def paint_tissue(grid: Grid, tissue: Tissue, rng: Rng, clear: float = 0.0) -> tuple[Dyes, Texture]:
    """Paint the tissue of one picture, with the middle free of nuclei.

    Args:
        grid: the picture.
        tissue: the case's look.
        rng: everything random comes from here.
        clear: radius of the middle that holds no other nucleus, micrometers.

    Returns:
        The dyes, and the noises that nuclei painted later may share.
    """
    centers = _centers(grid, tissue.spacing, clear, rng)
    texture = Texture.random(grid, rng)
    dyes, waves = _cytoplasm(grid, tissue, texture, rng)
    border = _border(grid, centers, clear, waves)
    _paint_borders(dyes, border, rng)
    fibers = rng.uniform() < tissue.stroma
    angle = rng.uniform(0, np.pi)
    free = _around(grid, clear)
    region = _stroma(dyes, grid, angle, free, rng) if fibers else None
    _paint_gaps(dyes, grid, tissue.gaps, border, texture, free, rng)
    for center in centers[1:]:
        spindle = region is not None and _at(region, grid, center) > 0.5
        nucleus = _spindle(center, angle, rng) if spindle else epithelial(center, tissue, rng)
        paint_nucleus(dyes, grid, nucleus, texture, rng)
    _visitors(dyes, grid, tissue, texture, clear, rng)
    return dyes, texture


def _centers(grid: Grid, spacing: float, clear: float, rng: Rng) -> Points:
    """Cell centers, at least about `spacing` apart; the first is the middle, its cell of radius `clear`."""
    reach = grid.extent / 2 + 0.5 * spacing
    kept = [np.zeros(2)]
    for candidate in rng.uniform(-reach, reach, (int(6 * (2 * reach / spacing) ** 2), 2)):
        apart = np.hypot(*(np.array(kept) - candidate).T)
        if apart[0] > clear + 0.32 * spacing and (apart[1:] > 0.85 * spacing).all():
            kept.append(candidate)
    return np.array(kept)


def _cytoplasm(grid: Grid, tissue: Tissue, texture: Texture, rng: Rng) -> tuple[Dyes, Field]:
    waves = grid.noise(rng, 6.0)
    grain = 0.5 * texture.coarse + 0.5 * texture.fine
    strands = 0.75 - np.abs(grid.noise(rng, 2.2))
    amount = rng.uniform(0.5, 1.2)
    eosin = tissue.eosin * (1 + 0.24 * waves + amount * (0.11 * grain + 0.3 * strands))
    hematoxylin = tissue.basophilia * (1 + 0.25 * waves + amount * (0.25 * strands + 0.3 * grain))
    return Dyes(np.maximum(hematoxylin, 0.02), np.maximum(eosin, 0.03)), waves


def _border(grid: Grid, centers: Points, clear: float, waves: Field) -> Field:
    """Distance to the border between the two nearest cells, micrometers, about; shape (size, size)."""
    first = np.full((grid.size, grid.size), np.inf, dtype=np.float32)
    second = first.copy()
    warp = np.float32(0.6) * waves
    for number, (x0, y0) in enumerate(centers.astype(np.float32)):
        x, y = grid.x - x0, grid.y - y0
        r = np.sqrt(x * x + y * y) + (warp if number % 2 else -warp)
        if number == 0:
            r -= np.float32(0.35 * clear)
        np.minimum(second, np.maximum(first, r), out=second)
        np.minimum(first, r, out=first)
    return np.minimum(second - first, np.float32(50)) / 2


def _paint_borders(dyes: Dyes, border: Field, rng: Rng) -> None:
    line = np.exp(-np.square(border / np.float32(rng.uniform(0.25, 0.5))))
    contrast = rng.uniform(-0.5, 0.5)
    dyes.eosin *= 1 + np.float32(contrast) * line
    dyes.hematoxylin *= 1 + np.float32(min(contrast, 0.25)) * line


def _around(grid: Grid, clear: float) -> Field:
    """Distance outside the circle of radius `clear`, micrometers."""
    return np.sqrt(grid.x**2 + grid.y**2) - np.float32(clear)


def _stroma(dyes: Dyes, grid: Grid, angle: float, free: Field, rng: Rng) -> Field:
    """Paint collagen on one side of a wavy line; returns where it is, 0 to 1."""
    across = grid.turned(angle)[1]
    side = rng.choice([-1.0, 1.0])
    offset = rng.uniform(5.0, 14.0)
    region = step(np.float32(offset) - np.float32(side) * across + 1.2 * grid.noise(rng, 8.0), 0.4) * step(-free, 0.5)
    fibers = grid.streaks(rng, angle, 14.0, 0.9)
    eosin = np.clip(0.62 + 0.35 * fibers, 0.04, 1.4) * np.float32(rng.uniform(0.8, 1.2))
    dyes.cover((slice(None), slice(None)), region, np.clip(0.12 + 0.05 * fibers, 0.01, 1), eosin)
    return region


def _paint_gaps(dyes: Dyes, grid: Grid, share: float, border: Field, texture: Texture, free: Field, rng: Rng) -> None:
    """Empty the clefts between cells and round vacuoles."""
    share *= rng.uniform(0, 2)
    if share < 0.01:
        return
    openness = grid.noise(rng, 4.5) + 0.9 * np.exp(-border / 1.5) + 0.12 * texture.coarse
    openness -= 3.0 * step(free - 0.5, 0.3)
    depth = openness - np.float32(np.quantile(openness[::4, ::4], 1 - share))
    rim = np.exp(-np.square((depth + 0.12) / np.float32(0.12)))
    dyes.eosin *= 1 + 0.35 * rim
    dyes.hematoxylin *= 1 + 0.2 * rim
    empty = np.float32(1) - np.float32(rng.uniform(0.75, 0.96)) * step(-depth, rng.uniform(0.03, 0.12))
    dyes.eosin *= empty
    dyes.hematoxylin *= empty


def _at(field: Field, grid: Grid, center: Points) -> float:
    column, row = np.clip(center / grid.mpp + grid.size / 2, 0, grid.size - 1).astype(int)
    return float(field[row, column])


def epithelial(center: Points, tissue: Tissue, rng: Rng) -> Nucleus:
    """A nucleus of the tumor at `center` (2,)."""
    vesicular = float(np.clip(tissue.vesicular + rng.normal(0, 0.15), 0, 1))
    return Nucleus(
        (float(center[0]), float(center[1])),
        float(tissue.nucleus * np.exp(rng.normal(0, tissue.pleomorphism))),
        float(np.exp(np.abs(rng.normal(0, 0.28)))),
        float(rng.uniform(0, np.pi)),
        0.85 - 0.55 * vesicular + float(rng.normal(0, 0.06)) + 0.6 * float(rng.uniform() < 0.07),
        float(tissue.clumping * rng.uniform(0.75, 1.25)),
        int(rng.integers(0, 3)),
    )


def _spindle(center: Points, angle: float, rng: Rng) -> Nucleus:
    place = (float(center[0]), float(center[1]))
    return Nucleus(place, rng.uniform(2.2, 2.9), rng.uniform(2.2, 3.6), angle + rng.normal(0, 0.12), 0.85, 0.5, 0)


def _visitors(dyes: Dyes, grid: Grid, tissue: Tissue, texture: Texture, clear: float, rng: Rng) -> None:
    reach = grid.extent / 2
    for kind, expected in enumerate((tissue.inflammation, tissue.bleeding)):
        for _ in range(rng.poisson(expected)):
            x, y = rng.uniform(-reach, reach, 2)
            if np.hypot(x, y) < clear + 3.5:
                continue
            if kind == 0:
                paint_lymphocyte(dyes, grid, (x, y), texture, rng)
            else:
                paint_red_cell(dyes, grid, (x, y), rng)
