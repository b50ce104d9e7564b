"""SlideRunner's database of annotations (SQLite)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from atypica.core.errors import SettingsError, SourceError
from atypica.data.detections.found import Collector, Detections, Units, counts, number

TABLES = {
    "Slides": {"uid", "filename"},
    "Annotations": {"uid", "slide", "agreedClass"},
    "Annotations_coordinates": {"annoId", "coordinateX", "coordinateY"},
    "Classes": {"uid", "name"},
}
"""What is needed of SlideRunner's tables (github.com/DeepMicroscopy/SlideRunner, dataAccess/database.py, version 2)."""
STEPS = 500_000_000
"""Instructions of the database's machine; a query that needs more is broken off."""
QUERY = """
    SELECT MIN(c.coordinateX), MAX(c.coordinateX), MIN(c.coordinateY), MAX(c.coordinateY), COUNT(*), k.name, s.filename
    FROM Annotations a
    JOIN Annotations_coordinates c ON c.annoId = a.uid
    LEFT JOIN Slides s ON s.uid = a.slide
    LEFT JOIN Classes k ON k.uid = a.agreedClass
    {where}
    GROUP BY a.uid ORDER BY a.uid
"""


def read(path: Path, units: Units | None) -> Detections:
    """Read all annotations that were not deleted. A spot is a figure at its point, a box or outline one at the middle
    of the box around it; the class is the agreed one.

    Raises:
        SourceError: no SlideRunner database, damaged, or too large.
        SettingsError: other units than pixels.
    """
    if units == "um":
        raise SettingsError(f"{path.name} holds pixels, not micrometers", "leave --units away")
    found = Collector(path.name)
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)) as base:
            for row in _rows(base, path.name):
                _add(found, row, f"{path.name}, annotation {len(found) + 1}")
    except sqlite3.Error as error:
        raise SourceError(f"{path.name} cannot be read as a database: {error}", "export it again") from error
    table = found.table()
    classes = counts(table["detection_class"])
    return Detections(table, "px", "SlideRunner", (f"classes: {classes}",) if classes else ())


def _rows(base: sqlite3.Connection, name: str) -> Iterator[tuple[Any, ...]]:
    base.execute("PRAGMA trusted_schema = OFF")
    real = {str(row[0]) for row in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    columns = {table: {str(row[1]) for row in base.execute(f"PRAGMA table_info({table})")} for table in TABLES}
    lacking = [table for table, needed in TABLES.items() if table not in real or needed - columns[table]]
    if lacking:
        raise SourceError(f"{name} is no database of SlideRunner (lacks {', '.join(lacking)})", "export GeoJSON or CSV")
    base.set_progress_handler(lambda: 1, STEPS)
    kept = "WHERE COALESCE(a.deleted, 0) = 0" if "deleted" in columns["Annotations"] else ""
    yield from base.execute(QUERY.format(where=kept))


def _add(found: Collector, row: tuple[Any, ...], where: str) -> None:
    left, right, top, bottom = (number(value, where) for value in row[:4])
    size = {} if row[4] == 1 else {"width": right - left, "height": bottom - top}
    label, image = (None if value is None else str(value) for value in row[5:])
    found.add((left + right) / 2, (top + bottom) / 2, label=label, image=image, **size)
