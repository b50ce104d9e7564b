"""The file of a part: predictions in columns that are the same in all parts, and what is known beside them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from atypica.core.files import atomic_path
from atypica.data.figures import DETECTION, KEYS
from atypica.inference.predictions import COLUMNS
from atypica.inference.resolution_tally import ResolutionTally

_KNOWN = b"atypica"
_WHOLE = {"page"}
_NUMBERS = {"x", "y", "detection_score", "threshold", "uncertainty", "ood"}
_FLAGS = {"abstain", "border", "in_training", "counted"}


def _type(name: str) -> Any:
    if name in _WHOLE:
        return pa.int64()
    if name in _FLAGS:
        return pa.bool_()
    return pa.float64() if name in _NUMBERS or name.startswith("p_") else pa.string()


SCHEMA = pa.schema([(name, _type(name)) for name in (*KEYS, *DETECTION, *COLUMNS)])
"""Of every part, whatever its source has: what is not known is null."""


@dataclass(frozen=True)
class PartRecord:
    """What a part's file says beside its rows.

    Attributes:
        identity: of `Part.identity`.
        resolutions: that were taken.
    """

    identity: str
    resolutions: ResolutionTally


def write_part(tables: Iterable[pd.DataFrame], record: PartRecord, path: Path) -> None:
    """Write the predictions of a part, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    known = json.dumps({"identity": record.identity, "resolutions": record.resolutions.to_json()})
    schema = SCHEMA.with_metadata({_KNOWN: known.encode()})
    table = pa.concat_tables([_table(predictions) for predictions in tables])
    with atomic_path(path) as temporary:
        pq.write_table(table.replace_schema_metadata(schema.metadata), temporary, compression="zstd")


def _table(predictions: pd.DataFrame) -> Any:
    count = len(predictions)
    return pa.table([_column(predictions, field, count) for field in SCHEMA], schema=SCHEMA)


def _column(predictions: pd.DataFrame, field: Any, count: int) -> Any:
    if field.name not in predictions:
        return pa.nulls(count, field.type)
    if field.name in _WHOLE:
        numbers = predictions[field.name].to_numpy(dtype=np.float64, na_value=np.nan)
        whole = numbers % 1 == 0
        return pa.array(np.where(whole, numbers, 0).astype(np.int64), mask=~whole)
    return pa.Array.from_pandas(predictions[field.name], type=field.type)


def read_record(path: Path) -> PartRecord | None:
    """What a part's file says beside its rows; None where there is none, or it cannot be read."""
    with suppress(OSError, pa.ArrowException, KeyError, ValueError, TypeError):
        known = json.loads((pq.read_schema(path).metadata or {})[_KNOWN])
        return PartRecord(str(known["identity"]), ResolutionTally.from_json(known["resolutions"]))
    return None


def read_part(path: Path, columns: Iterable[str] | None = None) -> pd.DataFrame:
    """Columns of a part as pandas knows them; what is null is None in texts and flags, NaN in numbers."""
    with pq.ParquetFile(path) as file:
        table = file.read(None if columns is None else list(columns))
    return pd.DataFrame({name: _pandas(table[name]) for name in table.column_names})


def _pandas(column: Any) -> Any:
    if pa.types.is_floating(column.type):
        return np.asarray(column.to_numpy(), dtype=np.float64)
    return pd.Series(column.to_pylist(), dtype=object)
