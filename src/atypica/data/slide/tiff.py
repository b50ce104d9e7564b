"""TIFF and OME-TIFF of any size without OpenSlide: only the tiles or strips that are asked for are decoded."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile
from numpy.typing import NDArray

from atypica.core.errors import FigureError
from atypica.data.pixels import WHITE, to_rgb
from atypica.data.readers import MAX_PIXELS
from atypica.data.slide.handle import Slide, one_mpp
from atypica.data.stack import Stack, check_segment, check_size, color, unreadable

CACHE_BYTES = 64 * 2**20
MOST_BYTES = 2**28
"""A tile or strip whose compressed bytes are more is refused."""
REDUCED = 1
"""The bit of NewSubfileType that marks a smaller copy of another page (TIFF 6.0, page 36)."""
VENDORS = {"is_svs": "Aperio", "is_ndpi": "Hamamatsu", "is_scn": "Leica", "is_bif": "Ventana", "is_ome": "OME"}
UM = {"µm": 1.0, "um": 1.0, "mm": 1000.0, "nm": 0.001, "cm": 10_000.0}
"""Micrometers in the units of PhysicalSizeX (OME schema 2016-06)."""


class TiffSlide(Slide):
    """A plain, pyramidal or OME-TIFF: tiled, in strips, or as one block of plain bytes.

    Levels are those of the first image: SubIFDs, or the following pages that are marked as smaller copies.

    Raises:
        FigureError: it cannot be opened, or its colors lie in separate planes.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._tiles: OrderedDict[tuple[int, int], NDArray[np.uint8]] = OrderedDict()
        self._held = 0
        try:
            self._file = tifffile.TiffFile(path)
            self._pages = levels(self._file)
        except Exception as error:  # a damaged TIFF fails in many ways
            raise unreadable(path.name, error) from error
        self._plain = self._plain_bytes(path)
        for level, page in enumerate(self._pages):
            if level not in self._plain:
                _check_page(path.name, page)
        mpp = ome_mpp(self._file) if self._file.is_ome else None
        if mpp is None:
            with Stack(path) as stack:
                mpp = stack.mpp()
        super().__init__(path.name, [(page.imagewidth, page.imagelength) for page in self._pages], mpp)

    def _inside(self, left: int, top: int, width: int, height: int, level: int) -> NDArray[np.uint8]:
        page = self._pages[level]
        if level in self._plain:
            part = self._plain[level][top : top + height, left : left + width]
            return np.ascontiguousarray(to_rgb(color(page, part), self.name))
        wide, high = _segment(page)
        across = -(-page.imagewidth // wide)
        pixels = np.empty((height, width, 3), dtype=np.uint8)
        for row in range(top // high, (top + height - 1) // high + 1):
            for column in range(left // wide, (left + width - 1) // wide + 1):
                tile = self._tile(level, row * across + column)
                _paste(tile, pixels, (row * high - top, column * wide - left))
        return pixels

    def _plain_bytes(self, path: Path) -> dict[int, NDArray[Any]]:
        """The levels that lie in the file as plain bytes, mapped and not read: they may be one strip of any size."""
        try:
            for page in self._pages:
                if page.is_memmappable and page.dataoffsets[0] + math.prod(page.shape) > path.stat().st_size:
                    raise FigureError(f"{path.name} is cut short, or its size is wrong", "copy the file again")
            return {
                level: np.memmap(path, np.uint8, "r", page.dataoffsets[0], page.shape)
                for level, page in enumerate(self._pages)
                if page.is_memmappable and not page.is_tiled and page.dtype == np.uint8
            }
        except FigureError:
            raise
        except Exception as error:  # a damaged table of contents fails in many ways
            raise unreadable(path.name, error) from error

    def _tile(self, level: int, index: int) -> NDArray[np.uint8]:
        with self._lock:
            if (level, index) in self._tiles:
                self._tiles.move_to_end((level, index))
                return self._tiles[level, index]
        tile = self._decode(level, index)
        with self._lock:
            if (level, index) not in self._tiles:
                self._tiles[level, index] = tile
                self._held += tile.nbytes
            while self._held > CACHE_BYTES and len(self._tiles) > 1:
                self._held -= self._tiles.popitem(last=False)[1].nbytes
        return tile

    def _decode(self, level: int, index: int) -> NDArray[np.uint8]:
        page = self._pages[level]
        try:
            data = self._bytes(page, index)
            if data is None:
                return np.full((*_segment(page)[::-1], 3), WHITE, dtype=np.uint8)
            check_segment(self.name, page, data, MAX_PIXELS)
            decoded = page.decode(data, index, jpegtables=page.jpegtables, jpegheader=page.jpegheader)[0]
            assert decoded is not None
            return np.ascontiguousarray(to_rgb(color(page, decoded[0]), self.name))
        except FigureError:
            raise
        except Exception as error:  # decoders fail in many ways
            raise FigureError(f"pixels of {self.name} cannot be decoded: {error}", "replace the file") from error

    def _bytes(self, page: tifffile.TiffPage, index: int) -> bytes | None:
        """The compressed bytes of a tile; None where it was left out of the file."""
        start, length = page.dataoffsets[index], page.databytecounts[index]
        if not start or not length:
            return None
        if length > MOST_BYTES or start + length > self._file.filehandle.size:
            raise FigureError(f"{self.name} is cut short, or its table of tiles is wrong", "copy the file again")
        with self._lock:
            self._file.filehandle.seek(start)
            return self._file.filehandle.read(length)

    def close(self) -> None:
        """See `Slide.close`."""
        self._file.close()
        self._tiles.clear()
        self._plain.clear()


def levels(file: tifffile.TiffFile) -> list[tifffile.TiffPage]:
    """The pages of a file's first image, the finest first."""
    first = file.pages[0].aspage()
    if first.subifds:
        others = [page.aspage() for page in first.pages or ()]
    else:
        others = [page for page in (page.aspage() for page in list(file.pages)[1:]) if page.subfiletype & REDUCED]
    smaller = [page for page in others if _is_smaller(first, page)]
    return [first, *sorted(smaller, key=_width, reverse=True)]


def _width(page: tifffile.TiffPage) -> int:
    return page.imagewidth


def _is_smaller(first: tifffile.TiffPage, page: tifffile.TiffPage) -> bool:
    """Whether a page is a smaller copy of the first by its shape; the pictures of label and box are not."""
    scale = first.imagewidth / page.imagewidth
    return (
        scale > 1
        and page.is_tiled == first.is_tiled
        and abs(first.imagelength / scale - page.imagelength) <= 1 + page.imagelength / 100
    )


def _check_page(name: str, page: tifffile.TiffPage) -> None:
    if page.samplesperpixel > 1 and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
        raise FigureError(f"{name} keeps its colors in separate planes", "save it with interleaved RGB")
    check_size(f"a {'tile' if page.is_tiled else 'strip'} of {name}", *_segment(page), MAX_PIXELS)
    wide, high = _segment(page)
    needed = -(-page.imagewidth // wide) * -(-page.imagelength // high)
    if len(page.dataoffsets) < needed or len(page.databytecounts) < needed:
        raise FigureError(f"{name} lacks {needed - len(page.dataoffsets)} of {needed} tiles", "copy the file again")


def _segment(page: tifffile.TiffPage) -> tuple[int, int]:
    """Width and height of a tile or strip."""
    if page.is_tiled:
        return page.tilewidth, page.tilelength
    return page.imagewidth, min(page.rowsperstrip, page.imagelength)


def _paste(tile: NDArray[np.uint8], pixels: NDArray[np.uint8], at: tuple[int, int]) -> None:
    """Copy the part of a tile that lies on `pixels`, the tile's corner being `at` (row, column)."""
    here, there = zip(
        *(
            (slice(max(0, start), min(length, start + side)), slice(max(0, -start), max(0, min(side, length - start))))
            for start, length, side in zip(at, pixels.shape[:2], tile.shape[:2], strict=True)
        ),
        strict=True,
    )
    pixels[here] = tile[there]


def ome_mpp(file: tifffile.TiffFile) -> float | None:
    """PhysicalSizeX and PhysicalSizeY of the first image in micrometers, if it has both."""
    try:
        root = ElementTree.fromstring(file.ome_metadata or "")
    except ElementTree.ParseError:
        return None
    pixels = next((part for part in root.iter() if part.tag.rsplit("}", 1)[-1] == "Pixels"), None)
    return None if pixels is None else one_mpp(_physical(pixels.attrib, "X"), _physical(pixels.attrib, "Y"))


def _physical(values: dict[str, Any], axis: str) -> float | None:
    try:
        return float(values[f"PhysicalSize{axis}"]) * UM[values.get(f"PhysicalSize{axis}Unit", "µm")]
    except (KeyError, ValueError):
        return None


def vendor_of(path: Path) -> str:
    """Whose TIFF a file is; "" for a plain one, or where that cannot be told."""
    try:
        with tifffile.TiffFile(path) as file:
            return next((vendor for flag, vendor in VENDORS.items() if getattr(file, flag)), "")
    except Exception:  # a damaged TIFF fails in many ways
        return ""


def tiff_size(path: Path) -> tuple[int, int] | None:
    """Width and height of the first page; None where it is damaged."""
    try:
        with tifffile.TiffFile(path) as file:
            first = file.pages[0].aspage()
            return first.imagewidth, first.imagelength
    except Exception:
        return None
