"""Whatever a person hands over, as a figure table and the place its pixels come from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from atypica.core.errors import FigureError, SettingsError, SourceError
from atypica.data import sources
from atypica.data.figures import Figures, figures_from
from atypica.data.pixels import to_rgb
from atypica.data.readers import MAX_PIXELS, rgb_of_image
from atypica.data.sources import Reading
from atypica.data.stack import check_size
from atypica.inference.crops import ArrayCrops, CropSource

Pixels = NDArray[Any] | Image.Image
Source = str | Path | Figures | pd.DataFrame | Pixels | Sequence[str | Path] | Sequence[Pixels]
"""A dataset's name or a path (see `open_source`), a figure table, one image (array or Pillow), a batch of equal
crops as one array (figures, height, width, 3), or a list of paths or of images."""


def take(
    source: Source, max_pixels: int = MAX_PIXELS, detections: Path | None = None, reading: Reading | None = None
) -> tuple[Figures, CropSource | None]:
    """The figure table of a source, and its pixels where they are in memory; None where they are in files.

    Args:
        source: see `Source`.
        max_pixels: a larger image is refused undecoded.
        detections: the file of the figures on a slide.
        reading: how detections are to be understood.

    Raises:
        SettingsError: `max_pixels` is no number of pixels.
        SourceError: there is nothing in it, or it is of no known kind.
        FigureError: an image or array that is the whole source cannot be read; in a list, that is its row's error.
    """
    if max_pixels < 1:
        raise SettingsError(f"--max-pixels {max_pixels} would refuse every image", "give 1 or more, or leave it out")
    if isinstance(source, (str, Path)):
        source = sources.open_source(source, figures=detections, reading=reading)
    elif detections is not None:
        raise SettingsError("detections belong to a slide's path", "leave out 'figures', or give the path of a slide")
    elif isinstance(source, pd.DataFrame):
        source = figures_from(source, Path(), "the table")
    elif isinstance(source, Sequence) and all(isinstance(item, (str, Path)) for item in source) and len(source):
        source = figures_from(pd.DataFrame({"image": [str(item) for item in source]}), Path(), "the list of paths")
    if isinstance(source, Figures):
        return source, None
    return _from_memory(_images(source), max_pixels, tolerant=isinstance(source, Sequence))


def _images(source: Any) -> list[Pixels]:
    if isinstance(source, Image.Image):
        return [source]
    if isinstance(source, np.ndarray):
        array = cast("NDArray[Any]", source)
        return list(array) if array.ndim == 4 else [array]
    if isinstance(source, Sequence):
        return list(cast("Sequence[Pixels]", source))
    raise SourceError(f"a {type(source).__name__} is no source of figures", "give a path, a table, or images")


def _from_memory(images: list[Any], max_pixels: int, *, tolerant: bool) -> tuple[Figures, CropSource]:
    if images and not any(isinstance(image, (np.ndarray, Image.Image)) for image in images):
        raise SourceError(f"a list of {type(images[0]).__name__} is no source of figures", "give paths, or images")
    names = [f"image {number}" for number in range(1, len(images) + 1)]
    figures = figures_from(pd.DataFrame({"image": names}), Path(), "images in memory")
    crops = [_crop(image, name, max_pixels) for image, name in zip(images, names, strict=True)]
    bad = next((crop for crop in crops if isinstance(crop, FigureError)), None)
    if bad and not tolerant:
        raise bad
    return figures, ArrayCrops(crops)


def _crop(image: Any, name: str, max_pixels: int) -> NDArray[np.uint8] | FigureError:
    try:
        return _rgb(image, name, max_pixels)
    except FigureError as error:
        return error


def _rgb(image: Any, name: str, max_pixels: int) -> NDArray[np.uint8]:
    if isinstance(image, Image.Image):
        check_size(name, *image.size, max_pixels)
        return rgb_of_image(image, name)
    if isinstance(image, np.ndarray):
        return to_rgb(image, name)
    raise FigureError(f"{name} is a {type(image).__name__}, not an image", "give all paths, or all images")
