"""One crop from an image file, whatever its kind; the kind is told by the content, not by the name."""

from __future__ import annotations

import io
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from atypica.core.errors import FigureError
from atypica.data.pixels import WHITE, to_rgb
from atypica.data.stack import Stack, check_size, unreadable

MAX_PIXELS = 64_000_000
"""The largest image that is decoded unless the person allows more (a decompression bomb is refused unread)."""
HEADER = 32
BYTE, WORD = 255, 65_535
PNG = b"\x89PNG\r\n\x1a\n"
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
OTHER_FORMATS = ("JPEG", "BMP", "WEBP", "JPEG2000", "GIF")
_pillow_limit = threading.Lock()


def read_crop(path: Path, page: int | None = None, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Read one image as RGB: PNG, TIFF, JPEG, JPEG 2000, WebP, BMP or GIF; 1, 8 or 16 bits; grey, RGB, with alpha
    (laid on white), palette or CMYK.

    Args:
        path: the file.
        page: which page of a TIFF stack, counted from 0; None for the first.
        max_pixels: an image of more pixels is refused before it is decoded.

    Returns:
        (height, width, 3).

    Raises:
        FigureError: missing, empty, no image, damaged, or too large. The message names the file, not its folder.
    """
    header = read_header(path)
    if is_tiff(header):
        with Stack(path) as stack:
            return stack.read(page or 0, max_pixels)
    return read_plain(path, header, page, max_pixels)


def read_plain(path: Path, header: bytes, page: int | None, max_pixels: int) -> NDArray[np.uint8]:
    """`read_crop` for a file that is no TIFF and whose first bytes are `header`."""
    if page:
        raise FigureError(f"{path.name} has one page, no page {page}", "mend the column 'page'")
    try:
        with path.open("rb") as handle:
            return _decoded(handle, path.name, header, max_pixels)
    except FigureError:
        raise
    except Exception as error:  # decoders fail in many ways
        raise unreadable(path.name, error) from error


def decode_crop(data: bytes, name: str, *, max_pixels: int = MAX_PIXELS) -> tuple[NDArray[np.uint8], float | None]:
    """`read_crop` of a file's bytes that are in memory already.

    Args:
        data: the whole file; a TIFF has one page.
        name: what to call it in messages.
        max_pixels: as for `read_crop`.

    Returns:
        (height, width, 3), and the micrometers per pixel that a TIFF's resolution tag gives, if it is one and does.

    Raises:
        FigureError: as `read_crop` does, and a TIFF of several pages.
    """
    if not data:
        raise FigureError(f"{name} is empty (0 bytes)", "pack it again")
    if is_tiff(data):
        with Stack(io.BytesIO(data), name) as stack:
            if len(stack) > 1:
                raise FigureError(f"{name} has {len(stack)} pages", "give each figure an image of its own")
            return stack.read(0, max_pixels), stack.mpp()
    try:
        return _decoded(io.BytesIO(data), name, data[:HEADER], max_pixels), None
    except FigureError:
        raise
    except Exception as error:  # decoders fail in many ways
        raise unreadable(name, error) from error


def read_header(path: Path) -> bytes:
    """The first bytes of a file.

    Raises:
        FigureError: missing, a folder, empty, or not allowed.
    """
    try:
        with path.open("rb") as handle:
            header = handle.read(HEADER)
    except FileNotFoundError as error:
        raise FigureError(f"there is no file {path.name}", "mend the path, or bring the file") from error
    except (OSError, ValueError) as error:  # the latter for a path with a null byte
        raise unreadable(path.name, error) from error
    if not header:
        raise FigureError(f"{path.name} is empty (0 bytes)", "copy the file again")
    return header


def is_tiff(header: bytes) -> bool:
    """Whether a file that starts with `header` is a TIFF or BigTIFF."""
    return header.startswith(TIFF)


def _decoded(handle: BinaryIO, name: str, header: bytes, max_pixels: int) -> NDArray[np.uint8]:
    if header.startswith(PNG):
        width, height = (int.from_bytes(header[start : start + 4], "big") for start in (16, 20))
        check_size(name, width, height, max_pixels)
        return to_rgb(imagecodecs.png_decode(handle.read()), name)
    try:
        with no_limit_of_pillow():
            image = Image.open(handle, formats=OTHER_FORMATS)
    except Image.UnidentifiedImageError:
        raise FigureError(f"{name} is not an image", "remove it, or save it as PNG") from None
    check_size(name, *image.size, max_pixels)
    return rgb_of_image(image, name)


@contextmanager
def no_limit_of_pillow() -> Generator[None]:
    """Pillow's own limit is global and cannot be raised for one call; `check_size` stands in for it."""
    with _pillow_limit:
        usual, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = usual


def rgb_of_image(image: Image.Image, name: str) -> NDArray[np.uint8]:
    """A Pillow image of any mode as (height, width, 3) RGB bytes.

    Grey of more than 8 bits (`I;16`, and `I` where it holds 16 bits) is scaled as 16 bits are in `to_rgb`.

    Args:
        image: may be opened and not loaded yet.
        name: what to call it in messages.

    Raises:
        FigureError: it cannot be decoded, or its mode does not say what is black and what is white.
    """
    try:
        image.load()
        return _rgb_of_loaded(image, name)
    except FigureError:
        raise
    except Exception as error:  # decoders fail in many ways
        raise unreadable(name, error) from error


def _rgb_of_loaded(image: Image.Image, name: str) -> NDArray[np.uint8]:
    if image.mode.startswith("I"):
        return to_rgb(_sixteen_bits(np.asarray(image), name), name)
    if image.mode == "F":
        return to_rgb(np.asarray(image), name)
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, (WHITE,) * 4)
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return np.asarray(image.convert("RGB"))


def _sixteen_bits(pixels: NDArray[Any], name: str) -> NDArray[np.uint16]:
    """Whole numbers of up to 32 bits as 16 bits, where they can be nothing else."""
    low, high = int(pixels.min()), int(pixels.max())
    if pixels.itemsize > 2 and not (low >= 0 and BYTE < high <= WORD):
        raise FigureError(
            f"{name} holds whole numbers from {low} to {high}, which may be of 8, 16 or 32 bits",
            "convert it to Pillow's mode 'L' (8 bits) or 'I;16' (16 bits) first",
        )
    return pixels.astype(np.uint16)
