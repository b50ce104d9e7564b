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
    crop: NDArray[np.uint8], mpp: float, geometry: Geometry, stain: StainReference | None = None
) -> NDArray[np.uint8]:
    """A crop as a network wants it: colors normalized if that is asked for, the field of view cut and resampled.

    Args:
        crop: (height, width, 3) RGB.
        mpp: micrometres per pixel of the crop.
        geometry: the field of view.
        stain: the colors to bring it to; None leaves them.

    Returns:
        (size_px, size_px, 3) RGB.

    Raises:
        FigureError: the crop covers less than `MIN_COVER` of the field's side.
    """
    return resample(crop if stain is None else normalize_stain(crop, mpp, stain), mpp, geometry)


def resample(crop: NDArray[np.uint8], mpp: float, geometry: Geometry) -> NDArray[np.uint8]:
    """Cut the centered field of view in micrometres and resample it once, bilinearly (antialiased when shrinking).

    A crop that is smaller than the field is extended by reflection.

    Args:
        crop: (height, width, 3) RGB.
        mpp: micrometres per pixel of the crop.
        geometry: the field of view that the network was trained on.

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
    missing = int(np.ceil(max(0.0, side - min(height, width)) / 2))
    if missing:
        crop = np.pad(crop, ((missing, missing), (missing, missing), (0, 0)), mode="symmetric")
        height, width = crop.shape[:2]
    left, top = (width - side) / 2, (height - side) / 2
    size = (geometry.size_px, geometry.size_px)
    resized = Image.fromarray(crop).resize(size, Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
    return np.asarray(resized)
