"""Embeddings as a Parquet table, written while they come."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from atypica.core.errors import SettingsError
from atypica.core.files import atomic_path
from atypica.core.tables import PARQUET
from atypica.data.figures import KEYS, Figures
from atypica.models.embedding.embed import Embedded
from atypica.models.embedding.encoder import Encoder

COLUMNS = ("row", "view", "mpp", "embedding", "error")
"""Beside the keys of the figure: its position in the source, the view, the resolution, the vector or why it lacks."""
_NUMBERS = {"page", "x", "y"}


def check_embeddings_name(path: Path) -> None:
    """Refuse a name that is not Parquet's, before there is anything to write.

    Raises:
        SettingsError: another suffix than .parquet or .pq.
    """
    if path.suffix.lower() not in PARQUET:
        raise SettingsError(f"embeddings cannot be written to {path}", "let --out end in .parquet")


@dataclass
class EmbeddingTable:
    """The table while it is written: one row a figure and view; a figure that could not be read has one row."""

    writer: pq.ParquetWriter
    figures: Figures
    width: int

    def add(self, part: Embedded) -> None:
        """Write some figures, in the order of their rows."""
        rows: list[dict[str, Any]] = []
        for row, vectors in part.vectors.items():
            mpp = part.known[row][0]
            rows += [{"row": row, "view": view, "mpp": mpp, "embedding": v} for view, v in enumerate(vectors)]
        rows += [{"row": row, "error": error} for row, error in part.errors.items()]
        rows.sort(key=lambda entry: entry["row"])
        if rows:
            self.writer.write_table(self._table(rows))

    def _table(self, rows: list[dict[str, Any]]) -> Any:
        positions = [entry["row"] for entry in rows]
        keys = self.figures.table.iloc[positions]
        columns = {name: pa.array(keys[name].tolist(), self._type(name), from_pandas=True) for name in self._keys()}
        for name in COLUMNS[:-2]:
            columns[name] = pa.array([entry.get(name) for entry in rows], self._type(name))
        columns["embedding"] = self._vectors([entry.get("embedding") for entry in rows])
        columns["error"] = pa.array([entry.get("error") for entry in rows], pa.string())
        return pa.table(columns, schema=self.writer.schema)

    def _vectors(self, vectors: list[Any]) -> Any:
        blank = np.zeros(self.width, dtype=np.float32)
        flat = np.concatenate([blank if vector is None else vector for vector in vectors])
        mask = pa.array([vector is None for vector in vectors])
        return pa.FixedSizeListArray.from_arrays(pa.array(flat), self.width, mask=mask)

    def _keys(self) -> list[str]:
        return [name for name in KEYS if name in self.figures.table]

    def _type(self, name: str) -> Any:
        return column_type(name, self.width)


def column_type(name: str, width: int) -> Any:
    """The type of a column in Arrow."""
    if name == "embedding":
        return pa.list_(pa.float32(), width)
    if name in {"row", "view"}:
        return pa.int64()
    return pa.float64() if name == "mpp" or name in _NUMBERS else pa.string()


@contextmanager
def embedding_table(path: Path, figures: Figures, encoder: Encoder) -> Generator[EmbeddingTable]:
    """A table that appears whole when the block ends; the encoder is described in the file's metadata.

    Raises:
        OutputError: it cannot be written.
    """
    described = {
        "backbone": encoder.name,
        "fingerprint": encoder.fingerprint,
        "field_um": encoder.geometry.field_um,
        "size_px": encoder.geometry.size_px,
        "precision": encoder.precision,
    }
    names = [*(name for name in KEYS if name in figures.table), *COLUMNS]
    fields = [pa.field(name, column_type(name, encoder.width)) for name in names]
    schema = pa.schema(fields, metadata={"atypica": json.dumps(described)})
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        yield EmbeddingTable(writer, figures, encoder.width)
