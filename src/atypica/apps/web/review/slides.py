"""The slides that figures lie on, as tiles to zoom in: levels of Deep Zoom, each half as fine as the next."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from atypica.apps.web.review.keys import key_of
from atypica.core.errors import FigureError
from atypica.data.figures import Figures
from atypica.data.slide import Slide, open_slide
from atypica.inference.crops import Kept

TILE_PX = 256
OPEN_SLIDES = 8
MOST_READ_PX = 2048
"""Side of what one tile may make the slide read; coarser levels are not served."""
QUALITY = 85


@dataclass(frozen=True)
class SlideInfo:
    """What a viewer must know of a slide.

    Attributes:
        width, height: of level 0, in pixels.
        min_level, max_level: of Deep Zoom; at `max_level` a pixel is one of level 0.
        tile: side of a tile in pixels.
    """

    width: int
    height: int
    min_level: int
    max_level: int
    tile: int = TILE_PX


class SlideTiles:
    """Cuts tiles of the slides of a figure table; may be asked from several threads.

    A slide goes by a key, so that an address tells no path, and nothing but the study's own slides can be asked for.

    Args:
        figures: the table; rows with `x` and `y` lie on a slide.
        secret: of the study.
    """

    def __init__(self, figures: Figures, secret: str) -> None:
        self._secret = secret
        self._paths = {self.key(image): figures.path(image) for image in slides_of(figures)}
        self._slides = Kept(open_slide, OPEN_SLIDES)

    def key(self, image: str) -> str:
        """By what a slide is asked for; it does not tell the path."""
        return key_of(self._secret, f"slide {image}")

    def info(self, key: str) -> SlideInfo:
        """Size and levels of a slide.

        Raises:
            FigureError: no slide of this study, or it cannot be opened.
        """
        with self._slides.borrow(self._path(key)) as slide:
            return _info(slide)

    def tile(self, key: str, level: int, column: int, row: int) -> bytes:
        """One tile as JPEG; those of the last column and row are smaller.

        Raises:
            FigureError: no such slide or tile, or its pixels cannot be decoded.
        """
        with self._slides.borrow(self._path(key)) as slide:
            info = _info(slide)
            if not info.min_level <= level <= info.max_level:
                raise FigureError("there is no such level", "load the page again")
            image = _cut(slide, column, row, 2 ** (info.max_level - level))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=QUALITY)
        return buffer.getvalue()

    def _path(self, key: str) -> Path:
        if key not in self._paths:
            raise FigureError("there is no such slide", "load the page again")
        return self._paths[key]


def slides_of(figures: Figures) -> list[str]:
    """The images that figures have a place on (`x` and `y`), each once; none where figures have no place."""
    table = figures.table
    if "x" not in table or "y" not in table:
        return []
    placed = table["image"].notna() & table["x"].notna() & table["y"].notna()
    return list(dict.fromkeys(table.loc[placed, "image"].astype(str)))


def _info(slide: Slide) -> SlideInfo:
    width, height = slide.size
    finest = math.ceil(math.log2(max(width, height)))
    levels = range(finest + 1)
    readable = (level for level in levels if _read_px(slide, 2 ** (finest - level)) <= MOST_READ_PX)
    return SlideInfo(width, height, next(readable, finest), finest)


def _level(slide: Slide, scale: int) -> int:
    """The coarsest level of the slide that is fine enough."""
    return max(level for level, factor in enumerate(slide.downsamples) if level == 0 or factor <= scale)


def _read_px(slide: Slide, scale: int) -> float:
    """The longer side of what a tile reads; a slide that is smaller than a tile is read whole."""
    factor = slide.downsamples[_level(slide, scale)]
    return min(TILE_PX * scale, max(slide.size)) / factor


def _cut(slide: Slide, column: int, row: int, scale: int) -> Image.Image:
    """One tile, of which each pixel is the mean of those below it."""
    level = _level(slide, scale)
    starts = column * TILE_PX, row * TILE_PX
    sides = [min(TILE_PX, math.ceil(size / scale) - start) for size, start in zip(slide.size, starts, strict=True)]
    if min(starts) < 0 or min(sides) < 1:
        raise FigureError("there is no such tile", "load the page again")
    step = scale / slide.downsamples[level]
    box = [edge * step for edge in (*starts, starts[0] + sides[0], starts[1] + sides[1])]
    left, top, right, bottom = math.floor(box[0]), math.floor(box[1]), math.ceil(box[2]), math.ceil(box[3])
    pixels = slide.read_level(left, top, right - left, bottom - top, level)
    part = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    return Image.fromarray(pixels).resize((sides[0], sides[1]), Image.Resampling.BOX, box=part)
