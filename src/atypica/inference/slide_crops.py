"""Crops cut from slides: figures that lie close together share one read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import groupby
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from atypica.core.errors import FigureError
from atypica.data.figures import Figures
from atypica.data.readers import MAX_PIXELS
from atypica.data.slide import Slide, open_slide
from atypica.inference.card import Geometry
from atypica.inference.crops import Crop, CropSource, Kept, Place, numbers
from atypica.inference.resolution import Origin, Resolution

CELL_PX = 512
"""Figures whose centers lie in one square of this side, in pixels of the level, are cut from one read."""
OPEN_SLIDES = 4
SAME = 0.01
"""A level that is coarser than needed by less than this share is fine enough."""
BITS = 20
"""Of a cell's column and row: enough for a side of 500 million pixels."""


class View(NamedTuple):
    """What a figure needs of its slide.

    Attributes:
        mpp: micrometers per pixel of level 0.
        origin: where that number came from.
        level: the one to cut from.
        scale: pixels of level 0 to one of the level.
        half: half the side of the field of view, in pixels of the level.
        cut: half the side of what is cut, in pixels of the level: the field or more, and what resampling looks at.
    """

    mpp: float
    origin: Origin
    level: int
    scale: float
    half: float
    cut: int


class SlideCrops(CropSource):
    """Crops of figures that are points on slides, at the model's field of view and from the level that fits it.

    Args:
        figures: the table; `image` is a slide, `x` and `y` the figure's center in pixels of level 0.
        resolution: settles the micrometers per pixel of each slide.
        geometry: of the model.
        max_pixels: a slide that is a picture (PNG, JPEG) with more is refused.
        rows: which rows are on slides; None for all.
        around_um: side of what is cut around a figure, where that is more than the field of view.
    """

    def __init__(
        self,
        figures: Figures,
        resolution: Resolution,
        geometry: Geometry,
        max_pixels: int = MAX_PIXELS,
        rows: NDArray[np.int64] | None = None,
        around_um: float = 0.0,
    ) -> None:
        self._around = max(around_um, geometry.field_um)
        self._figures, self._resolution, self._geometry = figures, resolution, geometry
        self._images: list[str | None] = figures.table["image"].tolist()
        self._x, self._y = numbers(figures.table, "x"), numbers(figures.table, "y")
        self._rows = np.arange(len(figures)) if rows is None else rows
        self._slides = Kept(lambda path: open_slide(path, max_pixels), OPEN_SLIDES)

    def lots(self, count: int, size: int) -> Iterator[Sequence[int]]:
        """See `CropSource.lots`: slide by slide, cell by cell on a Z-shaped curve, so that neighbors come together."""
        images = figures_by_image(self._figures.table["image"].iloc[self._rows])
        for at in images:
            rows = self._rows[at]
            cells = self._cells(rows)
            order = np.argsort(cells, kind="stable")
            yield from (rows[order[span]].tolist() for span in _spans(cells[order], size))

    def _cells(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The cell of each figure of one slide, numbered along the curve; -1 where the figure cannot be read."""
        try:
            with self._slide(int(rows[0])) as slide:
                side = CELL_PX * self._view(slide, int(rows[0])).scale
        except FigureError:
            return np.full(len(rows), -1)
        x, y = self._x[rows], self._y[rows]
        on = (x >= 0) & (y >= 0) & (x <= slide.size[0]) & (y <= slide.size[1])
        return np.where(on, z_order(*(np.where(on, value, 0) // side for value in (x, y))), -1)

    def read(self, row: int) -> Crop:
        """See `CropSource.read`."""
        crop = next(crop for _, crop in self.read_lot([row]))
        if isinstance(crop, FigureError):
            raise crop
        return crop

    def read_lot(self, rows: Sequence[int]) -> Iterator[tuple[int, Crop | FigureError]]:
        """See `CropSource.read_lot`. Rows of one cell that follow each other are cut from one read."""
        for _, several in groupby(rows, key=lambda row: self._images[row]):
            together = list(several)
            try:
                with self._slide(together[0]) as slide:
                    yield from self._read_slide(slide, together)
            except FigureError as error:
                yield from ((row, error) for row in together)

    def _read_slide(self, slide: Slide, rows: list[int]) -> Iterator[tuple[int, Crop | FigureError]]:
        places: dict[int, View] = {}
        for row in rows:
            try:
                _check_point(slide, self._x[row], self._y[row])
                places[row] = self._view(slide, row)
            except FigureError as error:
                yield row, error
        for _, several in groupby(places, key=lambda row: self._cell(row, places[row])):
            together = list(several)
            yield from self._read_region(slide, together, places[together[0]])

    def _cell(self, row: int, view: View) -> tuple[int, int, View]:
        side = CELL_PX * view.scale
        return int(self._x[row] // side), int(self._y[row] // side), view

    def _read_region(self, slide: Slide, rows: list[int], view: View) -> Iterator[tuple[int, Crop | FigureError]]:
        boxes = [self._box(slide, row, view) for row in rows]
        left, top = (min(box[side] for box in boxes) for side in (0, 1))
        right, bottom = (max(box[side] for box in boxes) for side in (2, 3))
        try:
            pixels = slide.read_level(left, top, right - left, bottom - top, view.level)
        except FigureError as error:
            if len(rows) == 1:
                yield rows[0], error
                return
            for row in rows:  # one damaged tile costs only the figures on it
                yield from self._read_region(slide, [row], view)
            return
        for row, box in zip(rows, boxes, strict=True):
            part = pixels[box[1] - top : box[3] - top, box[0] - left : box[2] - left]
            yield row, Crop(part, None, self._place(slide, row, view, box))

    def _box(self, slide: Slide, row: int, view: View) -> tuple[int, int, int, int]:
        """The pixels that a figure needs: left, top, right, bottom at the level, none of them beyond the border."""
        width, height = slide.sizes[view.level]
        x, y = self._x[row] / view.scale, self._y[row] / view.scale
        left, top = (max(0, math.floor(center) - view.cut) for center in (x, y))
        right, bottom = (math.ceil(center) + view.cut for center in (x, y))
        return min(left, width - 1), min(top, height - 1), min(right, width), min(bottom, height)

    def _place(self, slide: Slide, row: int, view: View, box: tuple[int, int, int, int]) -> Place:
        x, y = self._x[row] / view.scale, self._y[row] / view.scale
        width, height = slide.sizes[view.level]
        border = min(x, y) < view.half or x + view.half > width or y + view.half > height
        return Place((x - box[0], y - box[1]), view.scale, view.mpp, view.origin, bool(border))

    def _view(self, slide: Slide, row: int) -> View:
        mpp, origin = self._resolution.of_slide(row, slide.name, slide.mpp)
        needed = self._geometry.field_um / self._geometry.size_px
        level = level_for(slide.downsamples, mpp, needed)
        scale = slide.downsamples[level]
        half = self._geometry.field_um / (mpp * scale) / 2
        margin = math.ceil(2 * half / self._geometry.size_px) + 1
        return View(mpp, origin, level, scale, half, math.ceil(self._around / (mpp * scale) / 2) + margin)

    def _slide(self, row: int) -> AbstractContextManager[Slide]:
        image = self._images[row]
        if image is None or pd.isna(image):
            raise FigureError("the column 'image' is blank", "fill in the path")
        return self._slides.borrow(self._figures.path(image))

    def close(self) -> None:
        """See `CropSource.close`."""
        self._slides.close()


def level_for(downsamples: Sequence[float], mpp: float, needed: float) -> int:
    """The coarsest level that is not coarser than `needed` micrometers per pixel; the finest where all are."""
    fine = [level for level, scale in enumerate(downsamples) if mpp * scale <= needed * (1 + SAME)]
    return max(fine, key=lambda level: downsamples[level], default=0)


def _check_point(slide: Slide, x: float, y: float) -> None:
    if np.isnan(x) or np.isnan(y):
        lacking = " and ".join(name for name, value in (("x", x), ("y", y)) if np.isnan(value))
        raise FigureError(f"the figure on {slide.name} has no {lacking}", "fill in its center in pixels of level 0")
    width, height = slide.size
    if not (0 <= x <= width and 0 <= y <= height):
        raise FigureError(
            f"({x:.6g}, {y:.6g}) lies off {slide.name}, which has {width:,} x {height:,} px",
            "check that x and y are pixels of level 0 of this slide",
        )


def z_order(columns: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.int64]:
    """The numbers of cells along a Z-shaped curve (Morton order): the bits of column and row in turn."""
    number = np.zeros(len(columns), dtype=np.int64)
    for bit in range(BITS):
        for shift, values in ((0, columns), (1, rows)):
            number |= (values.astype(np.int64) >> bit & 1) << (2 * bit + shift)
    return number


def figures_by_image(images: pd.Series) -> list[NDArray[np.int64]]:
    """The positions of the figures of each image, images in the order in which they first come."""
    codes, _ = pd.factorize(images, use_na_sentinel=False)
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)


def _spans(cells: NDArray[np.int64], size: int) -> Iterator[slice]:
    """Spans of sorted cells: whole ones, until there are `size` figures; of figures without a cell (-1), any `size`."""
    lost = int(np.sum(cells < 0))
    yield from (slice(start, min(start + size, lost)) for start in range(0, lost, size))
    start = lost
    for end in (np.flatnonzero(np.diff(cells)) + 1).tolist():
        if end - start >= size:
            yield slice(start, end)
            start = end
    if start < len(cells):
        yield slice(start, len(cells))
