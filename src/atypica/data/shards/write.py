"""Shards written, whole or not at all, one figure after the other."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import tifffile

from atypica.core.errors import FigureError, SourceError
from atypica.core.files import atomic_path
from atypica.data.readers import decode_crop
from atypica.data.shards.parquet import BYTES

ShardFormat = Literal["parquet", "tar", "tiff"]
SUFFIXES: dict[ShardFormat, str] = {"parquet": ".parquet", "tar": ".tar", "tiff": ".tif"}
ROW_GROUP = 1024
CM_UM = 10_000


class Packed(NamedTuple):
    """A figure as it goes into a shard.

    Attributes:
        columns: of the figure table; what is blank is None.
        image: the bytes of its image file; None where there are none.
        suffix: of such a file.
    """

    columns: dict[str, Any]
    image: bytes | None
    suffix: str


def write_shard(figures: Iterable[Packed], target: Path, format_: ShardFormat, columns: pd.DataFrame) -> None:
    """Write one shard.

    Args:
        figures: those that go into it.
        target: the file.
        format_: of the file.
        columns: the figure table that they are of; all shards have its columns, in the same types.

    Raises:
        SourceError: a stack cannot hold a figure, as its image cannot be decoded.
        OutputError: it cannot be written.
    """
    writers: dict[ShardFormat, Callable[[Iterable[Packed], Path], None]] = {
        "parquet": lambda some, path: _parquet(some, path, shard_schema(columns)),
        "tar": _tar,
        "tiff": _tiff,
    }
    with atomic_path(target) as temporary:
        writers[format_](figures, temporary)


def shard_schema(columns: pd.DataFrame) -> Any:
    """Of Parquet shards: the columns of a figure table as text, numbers and flags, and the images' bytes."""
    types = {"f": pa.float64(), "i": pa.int64(), "b": pa.bool_()}
    fields = [(str(name), types.get(columns[name].dtype.kind, pa.string())) for name in columns]
    return pa.schema([*fields, (BYTES, pa.binary())])


def _parquet(figures: Iterable[Packed], path: Path, schema: Any) -> None:
    names = [name for name in schema.names if name != BYTES]
    # Images are compressed already, and no two are alike.
    how: dict[str, Any] = {
        "compression": {BYTES: "none", **dict.fromkeys(names, "zstd")},
        "use_dictionary": names,
        "write_statistics": names,
    }
    with pq.ParquetWriter(path, schema, **how) as file:
        rows: list[dict[str, Any]] = []
        for figure in figures:
            rows.append({**figure.columns, BYTES: figure.image})
            if len(rows) == ROW_GROUP:
                file.write_table(pa.Table.from_pylist(rows, schema))
                rows = []
        if rows:
            file.write_table(pa.Table.from_pylist(rows, schema))


def _tar(figures: Iterable[Packed], path: Path) -> None:
    with tarfile.open(path, "w") as file:
        for number, figure in enumerate(figures):
            known = {name: value for name, value in figure.columns.items() if value is not None}
            _add(file, f"{number:08}{figure.suffix}", figure.image or b"")
            _add(file, f"{number:08}.json", json.dumps(known, ensure_ascii=False).encode())


def _add(file: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    file.addfile(info, io.BytesIO(data))


def _tiff(figures: Iterable[Packed], path: Path) -> None:
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        for figure in figures:
            name = str(figure.columns["figure_id"])
            try:
                pixels, tag = decode_crop(figure.image or b"", name)
            except FigureError as error:
                raise SourceError(
                    f"a stack has a page for every figure, but {error.message}", "mend it, or pack Parquet or tar"
                ) from error
            mpp = figure.columns.get("mpp") or tag
            known: dict[str, Any] = {"resolution": (CM_UM / mpp,) * 2, "resolutionunit": "CENTIMETER"} if mpp else {}
            file.write(pixels, photometric="rgb", compression="zlib", metadata=None, contiguous=False, **known)
