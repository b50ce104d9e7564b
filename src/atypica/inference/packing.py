"""Figures of any source packed into shards: the bytes of their files as they are, crops cut from slides."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from atypica.core.errors import FigureError, OutputError, SettingsError
from atypica.core.files import write_json
from atypica.core.progress import ProgressBar
from atypica.data.figures import Figures
from atypica.data.readers import is_tiff, read_header
from atypica.data.shards.write import SUFFIXES, Packed, ShardFormat, write_shard
from atypica.data.sources.image import IMAGE_SUFFIXES
from atypica.data.stack import Stack
from atypica.inference.card import Geometry
from atypica.inference.crop_sources import on_slides
from atypica.inference.crops import FileCrops, numbers
from atypica.inference.preprocess import resample
from atypica.inference.resolution import Resolution
from atypica.inference.slide_crops import SlideCrops

SIZE = 10_000
FIELD_UM = 64.0
"""Side of what is cut around a point on a slide: twice the usual crop, so that other models find their field too."""
FINEST = Geometry(field_um=FIELD_UM, size_px=1_000_000)
"""A field so fine that crops are cut from level 0."""
RECORD = ".atypica-pack.json"
"""Hidden, so that the folder holds nothing but shards."""


class PackDone(NamedTuple):
    """What became of packing.

    Attributes:
        files: the shards.
        kept: how many of them an earlier, stopped call had written.
        errors: `figure_id` to the reason why a figure has no image in its shard.
    """

    files: tuple[Path, ...]
    kept: int
    errors: dict[str, str]


def pack(
    figures: Figures,
    out: Path,
    format_: ShardFormat = "parquet",
    *,
    size: int = SIZE,
    repeat: int = 1,
    mpp: float | None = None,
) -> PackDone:
    """Write figures as shards. Shards that are there from an earlier, stopped call are kept.

    Args:
        figures: the source.
        out: the folder.
        format_: Parquet and tar keep all columns, a TIFF stack none but the resolution.
        size: figures a shard.
        repeat: how often all figures are written, each time with other ids: to try what many figures cost.
        mpp: micrometers per pixel of slides that do not say it.

    Raises:
        SettingsError: a number that is not possible, or `out` holds shards that were packed otherwise.
        SourceError: a TIFF stack cannot hold a figure.
        OutputError: a shard cannot be written.
    """
    if size < 1 or repeat < 1:
        raise SettingsError(f"--size {size} --repeat {repeat} is not possible", "give 1 or more")
    total = len(figures) * repeat
    _claim(out, {"source": figures.name, "figures": total, "size": size, "format": format_, "mpp": mpp})
    packing = _Packing(figures, mpp)
    columns = figures.table.assign(**{name: figures.table.get(name) for name in ("slide", "mpp")}).astype(
        {"mpp": float}
    )
    files = [out / f"figures-{number:05}{SUFFIXES[format_]}" for number in range(-(-total // size))]
    errors: dict[str, str] = {}
    kept = 0
    with ProgressBar("packing", total) as bar:
        for number, file in enumerate(files):
            rows = np.arange(number * size, min((number + 1) * size, total))
            if file.exists():
                kept += 1
            else:
                write_shard(packing.rows(rows, errors), file, format_, columns)
            bar.advance(len(rows))
    return PackDone(tuple(files), kept, errors)


def _claim(out: Path, made_by: dict[str, Any]) -> None:
    """Refuse a folder with shards that were packed otherwise; note how these are packed."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        there = any(out.iterdir())
    except OSError as error:
        raise OutputError(f"cannot make the folder {out}: {error.strerror}", "choose another --out") from error
    earlier: Any = None
    with suppress(OSError, ValueError):
        earlier = json.loads((out / RECORD).read_text(encoding="utf-8"))
    if there and earlier != made_by:
        raise SettingsError(f"{out} holds other files, or shards that were packed otherwise", "choose another --out")
    write_json(out / RECORD, made_by)


class _Packing:
    """Gives figures as they go into shards.

    Args:
        figures: the source.
        mpp: micrometers per pixel of slides that do not say it.
    """

    def __init__(self, figures: Figures, mpp: float | None) -> None:
        self._figures, self._on = figures, on_slides(figures)
        self._pages = numbers(figures.table, "page")
        self._files = FileCrops(figures)
        self._slides = SlideCrops(figures, Resolution(figures, mpp), FINEST)

    def rows(self, places: NDArray[np.int64], errors: dict[str, str]) -> Iterator[Packed]:
        """Some figures in order; a place beyond the table is a figure once more, under another id."""
        count = len(self._figures)
        table = self._figures.table.iloc[places % count].astype(object)
        records = table.where(table.notna(), None).to_dict("records")
        for place, record in zip(places.tolist(), records, strict=True):
            columns = {str(name): value for name, value in record.items()}
            copy, row = divmod(place, count)
            columns["figure_id"] += f" copy {copy}" if copy else ""
            try:
                yield self._cut(columns, row) if self._on[row] else self._file(columns, row)
            except FigureError as error:
                errors[columns["figure_id"]] = error.message
                yield Packed(columns, None, ".png")

    def _cut(self, columns: dict[str, Any], row: int) -> Packed:
        """A crop from a slide, the figure in its middle; its place on the slide is no longer the crop's."""
        crop = self._slides.read(row)
        assert crop.place is not None
        side = 2 * round(FIELD_UM / crop.place.mpp / 2)
        center = (round(crop.place.center[0]), round(crop.place.center[1]))
        pixels = resample(crop.pixels, 1.0, Geometry(field_um=side, size_px=side), center=center)
        known = {"mpp": crop.place.mpp, "slide": columns.get("slide") or columns["image"]}
        return Packed({**columns, **known}, bytes(imagecodecs.png_encode(pixels)), ".png")

    def _file(self, columns: dict[str, Any], row: int) -> Packed:
        """A file as it is; of a stack, the page that is meant."""
        if columns["image"] is None:
            raise FigureError("the column 'image' is blank", "fill in the path")
        path = self._figures.path(columns["image"])
        if np.isnan(self._pages[row]) and _pages(path) == 1:
            suffix = path.suffix.lower()
            return Packed(columns, path.read_bytes(), suffix if suffix in IMAGE_SUFFIXES else ".png")
        crop = self._files.read(row)
        known = {"mpp": columns.get("mpp") or crop.mpp}
        return Packed({**columns, **known}, bytes(imagecodecs.png_encode(crop.pixels)), ".png")


def _pages(path: Path) -> int:
    if not is_tiff(read_header(path)):
        return 1
    with Stack(path) as stack:
        return len(stack)
