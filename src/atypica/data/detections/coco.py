"""COCO boxes, and those of MIDOG++, which look like COCO's and are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from atypica.core.errors import SettingsError, SourceError
from atypica.data.detections.found import Boxes, Collector, Detections, Units, counts, number, score_in
from atypica.data.detections.json_stream import elements

LARGEST_PX = 400
"""A box around a mitotic figure has shorter sides: at 0.1 um/px, 40 um."""
SURE, DOUBTFUL = 0.95, 0.5
"""A reading of the boxes is taken where it makes sense of this share of them at least, the other of less than that."""
MOST_IMAGES = 100_000
"""More in one file, which all are kept in memory, are refused."""
MEANING = {"xyxy": "x1, y1, x2, y2", "xywh": "x, y, width, height"}


def read(path: Path, units: Units | None, boxes: Boxes | None) -> Detections:
    """Read annotations with boxes: COCO (`images`, `categories`, `annotations` with x, y, width, height;
    cocodataset.org, "Data format"), a list of COCO results, or MIDOG++ (Aubreville et al., Scientific Data 10:484,
    2023), whose file has the same keys but boxes of x1, y1, x2, y2, 50 px around a point.

    Raises:
        SourceError: damaged, too large, or boxes that make sense in both ways or in neither.
        SettingsError: other units than pixels.
    """
    if units == "um":
        raise SettingsError(f"{path.name} holds pixels, not micrometers", "leave --units away")
    parts = _parts(path)
    table, names, sizes = parts.found.table(), parts.names, parts.sizes
    raw = table[["x", "y", "width", "height"]].to_numpy(dtype=np.float64)
    known = np.array([sizes.get(image, (np.inf, np.inf)) for image in table["image"]]).reshape(-1, 2)
    layout, notes = _layout(path.name, raw, known, boxes) if len(table) else (boxes or "xywh", ())
    table[["x", "y", "width", "height"]] = centered(raw, layout)
    if not names and (only := _only_number(table["image"].unique().tolist())):
        names, notes = (
            {only: None},
            (*notes, f"{path.name}: its only image, {only}, is taken for the slide"),
        )
    table["image"] = [names.get(image, image) for image in table["image"]]
    table["detection_class"] = [parts.classes.get(label, label) for label in table["detection_class"]]
    classes = counts(table["detection_class"])
    return Detections(table, "px", "COCO", (*notes, *((f"classes: {classes}",) if classes else ())))


def _only_number(images: list[str | None]) -> str | None:
    """The one image of a list of results, where it is a number that names no file."""
    return images[0] if len(images) == 1 and images[0] is not None and images[0].isdecimal() else None


class _Parts:
    """What a file holds: boxes as they stand, with ids for images and classes, and what the ids mean."""

    def __init__(self, name: str) -> None:
        self.found = Collector(name)
        self.names: dict[str | None, str | None] = {}
        self.sizes: dict[str | None, tuple[float, float]] = {}
        self.classes: dict[str | None, str] = {}


def _parts(path: Path) -> _Parts:
    parts = _Parts(path.name)
    for key, value in elements(path):
        if not isinstance(value, dict):
            continue
        entry = cast("dict[str, Any]", value)
        match key:
            case "images":
                identity = str(entry.get("id"))
                if len(parts.names) >= MOST_IMAGES:
                    raise SourceError(f"{path.name} names more than {MOST_IMAGES:,} images", "export fewer slides")
                parts.names[identity] = str(entry.get("file_name", identity))
                if all(isinstance(entry.get(side), (int, float)) for side in ("width", "height")):
                    parts.sizes[identity] = (float(entry["width"]), float(entry["height"]))
            case "categories":
                _name_class(parts, entry, path.name)
            case "annotations" | "":
                _add(parts.found, entry, f"{path.name}, annotation {len(parts.found) + 1}")
            case _:
                pass
    return parts


def _name_class(parts: _Parts, entry: dict[str, Any], name: str) -> None:
    if len(parts.classes) >= MOST_IMAGES:
        raise SourceError(f"{name} names more than {MOST_IMAGES:,} classes", "export it again")
    parts.classes[str(entry.get("id"))] = str(entry.get("name"))


def _add(found: Collector, entry: dict[str, Any], where: str) -> None:
    box = entry.get("bbox")
    if not isinstance(box, list) or len(cast("list[Any]", box)) != 4:
        raise SourceError(f"{where} has no box of four numbers", "export boxes")
    x, y, third, fourth = (number(value, where) for value in cast("list[Any]", box))
    label, image = (None if entry.get(key) is None else str(entry[key]) for key in ("category_id", "image_id"))
    found.add(x, y, width=third, height=fourth, score=score_in(entry), label=label, image=image)


def centered(boxes: NDArray[np.float64], layout: Boxes) -> NDArray[np.float64]:
    """Boxes (n, 4) of a layout as centers and sizes: x, y, width, height."""
    first, last = boxes[:, :2], boxes[:, 2:]
    size = last - first if layout == "xyxy" else last
    return np.concatenate([first + size / 2, size], axis=1)


def sensible(boxes: NDArray[np.float64], sizes: NDArray[np.float64], layout: Boxes) -> float:
    """The share of boxes (n, 4) that a layout makes boxes of figures: sides above 0 and up to `LARGEST_PX`, their
    center on the image, whose width and height are `sizes` (n, 2), infinite where unknown."""
    read = centered(boxes, layout)
    finite = np.isfinite(read).all(axis=1)
    fits = (read[:, 2:] > 0) & (read[:, 2:] <= LARGEST_PX) & (read[:, :2] <= sizes)
    return float(np.mean(fits[finite].all(axis=1))) if finite.any() else 0.0


def _layout(
    name: str, boxes: NDArray[np.float64], sizes: NDArray[np.float64], forced: Boxes | None
) -> tuple[Boxes, tuple[str, ...]]:
    if forced:
        return forced, (f"{name}: boxes read as {MEANING[forced]}, as given",)
    shares: dict[Boxes, float] = {layout: sensible(boxes, sizes, layout) for layout in ("xyxy", "xywh")}
    best, other = sorted(shares, key=lambda layout: shares[layout], reverse=True)
    if shares[best] < SURE or shares[other] >= DOUBTFUL:
        shown = "; ".join(f"{MEANING[layout]}: {share:.0%}" for layout, share in shares.items())
        raise SourceError(
            f"{name} does not tell how its boxes are meant (boxes of figures if read as {shown})",
            "say --boxes xywh (COCO) or --boxes xyxy (MIDOG++)",
        )
    why = f"{shares[best]:.0%} are then boxes of figures, {shares[other]:.0%} as {MEANING[other]}"
    return best, (f"{name}: boxes read as {MEANING[best]} ({why})",)
