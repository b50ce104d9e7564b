"""Where the pixels of each figure come from: files, or arrays in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from atypica.core.errors import FigureError
from atypica.data.figures import Figures
from atypica.data.readers import MAX_PIXELS, decode_crop, is_tiff, read_header, read_plain
from atypica.data.stack import Stack
from atypica.inference.resolution import Origin

OPEN_STACKS = 16
REGION_PX = 1024
"""An image with a longer side and several points on it is a region, not a crop."""


class Place(NamedTuple):
    """Where on a slide a crop was cut, and at which resolution."""

    center: tuple[float, float]
    """The figure in the crop, x and y in its pixels; (0, 0) is the corner of the upper left one."""
    scale: float
    """Pixels of level 0 to one of the crop."""
    mpp: float
    """Micrometers per pixel of level 0."""
    origin: Origin
    """Where that number came from."""
    border: bool
    """Whether the field of view reaches beyond the slide."""


class Crop(NamedTuple):
    """One figure's image as it was read."""

    pixels: NDArray[np.uint8]
    """(height, width, 3) RGB."""
    mpp: float | None
    """What the file says about its micrometers per pixel, if it does."""
    place: Place | None = None
    """Of a crop that was cut from a slide."""


class CropSource(Protocol):
    """Gives the crop of each row of a figure table; may be asked from several threads."""

    def read(self, row: int) -> Crop:
        """The crop of one row.

        Raises:
            FigureError: it cannot be read.
        """
        ...

    def close(self) -> None:
        """Close what is open; it opens again when needed."""
        ...

    def lots(self, count: int, size: int) -> Iterator[Sequence[int]]:
        """Every one of `count` rows once, in lots of about `size` that are best read together, in the best order."""
        return (range(start, min(start + size, count)) for start in range(0, count, size))

    def read_lot(self, rows: Sequence[int]) -> Iterator[tuple[int, Crop | FigureError]]:
        """The crops of a lot, or why one cannot be read, in any order."""
        for row in rows:
            try:
                yield row, self.read(row)
            except FigureError as error:
                yield row, error


class FileCrops(CropSource):
    """The crops of a figure table's files. A stack of many pages is opened once for all of them.

    Args:
        figures: the table.
        max_pixels: a larger image is refused unread.
    """

    def __init__(self, figures: Figures, max_pixels: int = MAX_PIXELS) -> None:
        self._figures = figures
        self._max_pixels = max_pixels
        self._images: list[str | None] = figures.table["image"].tolist()
        self._pages = numbers(figures.table, "page")
        self._x, self._y = numbers(figures.table, "x"), numbers(figures.table, "y")
        self._shared = _shared(figures.table)
        self._stacks = Kept(Stack, OPEN_STACKS)

    def read(self, row: int) -> Crop:
        """See `CropSource.read`."""
        image = self._images[row]
        if image is None or pd.isna(image):
            raise FigureError("the column 'image' is blank", "fill in the path")
        _check_point(self._x[row], self._y[row])
        crop = self._read(self._figures.path(image), _page(self._pages[row]))
        if self._shared[row] and max(crop.pixels.shape) > REGION_PX:
            raise FigureError(f"{image} is a region with several figures", "cut a crop around each point first")
        return crop

    def _read(self, path: Path, page: int | None) -> Crop:
        if path not in self._stacks:
            header = read_header(path)
            if not is_tiff(header):
                return Crop(read_plain(path, header, page, self._max_pixels), None)
        with self._stacks.borrow(path) as stack:
            return Crop(stack.read(page or 0, self._max_pixels), stack.mpp(page or 0))

    def close(self) -> None:
        """See `CropSource.close`."""
        self._stacks.close()


def numbers(table: pd.DataFrame, column: str) -> NDArray[np.float64]:
    """A column of a table as numbers, NaN where it is not there."""
    return table[column].to_numpy(dtype=np.float64) if column in table else np.full(len(table), np.nan)


def _shared(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows are one of several points on the same image."""
    if "x" not in table:
        return np.zeros(len(table), dtype=bool)
    place = [column for column in ("image", "page") if column in table]
    return table.duplicated(place, keep=False).to_numpy(dtype=bool) & table["x"].notna().to_numpy(dtype=bool)


def _page(number: float) -> int | None:
    number = float(number)
    if np.isnan(number):
        return None
    if number < 0 or not number.is_integer():
        raise FigureError(f"there is no page {number:g}", "mend the column 'page' (0 is the first)")
    return int(number)


def _check_point(x: float, y: float) -> None:
    if np.isnan(x) != np.isnan(y):
        raise FigureError(
            f"the figure has {'no x' if np.isnan(x) else 'no y'}, only the other coordinate",
            "fill in both of x and y, or neither",
        )
    if np.isinf(x) or np.isinf(y):
        raise FigureError("a coordinate is infinite", "mend the columns x and y")


class ArrayCrops(CropSource):
    """Crops that are in memory already.

    Args:
        crops: (height, width, 3) RGB bytes each, of any sizes; for one that could not be read, why.
    """

    def __init__(self, crops: Sequence[NDArray[np.uint8] | FigureError]) -> None:
        self._crops = crops

    def read(self, row: int) -> Crop:
        """See `CropSource.read`."""
        crop = self._crops[row]
        if isinstance(crop, FigureError):
            raise crop
        return Crop(crop, None)

    def close(self) -> None:
        """Nothing is open."""


class EncodedCrops(CropSource):
    """Crops that are in memory as the bytes of image files, such as those of a shard.

    Args:
        figures: their table; `figure_id` names them in messages.
        images: each file's bytes; for one that is not there, why.
        max_pixels: a larger image is refused undecoded.
    """

    def __init__(self, figures: Figures, images: Sequence[bytes | FigureError], max_pixels: int = MAX_PIXELS) -> None:
        self._names: list[str] = figures.table["figure_id"].tolist()
        self._images, self._max_pixels = images, max_pixels

    def read(self, row: int) -> Crop:
        """See `CropSource.read`."""
        image = self._images[row]
        if isinstance(image, FigureError):
            raise image
        return Crop(*decode_crop(image, self._names[row], max_pixels=self._max_pixels))

    def close(self) -> None:
        """Nothing is open."""


class Closable(Protocol):
    """What can be closed."""

    def close(self) -> None:
        """Close it."""
        ...


File = TypeVar("File", bound=Closable)


class Kept(Generic[File]):
    """The files opened last; one that is in use is never closed.

    Args:
        opened: opens a file.
        most: how many stay open.
    """

    def __init__(self, opened: Callable[[Path], File], most: int) -> None:
        self._opened, self._most = opened, most
        self._lock = threading.Lock()
        self._open: OrderedDict[Path, File] = OrderedDict()
        self._users: dict[Path, int] = {}

    def __contains__(self, path: Any) -> bool:
        return path in self._open

    @contextmanager
    def borrow(self, path: Path) -> Generator[File]:
        """The open file, for the length of the block.

        Raises:
            FigureError: it cannot be opened.
        """
        with self._lock:
            file = self._open.pop(path, None) or self._opened(path)
            self._open[path] = file
            self._users[path] = self._users.get(path, 0) + 1
        try:
            yield file
        finally:
            with self._lock:
                self._users[path] -= 1
                self._shrink(self._most)

    def close(self) -> None:
        """Close all that no one uses."""
        with self._lock:
            self._shrink(0)

    def _shrink(self, size: int) -> None:
        idle = [path for path in self._open if not self._users.get(path)]
        for path in idle[: max(0, len(self._open) - size)]:
            self._open.pop(path).close()
            del self._users[path]
