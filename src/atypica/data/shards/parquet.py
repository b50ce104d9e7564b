"""Parquet files of figures, with the bytes of their images or with their paths."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from atypica.core.errors import FigureError, SourceError
from atypica.data.shards.shard import COLUMNS, MOST_BYTES, Rows, ShardFile, Span, even_spans

PARQUET_SUFFIXES = {".parquet", ".pq"}
BYTES = "image_bytes"
BUFFER = 2**20
"""Read ahead of each column: without it, the images of a whole row group would be held."""


@dataclass(frozen=True)
class ParquetShard(ShardFile):
    """A Parquet file: the columns of a figure table, and the images' files as bytes in `image_bytes` or in `image`.

    `image` may also be the struct of Hugging Face's data sets, {bytes, path}. Without bytes it holds paths, relative to
    the file's folder.
    """

    def spans(self, size: int) -> Iterator[Span]:
        """See `Shard.spans`."""
        try:
            rows = pq.read_metadata(self.path).num_rows
        except (pa.ArrowException, OSError) as error:
            raise self.unreadable(error) from error
        return even_spans(rows, size)

    def read(self, span: Span, step: int) -> Iterator[Rows]:
        """See `Shard.read`."""
        try:
            with pq.ParquetFile(self.path, buffer_size=BUFFER, pre_buffer=False) as file:
                source = _bytes_column(file.schema_arrow)
                if source is None and "image" not in file.schema_arrow.names:
                    raise SourceError(f"{self.name} has no column '{BYTES}' or 'image'", "name the column of images so")
                columns = [str(name) for name in file.schema_arrow.names if name in {*COLUMNS, source}]
                for start, batch in _batches(file, span, step, columns):
                    yield self._rows(start, batch, source)
        except (pa.ArrowException, OSError) as error:
            raise self.unreadable(error) from error

    def _rows(self, start: int, batch: Any, source: str | None) -> Rows:
        places = [f"{self.name}#{row}" for row in range(start, start + batch.num_rows)]
        columns = {name: batch.column(name) for name in batch.schema.names}
        images = None
        if source is not None:
            found, paths = _split(columns.pop(source))
            images = [_image(data, place) for data, place in zip(found, places, strict=True)]
            if paths is not None:
                columns["image"] = paths
        table = pd.DataFrame({name: _values(column) for name, column in columns.items()}, range(batch.num_rows))
        return Rows(self.figures(table, places), images)


def holds_images(path: Path) -> bool:
    """Whether a Parquet file has a column of image bytes; not where it cannot be read."""
    with suppress(pa.ArrowException, OSError):
        return _bytes_column(pq.read_schema(path)) is not None
    return False


def _bytes_column(schema: Any) -> str | None:
    """The column that the images' bytes are in."""
    return next(
        (name for name in (BYTES, "image") if name in schema.names and _is_bytes(schema.field(name).type)), None
    )


def _is_bytes(type_: Any) -> bool:
    if pa.types.is_struct(type_):
        at = type_.get_field_index("bytes")
        return at >= 0 and _is_bytes(type_.field(at).type)
    return pa.types.is_binary(type_) or pa.types.is_large_binary(type_)


def _batches(file: pq.ParquetFile, span: Span, step: int, columns: list[str]) -> Iterator[tuple[int, Any]]:
    """The batches of a range, each with the number of its first row, from the row groups that it touches."""
    groups: list[int] = []
    first, end = 0, 0
    for group in range(file.num_row_groups):
        begin, end = end, end + file.metadata.row_group(group).num_rows
        if begin < span.stop and end > span.start:
            first = first if groups else begin
            groups.append(group)
    for batch in file.iter_batches(step, row_groups=groups, columns=columns, use_threads=False):
        begin, end = max(first, span.start), min(first + batch.num_rows, span.stop)
        if begin < end:
            yield begin, batch.slice(begin - first, end - begin)
        first += batch.num_rows


def _values(column: Any) -> Any:
    """As pandas knows them; whole numbers beside blanks stay whole, or long ids would become alike."""
    return column.to_pandas(integer_object_nulls=True)


def _split(column: Any) -> tuple[list[bytes | None], Any]:
    """The bytes of images, and their paths where the column has them."""
    if not pa.types.is_struct(column.type):
        return column.to_pylist(), None
    names = [field.name for field in column.type]
    return column.field("bytes").to_pylist(), column.field("path") if "path" in names else None


def _image(data: bytes | None, place: str) -> bytes | FigureError:
    if data is None:
        return FigureError(f"{place} has no image", "fill in its bytes")
    if len(data) > MOST_BYTES:
        return FigureError(f"{place} is an image of {len(data):,} bytes, more than {MOST_BYTES:,}", "pack crops")
    return data
