"""Slides for tests: pyramidal TIFF files with marks or drawn figures at known places."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from atypica.core.vocabulary import Subtype
from atypica.data.drawn import draw_figure

BACKGROUND = (236, 208, 224)
UM_OF_CM = 10_000


def write_slide(
    path: Path, pixels: NDArray[np.uint8], *, mpp: float | None = 0.25, levels: int = 3, step: int = 2, **options: Any
) -> Path:
    """Write (height, width, 3) as a TIFF with levels at 1, 1 / step, ..., each pixel the mean of those below it.

    `options` go to tifffile: tile, compression, rowsperstrip. `subifds=True` puts the levels into the first page.
    """
    inner = options.pop("subifds", False)
    where = {} if mpp is None else {"resolution": (UM_OF_CM / mpp,) * 2, "resolutionunit": "CENTIMETER"}
    shared: dict[str, Any] = {"photometric": "rgb", "tile": (64, 64), "compression": "deflate", "metadata": None}
    shared |= options
    with tifffile.TiffWriter(path) as file:
        file.write(pixels, subifds=levels - 1 if inner else None, **shared, **where)
        for _ in range(levels - 1):
            pixels = shrink(pixels, step)
            file.write(pixels, subfiletype=1, **shared)
    return path


def shrink(pixels: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """Means of step x step pixels; what is left over at the right and below is dropped."""
    height, width = (length // step for length in pixels.shape[:2])
    blocks = pixels[: height * step, : width * step].reshape(height, step, width, step, 3)
    return blocks.mean(axis=(1, 3)).round().astype(np.uint8)


def marked(width: int, height: int) -> NDArray[np.uint8]:
    """Pixels that say where they are: red and green are the low bytes of column and row, blue their high parts."""
    row, column = np.mgrid[:height, :width]
    return np.stack([column % 256, row % 256, (column // 256) * 16 + row // 256], axis=-1).astype(np.uint8)


def with_figures(
    width: int, height: int, centers: Sequence[tuple[int, int]], *, side: int = 64, mpp: float = 0.25
) -> NDArray[np.uint8]:
    """Pale tissue with a drawn figure around each center; subtypes in turn, equal calls draw equal slides."""
    pixels = np.full((height, width, 3), BACKGROUND, dtype=np.uint8)
    for number, (x, y) in enumerate(centers):
        subtype = list(Subtype)[number % len(Subtype)]
        figure = draw_figure(subtype, np.random.default_rng(number), size=side, mpp=mpp)
        pixels[y - side // 2 : y + side // 2, x - side // 2 : x + side // 2] = figure
    return pixels
