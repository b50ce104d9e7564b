"""From a crop of any size and resolution to the network's field of view."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from atypica.core.errors import FigureError
from atypica.inference.card import Geometry
from atypica.inference.stain import StainReference, normalize_stain

MIN_COVER = 0.5
"""A crop that covers less than this share of the field's side is refused rather than padded."""


def preprocess(
    crop: NDArray[np.uint8],
    mpp: float,
    geometry: Geometry,
    stain: StainReference | None = None,
    center: tuple[float, float] | None = None,
) -> NDArray[np.uint8]:
    """A crop as a network wants it: colors normalized if that is asked for, the field of view cut and resampled.

    Args:
        crop: (height, width, 3) RGB.
        mpp: micrometres per pixel of the crop.
        geometry: the field of view.
        stain: the colors to bring it to; None leaves them.
        center: x and y of the field's center in pixels of the crop; its middle if None.

    Returns:
        (size_px, size_px, 3) RGB.

    Raises:
        FigureError: the crop covers less than `MIN_COVER` of the field's side.
    """
    return resample(crop if stain is None else normalize_stain(crop, mpp, stain), mpp, geometry, center)


def resample(
    crop: NDArray[np.uint8], mpp: float, geometry: Geometry, center: tuple[float, float] | None = None
) -> NDArray[np.uint8]:
    """Cut the field of view in micrometres and resample it once, bilinearly (antialiased when shrinking).

    Where the field reaches beyond the crop, the crop is extended by reflection.

    Args:
        crop: (height, width, 3) RGB.
        mpp: micrometres per pixel of the crop.
        geometry: the field of view that the network was trained on.
        center: x and y of the field's center in pixels of the crop; its middle if None.

    Returns:
        (size_px, size_px, 3) RGB.

    Raises:
        FigureError: the crop covers less than `MIN_COVER` of the field's side.
    """
    side = geometry.field_um / mpp
    height, width = crop.shape[:2]
    if min(height, width) < MIN_COVER * side:
        raise FigureError(
            f"the crop is {width}x{height} px = {width * mpp:.1f}x{height * mpp:.1f} um, "
            f"the model needs {geometry.field_um:g} um around the figure",
            "cut larger crops, or give the right --mpp",
        )
    x, y = center or (width / 2, height / 2)
    left, top = x - side / 2, y - side / 2
    lacking = (_beyond(top, side, height), _beyond(left, side, width))
    if any(map(any, lacking)):
        crop = np.pad(crop, (*lacking, (0, 0)), mode="symmetric")
        left, top = left + lacking[1][0], top + lacking[0][0]
    size = (geometry.size_px, geometry.size_px)
    resized = Image.fromarray(crop).resize(size, Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
    return np.asarray(resized)


def _beyond(start: float, side: float, length: int) -> tuple[int, int]:
    """Whole pixels by which a field reaches beyond both ends of a crop."""
    return max(0, int(np.ceil(-start))), max(0, int(np.ceil(start + side - length)))
