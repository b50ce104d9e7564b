"""One drawn figure: chromosomes in their cell, in tissue, stained and scanned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atypica.core.vocabulary import Subtype
from atypica.data.drawn.arrangements import arrange
from atypica.data.drawn.cells import Dyes, Texture
from atypica.data.drawn.chromosomes import Chromosomes, absorb
from atypica.data.drawn.grid import Field, Grid, step
from atypica.data.drawn.optics import SCANNERS, Picture, Scanner, Stain, random_stain, scan, transmit
from atypica.data.drawn.tissue import Tissue, paint_tissue, random_tissue

Rng = np.random.Generator
EVERYWHERE = (slice(None), slice(None))


@dataclass(frozen=True)
class Look:
    """What is the same in all pictures of a case.

    Attributes:
        stain: of the laboratory's batch.
        tissue: of the tumor.
        scanner: that read the slide.
    """

    stain: Stain
    tissue: Tissue
    scanner: Scanner


def random_look(rng: Rng, stain: Stain | None = None, scanner: Scanner | None = None) -> Look:
    """A new case's look; `stain` and `scanner` are taken over where given."""
    return Look(stain or random_stain(rng), random_tissue(rng), scanner or SCANNERS[rng.integers(len(SCANNERS))])


def draw_figure(
    subtype: Subtype,
    rng: np.random.Generator,
    *,
    size: int = 128,
    mpp: float = 0.25,
    stain: Stain | None = None,
    look: Look | None = None,
    ambiguity: float = 0.0,
) -> Picture:
    """Draw one mitotic figure in H&E.

    Chromosomes are rods whose absorbance adds up; dyes absorb by Beer-Lambert; all lengths are in micrometers, so
    one seed draws the same chromosomes at every `mpp` and `size` (the tissue around them is drawn anew).

    Args:
        subtype: which of the eight.
        rng: everything random comes from here; equal generators draw equal pictures.
        size: side in pixels.
        mpp: micrometers per pixel.
        stain: the dyes; None draws them at random. Not used with `look`.
        look: stain, tissue and scanner of the case; None draws them at random.
        ambiguity: 0 (as clear as textbooks) to 1 (almost a look-alike of the other label, and less in focus).

    Returns:
        Shape (size, size, 3), RGB.
    """
    seeds = rng.integers(2**63, size=4)
    look = look or random_look(np.random.default_rng(seeds[0]), stain)
    grid = Grid(size, mpp)
    chromosome_rng, tissue_rng, scan_rng = (np.random.default_rng(seed) for seed in seeds[1:])
    chromosomes = arrange(subtype, chromosome_rng, ambiguity)
    defocus = abs(chromosome_rng.normal(0, 0.1)) + 0.25 * ambiguity * chromosome_rng.uniform()
    dyes, texture = paint_tissue(grid, look.tissue, tissue_rng, clear=chromosomes.reach)
    paint_dividing_cell(dyes, grid, chromosomes, texture, look.tissue, chromosome_rng)
    return scan(transmit(dyes.hematoxylin, dyes.eosin, look.stain), look.scanner, scan_rng, mpp, defocus)


def paint_dividing_cell(
    dyes: Dyes, grid: Grid, chromosomes: Chromosomes, texture: Texture, tissue: Tissue, rng: Rng
) -> None:
    """Paint a rounded cell without a nuclear membrane, and its chromosomes, near the middle."""
    angle = rng.uniform(0, 2 * np.pi)
    shift = rng.normal(0, 0.6, 2)
    darkness = rng.uniform(2.1, 3.2)
    clearing = float(np.clip(tissue.clearing + rng.normal(0, 0.25), 0, 1))
    waves = grid.noise(rng, 5.0)
    outside = _outside(grid, chromosomes, angle, shift, waves, rng)
    _paint_cytoplasm(dyes, outside, waves[::-1], texture, tissue, clearing, rng)
    chromatin = absorb(chromosomes, grid, angle, shift)
    if rng.uniform() < 0.5 * clearing:
        _clear_zone(dyes, chromosomes, grid, angle, shift)
    mottle = 1 + 0.09 * texture.coarse + 0.06 * texture.fine
    dyes.hematoxylin += chromatin * (np.float32(darkness) * mottle)
    dyes.eosin += chromatin * (0.45 - 0.5 * dyes.eosin)


def _outside(grid: Grid, chromosomes: Chromosomes, angle: float, shift: np.ndarray, waves: Field, rng: Rng) -> Field:
    """Distance outside the dividing cell's membrane, micrometers, about; negative inside."""
    x, y = grid.turned(angle, (float(shift[0]), float(shift[1])))
    stretch = np.float32((chromosomes.spindle * np.exp(rng.normal(0, 0.08))) ** 0.5)
    u, v = x * stretch, y / stretch
    waist = 1 - np.float32(0.42 * chromosomes.furrow) * np.exp(-np.square(v / np.float32(2.6)))
    wobble = np.float32(rng.uniform(0.3, 0.8)) * waves
    return np.sqrt(np.square(u / waist) + v * v) - np.float32(chromosomes.reach) + wobble


def _paint_cytoplasm(
    dyes: Dyes, outside: Field, waves: Field, texture: Texture, tissue: Tissue, clearing: float, rng: Rng
) -> None:
    """Paler (cleared) or pinker cytoplasm, a membrane, and sometimes a halo of shrinkage."""
    halo = rng.uniform() < 0.55 * clearing
    if halo:
        width = rng.uniform(0.2, 1.6) + rng.uniform(0.3, 1.0) * waves
        ring = step(outside - np.maximum(width, 0), 0.25) * np.float32(rng.uniform(0.5, 0.92))
        dyes.cover(EVERYWHERE, ring, 0.03, 0.06)
    inside = step(outside, 0.2)
    grain = 0.6 * texture.fine + 0.4 * texture.coarse
    pale = 1 - 0.55 * clearing * rng.uniform()
    eosin = tissue.eosin * pale * rng.uniform(0.85, 1.35) * (1 + 0.22 * grain)
    hematoxylin = tissue.basophilia * pale * rng.uniform(0.5, 1.1) * (1 + 0.3 * texture.fine)
    dyes.cover(EVERYWHERE, inside * np.float32(rng.uniform(0.6, 1.0)), hematoxylin, eosin)
    membrane = np.exp(-np.square(outside / np.float32(0.35))) * np.float32(max(rng.uniform(-0.25, 0.5), 0))
    dyes.eosin += membrane * np.float32(0.6)
    dyes.hematoxylin += membrane * np.float32(0.25)


def _clear_zone(dyes: Dyes, chromosomes: Chromosomes, grid: Grid, angle: float, shift: np.ndarray) -> None:
    """Pale cytoplasm right around the chromatin."""
    points = chromosomes.turned(angle, shift)[::3]
    near = 1 - np.exp(-2.0 * grid.splat(points, chromosomes.weights[::3] * 3, 1.1))
    dyes.eosin *= 1 - 0.5 * near
    dyes.hematoxylin *= 1 - 0.5 * near
