"""Detections of mitotic figures, from any detector: one reader a format; the format is told by content, not by name."""

from __future__ import annotations

from pathlib import Path

from atypica.core.errors import SourceError
from atypica.data.detections import coco, geojson, sliderunner, table
from atypica.data.detections.classes import LEFT_OUT_BY_CLASS as LEFT_OUT_BY_CLASS
from atypica.data.detections.classes import check_classes as check_classes
from atypica.data.detections.classes import class_notes as class_notes
from atypica.data.detections.classes import names_of as names_of
from atypica.data.detections.classes import of_classes as of_classes
from atypica.data.detections.found import Boxes as Boxes
from atypica.data.detections.found import Detections as Detections
from atypica.data.detections.found import Units as Units
from atypica.data.detections.json_stream import first_keys

SQLITE = b"SQLite format 3\0"
PARQUET = b"PAR1"
PACKED = (b"PK\x03\x04", b"\x1f\x8b")
HEAD = 4096


def read_detections(path: Path, *, units: Units | None = None, boxes: Boxes | None = None) -> Detections:
    """Read the detections of one or more slides.

    Args:
        path: CSV, Parquet, QuPath GeoJSON, COCO or MIDOG++ JSON, or a SlideRunner database.
        units: of x and y; a table must say them by this or by the names of its columns, the other formats hold pixels.
        boxes: what the four numbers of a COCO or MIDOG++ box are; None decides by the boxes themselves.

    Raises:
        SourceError: missing, of no known format, damaged, too large, or it leaves open what its numbers mean.
    """
    head = _head(path)
    if head.startswith(PACKED):
        raise SourceError(f"{path.name} is packed", "unpack it first")
    if head.startswith(SQLITE):
        return sliderunner.read(path, units)
    if head.startswith(PARQUET):
        return table.read(path, units, parquet=True)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in {b"{", b"["}:
        return table.read(path, units, parquet=False)
    keys = first_keys(path)
    if {"features", ".geometry"} & keys:
        return geojson.read(path, units)
    if {"annotations", "images", ".bbox"} & keys or head.split() == [b"[]"]:
        return coco.read(path, units, boxes)
    shown = ", ".join(sorted(keys)[:5]) or "nothing"
    raise SourceError(
        f"{path.name} is JSON, but neither GeoJSON nor COCO (it begins with {shown:.100})",
        "export QuPath GeoJSON, COCO, or a CSV with x and y",
    )


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as handle:
            head = handle.read(HEAD)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}", "check --figures") from error
    if not head.strip():
        raise SourceError(
            f"{path.name} is empty", "export the detections again; where there are none, keep the heading x_px,y_px"
        )
    return head
