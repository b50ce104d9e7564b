"""A region as a picture (PNG, JPEG and others): decoded whole, so only up to a limit of pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from atypica.data.readers import OTHER_FORMATS, PNG, no_limit_of_pillow, read_plain
from atypica.data.slide.handle import Slide


class PictureSlide(Slide):
    """A picture in memory. It has one level, and does not say its resolution.

    Raises:
        FigureError: it cannot be decoded, or is larger than `max_pixels`.
    """

    def __init__(self, path: Path, header: bytes, max_pixels: int) -> None:
        self._pixels = read_plain(path, header, None, max_pixels)
        height, width = self._pixels.shape[:2]
        super().__init__(path.name, [(width, height)], None)

    def _inside(self, left: int, top: int, width: int, height: int, level: int) -> NDArray[np.uint8]:
        return self._pixels[top : top + height, left : left + width]

    def close(self) -> None:
        """Nothing is open."""


def picture_size(path: Path, header: bytes) -> tuple[int, int] | None:
    """Width and height from the header alone; None where it is damaged."""
    if header.startswith(PNG):
        return int.from_bytes(header[16:20], "big"), int.from_bytes(header[20:24], "big")
    try:
        with path.open("rb") as handle, no_limit_of_pillow():
            return Image.open(handle, formats=OTHER_FORMATS).size
    except Exception:  # decoders fail in many ways
        return None
