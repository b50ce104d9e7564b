"""Drawn pictures that show no mitotic figure, to test how a model takes what it was never made for."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from atypica.core.vocabulary import Subtype
from atypica.data.drawn.arrangements import arrange
from atypica.data.drawn.cells import Dyes, Texture, paint_nucleus
from atypica.data.drawn.figure import EVERYWHERE, Look, paint_dividing_cell, random_look
from atypica.data.drawn.grid import Grid, step
from atypica.data.drawn.optics import Picture, Stain, scan, transmit
from atypica.data.drawn.tissue import epithelial, paint_tissue

Rng = np.random.Generator
_DEFOCUS_UM = 2.0


class Distractor(StrEnum):
    """What can stand in a crop in place of a mitotic figure."""

    INTERPHASE = "interphase"
    """A nucleus that does not divide."""
    APOPTOTIC = "apoptotic"
    """A shrunken pink cell with smooth round dark balls."""
    TISSUE = "tissue"
    """Tissue with nothing in the middle."""
    GLASS = "glass"
    """An empty part of the slide."""
    INK = "ink"
    """A pen mark over the tissue."""
    PIGMENT = "pigment"
    """Brown grains (melanin, hemosiderin, formalin)."""
    OUT_OF_FOCUS = "out_of_focus"
    """A mitotic figure far out of focus."""
    NOISE = "noise"
    """Pixels at random."""


def draw_distractor(
    kind: Distractor,
    rng: np.random.Generator,
    *,
    size: int = 128,
    mpp: float = 0.25,
    stain: Stain | None = None,
    look: Look | None = None,
) -> Picture:
    """Draw a picture that is no (readable) mitotic figure.

    Args:
        kind: what it shows.
        rng: everything random comes from here.
        size: side in pixels.
        mpp: micrometers per pixel.
        stain: the dyes; None draws them at random. Not used with `look`.
        look: stain, tissue and scanner of the case; None draws them at random.

    Returns:
        Shape (size, size, 3), RGB.
    """
    if kind is Distractor.NOISE:
        return rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
    look = look or random_look(rng, stain)
    grid = Grid(size, mpp)
    dyes = _scene(kind, grid, look, rng)
    light = transmit(dyes.hematoxylin, dyes.eosin, look.stain)
    if kind is Distractor.INK:
        light *= _ink(grid, rng)
    if kind is Distractor.PIGMENT:
        light *= _pigment(grid, rng)
    return scan(light, look.scanner, rng, mpp, _DEFOCUS_UM if kind is Distractor.OUT_OF_FOCUS else 0.0)


def _scene(kind: Distractor, grid: Grid, look: Look, rng: Rng) -> Dyes:
    if kind is Distractor.GLASS:
        haze = np.abs(grid.noise(rng, 8.0)) * np.float32(0.02)
        return Dyes(haze, haze.copy())
    chromosomes = arrange(list(Subtype)[rng.integers(len(Subtype))], rng)
    clear = {Distractor.INTERPHASE: 1.25 * look.tissue.nucleus, Distractor.APOPTOTIC: 5.0}.get(kind, chromosomes.reach)
    dyes, texture = paint_tissue(grid, look.tissue, rng, clear)
    if kind is Distractor.INTERPHASE:
        paint_nucleus(dyes, grid, epithelial(rng.normal(0, 0.6, 2), look.tissue, rng), texture, rng)
    elif kind is Distractor.APOPTOTIC:
        _apoptotic(dyes, grid, texture, rng)
    elif kind is Distractor.OUT_OF_FOCUS:
        paint_dividing_cell(dyes, grid, chromosomes, texture, look.tissue, rng)
    return dyes


def _apoptotic(dyes: Dyes, grid: Grid, texture: Texture, rng: Rng) -> None:
    """A halo, a small cell of strong smooth eosin, and one to five dark balls with sharp outlines."""
    waves = grid.noise(rng, 4.0)
    outline = np.sqrt(grid.x**2 + grid.y**2) - np.float32(rng.uniform(3.0, 4.8)) + np.float32(0.6) * waves
    halo = np.float32(rng.uniform(0.3, 1.6)) + np.float32(0.6) * waves[::-1]
    dyes.cover(EVERYWHERE, step(outline - np.maximum(halo, 0), 0.25) * np.float32(rng.uniform(0.5, 0.95)), 0.03, 0.06)
    dyes.cover(EVERYWHERE, step(outline), 0.15, np.float32(rng.uniform(0.9, 1.5)) * (1 + 0.06 * texture.coarse))
    for number in range(int(rng.integers(1, 6))):
        x, y = rng.normal(0, 0.3 if number == 0 else 1.5, 2)
        ball = np.float32(rng.uniform(1.2, 2.1) if number == 0 else rng.uniform(0.4, 0.9))
        mask = step(np.sqrt((grid.x - np.float32(x)) ** 2 + (grid.y - np.float32(y)) ** 2) - ball, 0.1)
        dyes.cover(EVERYWHERE, mask, 2.8, 0.5)


def _ink(grid: Grid, rng: Rng) -> np.ndarray:
    """Light that a broad pen stroke lets pass, shape (size, size, 3)."""
    pens = np.array([[2.6, 1.5, 0.3], [2.4, 0.4, 1.6], [2.5, 2.4, 2.2], [0.3, 2.2, 1.9]], dtype=np.float32)
    across = grid.turned(rng.uniform(0, np.pi))[1] + grid.noise(rng, 9.0)
    stroke = step(np.abs(across) - np.float32(rng.uniform(5, 11)), 0.4) * (1 + 0.15 * grid.noise(rng, 4.0))
    return np.exp(-stroke[..., None] * pens[rng.integers(len(pens))])


def _pigment(grid: Grid, rng: Rng) -> np.ndarray:
    """Light that a heap of brown grains lets pass, shape (size, size, 3)."""
    count = int(rng.integers(120, 400))
    grains = rng.normal(0, 1, (count, 2)) * rng.uniform(1.5, 4.5, 2)
    heap = 1 - np.exp(-grid.splat(grains, rng.gamma(1.0, 0.35, count), 0.22))
    return np.exp(-heap[..., None] * np.array([0.9, 1.7, 2.7], dtype=np.float32))
