"""Slides that OpenSlide reads. It is loaded when the first slide is opened; nothing else here needs it."""

from __future__ import annotations

import threading
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from atypica.core.errors import FigureError
from atypica.data.pixels import to_rgb
from atypica.data.readers import MAX_PIXELS
from atypica.data.slide.handle import Slide, one_mpp
from atypica.data.stack import check_size, unreadable

if TYPE_CHECKING:
    import openslide

CACHE_BYTES = 64 * 2**20
"""Decoded tiles that an open slide keeps, so that neighbors need not decode them again."""


@cache
def is_installed() -> bool:
    """Whether the extra `slides` is installed."""
    if find_spec("openslide") is None:
        return False
    try:
        import_module("openslide")
    except (ImportError, OSError):  # the Python part without its library
        return False
    return True


def recognizes(path: Path) -> bool:
    """Whether OpenSlide reads a file, and knows more of it than that it is some TIFF; it must be installed.

    Plain TIFF is left to `TiffSlide`: OpenSlide passes over levels in SubIFDs, and blurs a level whose scale is no
    whole number.
    """
    import openslide

    try:
        return openslide.OpenSlide.detect_format(path) not in {None, "generic-tiff"}
    except Exception:  # a damaged header fails in many ways
        return False


class OpenSlideSlide(Slide):
    """A slide in a vendor's format.

    Raises:
        FigureError: it cannot be opened, or its tiles are larger than any image may be.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._handle = self._open()
        properties = self._handle.properties
        self._scales = tuple(self._handle.level_downsamples)
        for level in range(self._handle.level_count):
            sides = [int(properties.get(f"openslide.level[{level}].tile-{side}", 0)) for side in ("width", "height")]
            check_size(f"a tile of {path.name}", sides[0], sides[1], MAX_PIXELS)
        mpp = one_mpp(_number(properties.get("openslide.mpp-x")), _number(properties.get("openslide.mpp-y")))
        super().__init__(path.name, self._handle.level_dimensions, mpp)

    def _open(self) -> openslide.OpenSlide:
        import openslide

        try:
            handle = openslide.OpenSlide(self._path)
            handle.set_cache(openslide.OpenSlideCache(CACHE_BYTES))
        except Exception as error:  # OpenSlide's errors share no base with those of a damaged file
            raise unreadable(self._path.name, error) from error
        return handle

    def _inside(self, left: int, top: int, width: int, height: int, level: int) -> NDArray[np.uint8]:
        scale, handle = self._scales[level], self._handle
        try:
            region = handle.read_region((round(left * scale), round(top * scale)), level, (width, height))
        except Exception as error:
            self._reopen(handle)
            raise FigureError(f"pixels of {self.name} cannot be decoded: {error}", "replace the file") from error
        pixels = np.asarray(region)
        if (pixels[..., 3] == 255).all():
            return pixels[..., :3]
        return to_rgb(pixels, self.name)

    def _reopen(self, failed: openslide.OpenSlide) -> None:
        """After one damaged tile OpenSlide refuses everything; other threads may still hold the old handle."""
        with self._lock:
            if self._handle is failed:
                self._handle = self._open()

    def close(self) -> None:
        """See `Slide.close`."""
        self._handle.close()


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
