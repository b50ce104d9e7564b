"""A TIFF of one page or many, opened once."""

from __future__ import annotations

import io
import math
import threading
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from atypica.core.errors import FigureError
from atypica.data.pixels import to_rgb

SANE_MPP = (0.05, 2.0)
"""A resolution tag outside this range (micrometres per pixel) says something else than the microscope's."""
UNIT_UM = {2: 25_400, 3: 10_000}
"""Micrometers in the units of a resolution tag: inch, centimeter."""

MOST_CHANNELS = 4
IMAGE_CODECS = {7, 33003, 33004, 33005, 34712, 50001}
"""TIFF compressions whose segments are images with a header of their own: JPEG, JPEG 2000, WebP."""
SEGMENT_FORMATS = ("JPEG", "JPEG2000", "WEBP")


class Stack:
    """The pages of a TIFF file; safe to read from several threads. Use as a context manager.

    Args:
        file: its path, or what it is read from.
        name: what to call it in messages; the path's name if None.

    Raises:
        FigureError: the file is missing or is no TIFF.
    """

    def __init__(self, file: Path | BinaryIO, name: str | None = None) -> None:
        self._name = name or Path(getattr(file, "name", "")).name
        self._lock = threading.Lock()
        try:
            self._file = tifffile.TiffFile(file)
            self._count = len(self._file.pages)
        except Exception as error:  # a broken TIFF fails in many ways
            raise unreadable(self._name, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __len__(self) -> int:
        return self._count

    def read(self, page: int, max_pixels: int) -> NDArray[np.uint8]:
        """One page, counted from 0, as (height, width, 3) RGB.

        Raises:
            FigureError: there is no such page, it is too large, or it cannot be decoded.
        """
        if not 0 <= page < self._count:
            raise FigureError(f"{self._name} has pages 0 to {self._count - 1}, not {page}", "mend the column 'page'")
        with self._lock:
            try:
                frame = cast(tifffile.TiffPage, self._file.pages[page])
                _check_page(self._name, frame, max_pixels)
                return to_rgb(color(frame, frame.asarray(maxworkers=1)), self._name)
            except FigureError:
                raise
            except Exception as error:
                raise unreadable(f"{self._name}, page {page},", error) from error

    def mpp(self, page: int = 0) -> float | None:
        """The micrometres per pixel that a page's resolution tag gives, if sane; else None."""
        with self._lock:
            try:
                frame = cast(tifffile.TiffPage, self._file.pages[page])
                unit = UNIT_UM[int(frame.tags["ResolutionUnit"].value)]
                numerator, denominator = frame.tags["XResolution"].value
                mpp = unit * denominator / numerator
            except (KeyError, IndexError, ZeroDivisionError, TypeError, ValueError):
                return None
        return mpp if SANE_MPP[0] <= mpp <= SANE_MPP[1] else None


def color(frame: tifffile.TiffPage, pixels: NDArray[Any]) -> NDArray[Any]:
    """Decoded pixels of a page, or of a part of it, as grey or RGB, whatever their photometric interpretation."""
    if frame.planarconfig == tifffile.PLANARCONFIG.SEPARATE and pixels.ndim == 3:
        pixels = np.moveaxis(pixels, 0, -1)
    match frame.photometric:
        case tifffile.PHOTOMETRIC.MINISWHITE:
            return ~pixels
        case tifffile.PHOTOMETRIC.PALETTE:
            assert frame.colormap is not None
            return np.moveaxis(frame.colormap, 0, -1)[pixels]
        case tifffile.PHOTOMETRIC.SEPARATED:
            return _from_cmyk(pixels)
        case _:
            return pixels


def _from_cmyk(pixels: NDArray[Any]) -> NDArray[Any]:
    ink = pixels.astype(np.float64) / np.iinfo(pixels.dtype).max
    light = (1 - ink[..., :3]) * (1 - ink[..., 3:4])
    return np.round(light * 255).astype(np.uint8)


def _check_page(name: str, frame: tifffile.TiffPage, max_pixels: int) -> None:
    """Refuse a page by what it states of itself: its size, and that of a tile or strip, which is decoded as a whole."""
    check_size(name, frame.imagewidth, frame.imagelength, max_pixels)
    values = max(math.prod(frame.shape), math.prod(frame.chunks) if frame.is_tiled else 0)
    if values > MOST_CHANNELS * max_pixels:
        raise FigureError(
            f"{name} decodes to {values:,} values, more than the limit of {max_pixels:,} pixels allows",
            "cut crops from it, or raise --max-pixels",
        )
    if frame.compression in IMAGE_CODECS:
        _check_segments(name, frame, max_pixels)


def _check_segments(name: str, frame: tifffile.TiffPage, max_pixels: int) -> None:
    """A tile or strip that is an image of its own says its size itself, whatever the page says."""
    handle = frame.parent.filehandle
    for offset, size in zip(frame.dataoffsets, frame.databytecounts, strict=True):
        handle.seek(offset)
        if size:
            check_segment(name, frame, handle.read(size), max_pixels)


def check_segment(name: str, frame: tifffile.TiffPage, data: bytes, max_pixels: int) -> None:
    """Refuse the compressed bytes of a tile or strip that say they are an image of more than `max_pixels`.

    Raises:
        FigureError: they are, or no image of a known kind.
    """
    if frame.compression in IMAGE_CODECS:
        with Image.open(io.BytesIO(data), formats=SEGMENT_FORMATS) as image:
            check_size(name, *image.size, max_pixels)


def check_size(name: str, width: int, height: int, max_pixels: int) -> None:
    """Refuse an image by its stated size, before anything is decoded.

    Raises:
        FigureError: more than `max_pixels`.
    """
    if width * height > max_pixels:
        raise FigureError(
            f"{name} is {width}x{height} px, more than the limit of {max_pixels:,} pixels",
            "cut crops from it, or raise --max-pixels",
        )


def unreadable(name: str, error: Exception) -> FigureError:
    """A decoder's error as one that names the image and no folder."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).splitlines()[:1]
    text = reason if isinstance(reason, str) else "".join(reason)
    return FigureError(f"{name} cannot be read: {text or type(error).__name__}", "replace the file")
