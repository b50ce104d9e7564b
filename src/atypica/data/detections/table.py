"""Detections as a table: CSV or Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pandas as pd

from atypica.core.errors import SourceError
from atypica.data.detections.found import MOST, SCORES, Detections, Units, counts, too_many
from atypica.data.figures import check_columns

KNOWN: dict[Units, tuple[tuple[str, str], ...]] = {
    "px": (("x_px", "y_px"), ("centroid x px", "centroid y px")),
    "um": (
        ("x_um", "y_um"),
        ("x_µm", "y_µm"),
        ("centroid x µm", "centroid y µm"),
        ("centroid x um", "centroid y um"),
    ),
}
"""Names of columns that say their unit; those with "centroid" are of QuPath's table of measurements."""
OPEN = ("x", "y")
CLASSES = ("detection_class", "class", "classification", "category")
IMAGES = ("image", "slide", "filename", "file_name")
CHUNK = 2**20
LARGEST, CELLS = 2**28, 10_000_000
"""Bytes of a CSV file, and its fields: as text, more would not fit into the memory of a laptop."""


def read(path: Path, units: Units | None, *, parquet: bool) -> Detections:
    """Read a table with a row a detection. Columns, in upper or lower case: `x_px`, `y_px` or `x_um`, `y_um`, or `x`,
    `y` with `units`; `detection_score` (or score, probability, confidence), `detection_class` (or class,
    classification, category), `image` (or slide, filename), `width` and `height` where there are boxes.

    Raises:
        SourceError: it cannot be read, has no places, does not say their unit, or holds text in place of numbers.
    """
    given = _read_parquet(path) if parquet else _read_csv(path)
    given.columns = [str(name).strip().lower() for name in given.columns]
    (x, y), unit = _places(path.name, list(given.columns), units)
    table = pd.DataFrame(
        {
            "x": _numbers(given, x, path.name),
            "y": _numbers(given, y, path.name),
            "width": _numbers(given, "width", path.name),
            "height": _numbers(given, "height", path.name),
            "detection_score": _numbers(given, _first(given, SCORES), path.name),
            "detection_class": _text(given, CLASSES),
            "image": _text(given, IMAGES),
        }
    )
    classes = counts(table["detection_class"])
    notes = (f"{path.name}: columns {x}, {y} read as {'micrometers' if unit == 'um' else 'pixels of level 0'}",)
    return Detections(table, unit, "table", (*notes, *((f"classes: {classes}",) if classes else ())))


def _read_parquet(path: Path) -> pd.DataFrame:
    import pyarrow.parquet as pq

    try:
        size = pq.ParquetFile(path).metadata
        if size.num_rows > MOST:
            raise too_many(path.name)
        if size.num_rows * size.num_columns > CELLS:
            raise _too_large(path.name)
        return pd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise SourceError(f"{path.name} cannot be read as Parquet: {error}", "export it again") from error


def _read_csv(path: Path) -> pd.DataFrame:
    _check_size(path)
    try:
        head = pd.read_csv(path, header=None, nrows=1, dtype="object")
        table = pd.read_csv(path, dtype="object", keep_default_na=True)
    except (ValueError, OSError) as error:
        raise SourceError(f"{path.name} cannot be read as a table: {error}", "save it as CSV (UTF-8)") from error
    check_columns(path, [str(name) for name in head.iloc[0].dropna()])
    if not isinstance(table.index, pd.RangeIndex):
        raise SourceError(f"{path.name} has rows of more fields than columns", "mend them; decimals need a point")
    return table


def _check_size(path: Path) -> None:
    """Refuse a file that would take too much memory, before any of it is kept."""
    if path.stat().st_size > LARGEST:
        raise _too_large(path.name)
    lines = fields = 0
    with path.open("rb") as handle:
        for chunk in iter(lambda: handle.read(CHUNK), b""):
            lines += chunk.count(b"\n")
            fields += chunk.count(b",")
    if lines > MOST + 1:
        raise too_many(path.name)
    if fields > CELLS:
        raise _too_large(path.name)


def _too_large(name: str) -> SourceError:
    return SourceError(
        f"{name} is too large for a table of detections ({LARGEST >> 20} MiB, {CELLS:,} fields)",
        "keep the columns of place, score and class",
    )


def _places(name: str, columns: list[str], units: Units | None) -> tuple[tuple[str, str], Units]:
    found = {pair for pairs in KNOWN.values() for pair in pairs if set(pair) <= set(columns)}
    for unit in get_args(Units) if units is None else (units,):
        if pair := next((pair for pair in KNOWN[unit] if pair in found), None):
            return pair, unit
    if found:
        raise SourceError(f"{name} has no columns in {units}, but {', '.join(next(iter(found)))}", "leave --units away")
    if not set(OPEN) <= set(columns):
        raise SourceError(f"{name} has no columns x and y (it has: {', '.join(columns)[:200]})", "name them x_px, y_px")
    if units is None:
        raise SourceError(
            f"{name} does not say whether x and y are pixels or micrometers",
            "say --units px or --units um, or name the columns x_px, y_px or x_um, y_um",
        )
    return OPEN, units


def _first(table: pd.DataFrame, names: tuple[str, ...]) -> str:
    return next((name for name in names if name in table), names[0])


def _numbers(table: pd.DataFrame, column: str, name: str) -> pd.Series[Any]:
    if column not in table:
        return pd.Series(float("nan"), index=table.index, dtype="float64")
    numbers = pd.to_numeric(table[column], errors="coerce").astype("float64")
    bad = numbers.isna() & table[column].notna() & (table[column].astype(str).str.strip().str.lower() != "nan")
    if bad.any():
        row = int(bad.idxmax())  # pyright: ignore[reportArgumentType]
        raise SourceError(
            f"{name}, column '{column}', row {row + 2}: {str(table[column][row])[:40]!r} is not a number", "mend it"
        )
    return numbers


def _text(table: pd.DataFrame, names: tuple[str, ...]) -> pd.Series[Any]:
    column = _first(table, names)
    if column not in table:
        return pd.Series([None] * len(table), index=table.index, dtype=object)
    return pd.Series([None if pd.isna(value) else str(value).strip() for value in table[column]], dtype=object)
