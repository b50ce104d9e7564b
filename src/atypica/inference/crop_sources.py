"""Which figures are crops of their own, and which are points on slides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from atypica.core.errors import FigureError
from atypica.data.figures import Figures
from atypica.data.readers import MAX_PIXELS
from atypica.data.slide import VENDOR_SUFFIXES, image_size
from atypica.inference.card import Geometry
from atypica.inference.crops import REGION_PX, Crop, CropSource, FileCrops, numbers
from atypica.inference.resolution import Resolution
from atypica.inference.slide_crops import SlideCrops, figures_by_image
from atypica.inference.stain import MEASURED_UM, StainReference


class Sight(Protocol):
    """What a network is shown of a figure: part of a model's card, or of an encoder."""

    @property
    def geometry(self) -> Geometry:
        """The field of view."""
        ...

    @property
    def stain_normalization(self) -> StainReference | None:
        """The colors that crops are brought to; None leaves them."""
        ...


def crops_for(figures: Figures, resolution: Resolution, sight: Sight, max_pixels: int = MAX_PIXELS) -> CropSource:
    """Where the pixels of figures in files come from: files of their own, slides that they lie on, or both."""
    on = on_slides(figures)
    if not on.any():
        return FileCrops(figures, max_pixels)
    around = max(sight.geometry.field_um, MEASURED_UM if sight.stain_normalization else 0.0)
    slides = SlideCrops(figures, resolution, sight.geometry, max_pixels, np.flatnonzero(on), around)
    return slides if on.all() else MixedCrops(FileCrops(figures, max_pixels), slides, on)


def on_slides(figures: Figures) -> NDArray[np.bool_]:
    """Which figures are points on a slide or region, shape (figures,).

    Those on an image that was named as a slide or is in a vendor's format, and those with a point, and no page, on an
    image that has a side above `REGION_PX` or several points on it. A crop may carry the point that it was cut around.
    """
    table = figures.table
    points = np.stack([numbers(table, "x"), numbers(table, "y")], axis=1)
    loose = np.isnan(numbers(table, "page")) & table["image"].notna().to_numpy(dtype=bool)
    result = np.zeros(len(figures), dtype=bool)
    candidates = loose & (np.isfinite(points).any(axis=1) | _vendor(table["image"]))
    # A point without numbers, on an image that others are points on, belongs to them.
    every = np.flatnonzero(loose & table["image"].isin(table["image"][candidates]).to_numpy(dtype=bool))
    named = {slide.image for slide in figures.slides}
    for at in figures_by_image(table["image"].iloc[every]) if len(every) else ():
        rows = every[at]
        image = str(table["image"].iloc[rows[0]])
        result[rows] = image in named or _is_slide(figures, image, points[rows])
    return result


def _vendor(images: pd.Series) -> NDArray[np.bool_]:
    known = {image: str(image).lower().endswith(tuple(VENDOR_SUFFIXES)) for image in images.unique()}
    return images.map(known).to_numpy(dtype=bool)


def _is_slide(figures: Figures, image: str, points: NDArray[np.float64]) -> bool:
    path = figures.path(image)
    if path.suffix.lower() in VENDOR_SUFFIXES:
        return True
    try:
        size = image_size(path)
    except FigureError:
        return False
    if size is None:
        return False
    known = points[np.isfinite(points).all(axis=1)]
    several = len(np.unique(known, axis=0)) > 1 and bool(((known >= 0) & (known <= size)).all())
    return max(size) > REGION_PX or several


class MixedCrops(CropSource):
    """Crops of a table in which some figures are files of their own and others points on slides.

    Args:
        files: for the former.
        slides: for the latter; its lots are those rows alone.
        on: which rows are on slides.
    """

    def __init__(self, files: FileCrops, slides: SlideCrops, on: NDArray[np.bool_]) -> None:
        self._files, self._slides, self._on = files, slides, on

    def lots(self, count: int, size: int) -> Iterator[Sequence[int]]:
        """See `CropSource.lots`."""
        own = np.flatnonzero(~self._on).tolist()
        yield from (own[start : start + size] for start in range(0, len(own), size))
        yield from self._slides.lots(count, size)

    def read(self, row: int) -> Crop:
        """See `CropSource.read`."""
        return self._slides.read(row) if self._on[row] else self._files.read(row)

    def read_lot(self, rows: Sequence[int]) -> Iterator[tuple[int, Crop | FigureError]]:
        """See `CropSource.read_lot`."""
        return (self._slides if self._on[rows[0]] else self._files).read_lot(rows)

    def close(self) -> None:
        """See `CropSource.close`."""
        self._files.close()
        self._slides.close()
