"""Typed figures as GeoJSON, as QuPath reads and writes it: objects with a class, a color and measurements."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from atypica.core.colors import AMF_COLOR, NEUTRAL_COLOR, NMF_COLOR, rgb
from atypica.core.files import atomic_path
from atypica.core.vocabulary import Label, Subtype
from atypica.inference.counting import counted
from atypica.inference.predictions import SUBTYPE_COLUMNS

FIGURE_UM = 12.5
"""Diameter of the circle around a figure: the side of MIDOG's boxes, 50 px at 0.25 um/px."""
CORNERS = 12
"""Of the polygon that stands for the circle where `isEllipse` is not understood."""
DECIMALS = 2
"""Of coordinates, as QuPath writes them."""
LEFT_OUT, NOT_TYPED, HOTSPOT = "Left out", "Not typed", "Hotspot"
CLASSES = {
    Label.AMF.value: rgb(AMF_COLOR),
    Label.NMF.value: rgb(NMF_COLOR),
    LEFT_OUT: (150, 150, 150),
    NOT_TYPED: rgb(NEUTRAL_COLOR),
    HOTSPOT: (27, 37, 48),
}
"""The classes that QuPath will list, and their colors."""
MEASUREMENTS = ("p_amf", *SUBTYPE_COLUMNS, "p_disagreement", "uncertainty", "ood", "abstain", "detection_score")
"""Columns of the predictions that become measurements; `abstain` as 1 or 0."""
METADATA = ("figure_id", "case", "subtype", "detection_class", "left_out", "error")
"""Columns of the predictions that become metadata, which is text."""
FARTHEST_PX = 1e9
"""A place farther off than any slide is none."""
_NAMESPACE = uuid.UUID("4b0c2f6e-8d0f-5f0e-9d55-6f3d4f0e6c11")
_ANGLES = np.arange(CORNERS + 1) % CORNERS * (2 * np.pi / CORNERS)
_CIRCLE: NDArray[np.float64] = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1).round(12)


class Region(NamedTuple):
    """A rectangle to be shown beside the figures, in level-0 pixels."""

    left: float
    top: float
    width: float
    height: float
    name: str
    measurements: Mapping[str, float | None]


def write_geojson(path: Path, predictions: pd.DataFrame, mpp: float, regions: Sequence[Region] = ()) -> int:
    """Write the figures of one slide as a feature collection, whole or not at all, a feature a line.

    A figure is a detection: QuPath shows and measures hundreds of thousands of them, and colors them by any
    measurement, which it does not do with points. Its outline is a circle of `FIGURE_UM`, marked as an ellipse the
    way QuPath does it; other programs see a polygon. Missing numbers are left out, because QuPath refuses them.
    A figure that was not typed, or left out of the counts, keeps its place, with the reason. One without a place, or
    one farther off than any slide (`FARTHEST_PX`), has no geometry and stays out.

    Args:
        path: the file to write.
        predictions: those of one slide; `x` and `y` in level-0 pixels.
        mpp: micrometers per pixel of level 0.
        regions: rectangles that become locked annotations of the class `HOTSPOT`.

    Returns:
        How many figures were written.

    Raises:
        OutputError: the file cannot be written.
    """
    count = 0
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        for count, feature in enumerate(chain(map(_hotspot, regions), _figures(predictions, mpp)), 1):
            file.write(("," if count > 1 else "") + "\n" + json.dumps(feature, ensure_ascii=False, allow_nan=False))
        file.write("\n]}\n")
    return count - len(regions)


def _figures(predictions: pd.DataFrame, mpp: float) -> Iterator[dict[str, Any]]:
    if not {"x", "y"} <= set(predictions):
        return
    places = predictions[["x", "y"]].to_numpy(dtype=np.float64, na_value=np.nan)
    classes = figure_classes(predictions)
    columns = [name for name in (*MEASUREMENTS, *METADATA) if name in predictions]
    radius = FIGURE_UM / 2 / mpp
    for (x, y), name, values in zip(
        places, classes, predictions[["image", *columns]].itertuples(index=False, name=None), strict=True
    ):
        if abs(x) <= FARTHEST_PX and abs(y) <= FARTHEST_PX:  # false for NaN too
            yield _figure((float(x), float(y)), radius, name, values[0], dict(zip(columns, values[1:], strict=True)))


def figure_classes(predictions: pd.DataFrame) -> list[str]:
    """The class of each figure, a key of `CLASSES`: AMF or NMF, `NOT_TYPED`, or `LEFT_OUT` of the counts."""
    typed, counts = predictions["p_amf"].notna(), counted(predictions)
    return [
        NOT_TYPED if not known else str(called) if counts_too else LEFT_OUT
        for known, counts_too, called in zip(typed, counts, predictions["prediction"], strict=True)
    ]


def _figure(
    place: tuple[float, float], radius: float, name: str, image: object, values: dict[str, Any]
) -> dict[str, Any]:
    outline = (np.array(place) + radius * _CIRCLE).round(DECIMALS).tolist()
    measurements = {key: float(values[key]) for key in MEASUREMENTS if key in values and not pd.isna(values[key])}
    metadata = {key: str(values[key]) for key in METADATA if key in values and not pd.isna(values[key])}
    geometry = {"type": "Polygon", "coordinates": [outline], "isEllipse": True}
    return _feature(
        f"{image}#{values['figure_id']}",
        geometry,
        {
            "objectType": "detection",
            "name": _name(values),
            "classification": {"name": name, "color": list(CLASSES[name])},
            "measurements": measurements,
            "metadata": metadata,
        },
    )


def _name(values: dict[str, Any]) -> str:
    """What QuPath lists a figure as: its subtype, else its id."""
    subtype = values.get("subtype")
    return str(values["figure_id"]) if subtype is None or pd.isna(subtype) else Subtype(subtype).display


def _hotspot(region: Region) -> dict[str, Any]:
    right, bottom = region.left + region.width, region.top + region.height
    corners = [(region.left, region.top), (right, region.top), (right, bottom), (region.left, bottom)]
    outline = np.array([*corners, corners[0]]).round(DECIMALS).tolist()
    return _feature(
        f"{HOTSPOT}#{region.name}#{outline}",
        {"type": "Polygon", "coordinates": [outline]},
        {
            "objectType": "annotation",
            "name": region.name,
            "classification": {"name": HOTSPOT, "color": list(CLASSES[HOTSPOT])},
            "isLocked": True,
            "measurements": {key: value for key, value in region.measurements.items() if value is not None},
        },
    )


def _feature(key: str, geometry: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    """A feature with an id that is the same whenever the same figure is written."""
    return {
        "type": "Feature",
        "id": str(uuid.uuid5(_NAMESPACE, key)),
        "geometry": geometry,
        "properties": properties,
    }
