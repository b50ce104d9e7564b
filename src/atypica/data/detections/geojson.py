"""GeoJSON as QuPath writes it: objects with a geometry, a classification and measurements."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from atypica.core.errors import SourceError
from atypica.data.detections.found import NAN, Collector, Detections, Units, number, score_in
from atypica.data.detections.json_stream import elements

REFUSED = "export points, boxes or polygons alone"
OWN_REGION = "Hotspot"
"""The class of the annotation that `inference.geojson` adds to the figures of a slide; it is no figure."""


def read(path: Path, units: Units | None) -> Detections:
    """Read a FeatureCollection or a list of features (RFC 7946; QuPath adds `classification` and `measurements` to the
    properties, qupath.lib.io.PathObjectTypeAdapters). A point is a figure, so is each of a MultiPoint; an outline is
    one at its centroid.

    Coordinates are pixels of level 0, as QuPath writes them, unless `units` says otherwise.

    Raises:
        SourceError: damaged, too large, or with lines or features without a place.
    """
    found = Collector(path.name)
    shapes: dict[str, int] = {}
    for count, (key, feature) in enumerate(elements(path)):
        if key in {"", "features"}:
            kind = _add(found, feature, f"{path.name}, feature {count + 1}")
            shapes[kind] = shapes.get(kind, 0) + 1
    note = ", ".join(f"{number:,} of type {kind}" for kind, number in shapes.items())
    return Detections(found.table(), units or "px", "GeoJSON", (f"{path.name}: {note}",) if note else ())


def _add(found: Collector, feature: Any, where: str) -> str:
    geometry = cast("dict[str, Any]", feature).get("geometry") if isinstance(feature, dict) else None
    if not isinstance(geometry, dict):
        raise SourceError(f"{where} has no geometry", REFUSED)
    shape = cast("dict[str, Any]", geometry)
    kind, coordinates = str(shape.get("type")), shape.get("coordinates")
    properties = cast("dict[str, Any]", feature).get("properties")
    known = cast("dict[str, Any]", properties) if isinstance(properties, dict) else {}
    label, score = class_of(known), score_of(known)
    if label == OWN_REGION and known.get("objectType") == "annotation":
        return "hotspot (no figure)"
    match kind:
        case "Point":
            x, y = _point(coordinates, where)
            found.add(x, y, label=label, score=score)
        case "MultiPoint":
            for place in _list(coordinates, where):
                x, y = _point(place, where)
                found.add(x, y, label=label, score=score)
        case "Polygon":
            _add_outline(found, [_ring(coordinates, where)], label, score)
        case "MultiPolygon":
            _add_outline(found, [_ring(part, where) for part in _list(coordinates, where)], label, score)
        case _:
            raise SourceError(f"{where} is a {kind:.40}, which is no detection", REFUSED)
    return kind


def _add_outline(found: Collector, rings: list[NDArray[np.float64]], label: str | None, score: float) -> None:
    """The largest of the parts stands for all."""
    ring = max(rings, key=lambda part: abs(_area(part)))
    x, y = centroid(ring)
    width, height = (float(side) for side in np.ptp(ring, axis=0))
    found.add(x, y, width=width, height=height, label=label, score=score)


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise SourceError(f"{where} has no coordinates", REFUSED)
    return cast("list[Any]", value)


def _point(value: Any, where: str) -> tuple[float, float]:
    pair = _list(value, where)
    if len(pair) < 2:
        raise SourceError(f"{where} has a point with one coordinate", REFUSED)
    return number(pair[0], f"{where}, x"), number(pair[1], f"{where}, y")


def _ring(value: Any, where: str) -> NDArray[np.float64]:
    """The outer ring of a polygon, (corners, 2)."""
    corners = [_point(corner, where) for corner in _list(_list(value, where)[0], where)]
    return np.array(corners, dtype=np.float64)


def _area(ring: NDArray[np.float64]) -> float:
    """Twice the signed area (shoelace formula), 0 where a corner is no number."""
    if not np.isfinite(ring).all():
        return 0.0
    x, y = (ring - ring[0]).T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def centroid(ring: NDArray[np.float64]) -> tuple[float, float]:
    """The centroid of the area within a ring (corners, 2), closed or not; the middle of the box around it where it has
    no area; NaN where a corner is no number."""
    if not np.isfinite(ring).all():
        return NAN, NAN
    double = _area(ring)
    if abs(double) < 1e-9:
        middle = (ring.min(axis=0) + ring.max(axis=0)) / 2
        return float(middle[0]), float(middle[1])
    near = ring - ring[0]
    following = np.roll(near, -1, axis=0)
    cross = near[:, 0] * following[:, 1] - following[:, 0] * near[:, 1]
    x, y = ((near + following) * cross[:, None]).sum(axis=0) / (3 * double) + ring[0]
    return float(x), float(y)


def class_of(properties: dict[str, Any]) -> str | None:
    """The name of a feature's classification: `{"name": …}`, `{"names": […]}` (QuPath 0.5 on), or a text."""
    given = properties.get("classification")
    if isinstance(given, dict):
        values = cast("dict[str, Any]", given)
        names = cast("list[Any]", values["names"]) if isinstance(values.get("names"), list) else []
        given = values.get("name") or ": ".join(map(str, names))
    return given if isinstance(given, str) and given else None


def score_of(properties: dict[str, Any]) -> float:
    """The detector's score among a feature's measurements (an object, or a list of name and value before QuPath 0.4),
    else among its properties; NaN where there is none."""
    measured = properties.get("measurements")
    if isinstance(measured, list):
        rows = [cast("dict[str, Any]", row) for row in cast("list[Any]", measured) if isinstance(row, dict)]
        measured = {str(row.get("name")): row.get("value") for row in rows}
    score = score_in(measured)
    return score_in(properties) if score != score else score
