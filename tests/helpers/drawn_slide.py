"""A slide drawn for tests: white glass, one piece of tissue, figures at known places."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

GLASS, PINK, DARK = (244, 244, 244), (226, 160, 190), (60, 20, 70)
RADIUS = 10


def draw_slide(size: tuple[int, int], tissue: tuple[int, int, int, int], figures: NDArray[np.float64]) -> NDArray:
    """Pixels (height, width, 3) of a slide.

    Args:
        size: width and height.
        tissue: left, top, right, bottom of the piece.
        figures: x and y of dark disks, (figures, 2).
    """
    pixels = np.empty((size[1], size[0], 3), dtype=np.uint8)
    pixels[:] = GLASS
    left, top, right, bottom = tissue
    pixels[top:bottom, left:right] = PINK
    y, x = np.mgrid[-RADIUS : RADIUS + 1, -RADIUS : RADIUS + 1]
    disk = x**2 + y**2 <= RADIUS**2
    for at_x, at_y in figures.round().astype(int):
        part = pixels[at_y - RADIUS : at_y + RADIUS + 1, at_x - RADIUS : at_x + RADIUS + 1]
        part[disk[: len(part), : part.shape[1]]] = DARK
    return pixels


def write_slide(path: Path, pixels: NDArray, mpp: float | None) -> Path:
    """Save as a pyramidal, tiled TIFF of two levels; with `mpp` in its resolution tags."""
    tags = {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER"} if mpp else {}
    with tifffile.TiffWriter(path) as file:
        file.write(pixels, tile=(256, 256), photometric="rgb", compression="zlib", subifds=1, **tags)
        file.write(pixels[::4, ::4], tile=(256, 256), photometric="rgb", compression="zlib", subfiletype=1)
    return path
