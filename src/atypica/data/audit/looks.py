"""What the pixels of each crop look like, small enough to keep for all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from atypica.core.errors import FigureError
from atypica.core.progress import track
from atypica.data.pixels import pixel_digest
from atypica.data.readers import is_tiff, read_crop, read_header
from atypica.data.stack import Stack

GREY_SIZE = 128
THUMB_SIZE = 32
BLANK_SPREAD = 2.0
"""Standard deviation of the grey thumbnail, in grey levels of 255, below which nothing can be seen."""


@dataclass(frozen=True)
class Looks:
    """What was read of every row.

    Attributes:
        errors: why a row could not be read, None where it could.
        sizes: (rows, 2) width and height, 0 where unread.
        digests: of size and pixels; "" where unread.
        thumbs: (rows, 32, 32) grey bytes.
    """

    errors: list[str | None]
    sizes: NDArray[np.int64]
    digests: list[str]
    thumbs: NDArray[np.uint8]

    @property
    def blank(self) -> NDArray[np.bool_]:
        """Where nothing can be seen, shape (rows,)."""
        return self.thumbs.reshape(len(self.thumbs), -1).std(axis=1) < BLANK_SPREAD

    @property
    def read(self) -> NDArray[np.bool_]:
        """Which rows could be read, shape (rows,)."""
        return np.array([error is None for error in self.errors], dtype=bool)


def look(pool: pd.DataFrame, max_pixels: int) -> Looks:
    """Read every crop of a pool once, with a progress bar."""
    number = len(pool)
    errors: list[str | None] = [None] * number
    digests = [""] * number
    sizes = np.zeros((number, 2), dtype=np.int64)
    thumbs = np.zeros((number, THUMB_SIZE, THUMB_SIZE), dtype=np.uint8)
    for row, pixels in track(_read_all(pool, max_pixels), "reading crops", number):
        if isinstance(pixels, FigureError):
            errors[row] = pixels.message
            continue
        sizes[row] = pixels.shape[1], pixels.shape[0]
        digests[row] = pixel_digest(pixels)
        thumbs[row] = np.asarray(_grey(pixels).resize((THUMB_SIZE, THUMB_SIZE), Image.Resampling.BOX))
    return Looks(errors, sizes, digests, thumbs)


def grey(path: str, page: int | None, max_pixels: int) -> NDArray[np.float32]:
    """One crop in grey at 128x128.

    Raises:
        FigureError: it cannot be read.
    """
    pixels = read_crop(Path(path), page, max_pixels=max_pixels)
    return np.asarray(_grey(pixels).resize((GREY_SIZE, GREY_SIZE), Image.Resampling.BILINEAR), dtype=np.float32)


def page_of(value: object) -> int | None:
    """The page of a row of the pool; None where it has none."""
    return int(value) if isinstance(value, (int, float)) and not math.isnan(value) else None


def _grey(pixels: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(pixels).convert("L")


def _read_all(pool: pd.DataFrame, max_pixels: int) -> Iterator[tuple[int, NDArray[np.uint8] | FigureError]]:
    """Each row with its pixels, or with why they cannot be read; a stack is opened once."""
    stack, opened = None, ""
    try:
        for row, (path, value) in enumerate(zip(pool["path"], pool["page"], strict=True)):
            page = page_of(value)
            try:
                if page is not None and path != opened and is_tiff(read_header(Path(path))):
                    if stack:
                        stack.close()
                    stack, opened = Stack(Path(path)), path
                if stack and path == opened and page is not None:
                    yield row, stack.read(page, max_pixels)
                else:
                    yield row, read_crop(Path(path), page, max_pixels=max_pixels)
            except FigureError as error:
                yield row, error
    finally:
        if stack:
            stack.close()
