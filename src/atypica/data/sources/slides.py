"""Slides with the detections on them as a source of figures: one slide, or a table of many."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from atypica.core.errors import AtypicaError, FigureError, MissingExtraError, SourceError
from atypica.data.detections import (
    Boxes,
    Detections,
    Units,
    check_classes,
    class_notes,
    of_classes,
    read_detections,
)
from atypica.data.figures import Figures, ListedSlide, figures_from, tidy_numbers, tidy_text
from atypica.data.readers import MAX_PIXELS
from atypica.data.slide import open_slide

WIDEST_UM = 100
"""An outline of more is a region, not a mitotic figure."""
SHOWN = 5
OWN = {"slide", "figures", "mpp"}
"""The columns of a table of slides that are not carried into the figure table as they stand."""


@dataclass(frozen=True)
class Reading:
    """How detections are to be understood.

    Attributes:
        units: of their coordinates; None where the file says it.
        boxes: the layout of their boxes; None to tell it by the boxes.
        mpp: micrometers per pixel of level 0 of slides that do not say it.
        max_pixels: a slide that is a picture (PNG, JPEG) with more is refused.
        classes: those of the detections that are figures; None for what the format suggests (see `of_classes`).
    """

    units: Units | None = None
    boxes: Boxes | None = None
    mpp: float | None = None
    max_pixels: int = MAX_PIXELS
    classes: tuple[str, ...] | None = None


def read_slide(slide: Path, detections: Path, reading: Reading | None = None) -> Figures:
    """One slide and the file of its detections as figures.

    Raises:
        SourceError: one of them cannot be read, there are no detections, or they cannot be placed.
        SettingsError: no detection is of a class that is asked for.
        MissingExtraError: the slide needs OpenSlide.
    """
    reading = reading or Reading()
    found = read_detections(detections, units=reading.units, boxes=reading.boxes)
    check_classes(found.classes, reading.classes, detections.name)
    here = found.on(slide.name)
    if not len(here):
        raise SourceError(f"{detections.name} has no detections on {slide.name}{_names(found)}", "check --figures")
    return place(slide, here, reading)


def place(slide: Path, detections: Detections, reading: Reading | None = None) -> Figures:
    """Detections on one slide as figures; what a detector gave without a file can be placed by this too.

    Raises:
        SourceError: the slide cannot be read, says no resolution where micrometers must be converted, or an outline is
            a region.
        MissingExtraError: the slide needs OpenSlide.
    """
    reading = reading or Reading()
    try:
        with open_slide(slide, reading.max_pixels) as handle:
            size, mpp = handle.size, handle.mpp
    except FigureError as error:
        raise SourceError(error.message, error.fix) from error
    known = mpp or reading.mpp
    if known is None:
        raise no_resolution(slide.name)
    said = f"{known:.4g} um/px {'as the file says' if mpp else 'as given with --mpp'}"
    figures, others = of_classes(detections, reading.classes)
    by_class = class_notes(figures.table["detection_class"], others)
    if not len(figures):
        raise SourceError(f"no detection on {slide.name} is of the classes that count ({by_class[0]})", "see --classes")
    rows = _rows(figures, slide.name, known) | {"image": slide.name, "slide": slide.name, "mpp": reading.mpp}
    table = pd.DataFrame(rows)
    notes = (*detections.notes, *by_class, f"{slide.name}: {size[0]:,} x {size[1]:,} px, {said}", *_repeated(table))
    listed = ListedSlide(slide.name, slide.name, None, reading.mpp, _other_classes(len(others)))
    return replace(figures_from(table, slide.parent, slide.name, notes), slides=(listed,))


def no_resolution(name: str) -> SourceError:
    """The error of a slide whose micrometers per pixel nobody knows; none are ever assumed."""
    return SourceError(f"{name} does not say its micrometers per pixel", "give --mpp such as 0.25, or a column 'mpp'")


def _rows(detections: Detections, slide: str, mpp: float) -> dict[str, Any]:
    """Columns of the figure table: centers in pixels of level 0, and what the detector said."""
    table = detections.table
    um = 1.0 if detections.units == "um" else mpp
    wide = int((table[["width", "height"]].max(axis=1) * um > WIDEST_UM).sum())
    if wide:
        raise SourceError(
            f"{wide} of {len(table)} outlines on {slide} are wider than {WIDEST_UM} um: regions, not mitotic figures",
            "export the detections alone; or the units or --mpp are wrong",
        )
    scale = 1 / mpp if detections.units == "um" else 1.0
    return {
        "x": table["x"] * scale,
        "y": table["y"] * scale,
        "detection_score": table["detection_score"],
        "detection_class": table["detection_class"],
    }


def _names(found: Detections) -> str:
    return f" (it has: {_few(found.images)})" if found.images else ""


def _few(names: list[str]) -> str:
    return f"{', '.join(names[:SHOWN])}{', ...' if len(names) > SHOWN else ''}"


def is_table_of_slides(table: pd.DataFrame) -> bool:
    """Whether a table names slides and files of detections, not figures."""
    return {"slide", "figures"} <= set(table.columns) and "image" not in table


def read_slides(table: pd.DataFrame, root: Path, name: str, reading: Reading | None = None) -> Figures:
    """A table of many slides as figures.

    Args:
        table: `slide` (path) and `figures` (path) of each, relative to `root`; `mpp` where the slide does not say it;
            other columns (`case`, `scanner`, ...) go to all figures of the slide.
        root: the folder that the paths start from.
        name: of the table, for messages.
        reading: how the detections are to be understood.

    Raises:
        SourceError: a path is blank or given twice, or a file of detections cannot be read. A slide that cannot be read
            is no such error: its figures keep their rows, with the reason. A slide without figures is none either:
            it is among `Figures.slides`.
        SettingsError: no detection is of a class that is asked for.
        MissingExtraError: a slide needs OpenSlide.
    """
    reading = reading or Reading()
    _check_paths(table, name)
    if "case" in table:
        table = table.assign(case=tidy_text(table["case"]))
    if "mpp" in table:
        table = table.assign(mpp=tidy_numbers(table["mpp"], name))
    parts = [_slide_part(root, row, reading) for row in table.to_dict("records")]
    check_classes(sum((part.classes for part in parts), Counter()), reading.classes, name)
    filled = [part.rows for part in parts if not part.rows.empty]
    if not filled:
        raise SourceError(f"{name} has no figures on any of its {len(table)} slides", "check the column 'figures'")
    joined = pd.concat(filled, ignore_index=True)
    bare = [part.listed.image for part in parts if part.rows.empty]
    others = pd.concat([part.others for part in parts], ignore_index=True)
    notes = (
        _slides(len(table)),
        *([f"no figures on {_slides(len(bare))}: {_few(bare)}"] if bare else []),
        *class_notes(joined["detection_class"], others),
        *_repeated(joined),
    )
    return replace(figures_from(joined, root, name, notes), slides=tuple(part.listed for part in parts))


def _repeated(table: pd.DataFrame) -> tuple[str, ...]:
    """A sentence on detections that lie where another does, which raise every count; none where there are none."""
    places = table[["image", "x", "y"]].dropna()
    again = int(places.duplicated().sum())
    return (f"{again:,} of {len(table):,} detections repeat the place of another: each is counted",) if again else ()


def _slides(number: int) -> str:
    return f"{number:,} slide" + ("" if number == 1 else "s")


def _check_paths(table: pd.DataFrame, name: str) -> None:
    for column in ("slide", "figures"):
        if table[column].isna().any():
            row = int(table[column].isna().to_numpy().argmax()) + 2
            raise SourceError(f"{name}, row {row}: the column '{column}' is blank", "fill in the path")
    if table["slide"].duplicated().any():
        twice = table["slide"][table["slide"].duplicated()].iloc[0]
        raise SourceError(f"{name} has {twice} twice", "give one row to a slide, with all its detections in one file")


class _Part(NamedTuple):
    """One slide of a table: its figures as rows, the classes of what was left out, all classes of its file, and the
    slide itself."""

    rows: pd.DataFrame
    others: pd.Series[Any]
    classes: Counter[str | None]
    listed: ListedSlide


def _slide_part(root: Path, row: dict[Any, Any], reading: Reading) -> _Part:
    slide = str(row["slide"])
    found = read_detections(root / str(row["figures"]), units=reading.units, boxes=reading.boxes)
    own = float(row.get("mpp", math.nan))
    mpp = reading.mpp if math.isnan(own) else own
    here = found.on(Path(slide).name)
    figures, others = of_classes(here, reading.classes)
    columns = _rows(figures, slide, _mpp_of(root / slide, found.units, replace(reading, mpp=mpp)))
    context = {key: value for key, value in row.items() if key not in OWN}
    rows = pd.DataFrame({**columns, "image": slide, "slide": slide, "mpp": mpp, **context})
    elsewhere = f"its file of detections has none on it{_names(found)}"
    reasons = (*_other_classes(len(others)), *([elsewhere] if len(found) and not len(here) else []))
    return _Part(rows, others, found.classes, ListedSlide(slide, slide, context.get("case"), mpp, reasons))


def _other_classes(number: int) -> tuple[str, ...]:
    """A sentence on detections that are left out by their class; none where there are none."""
    plural = "detection of another class was" if number == 1 else "detections of other classes were"
    return (f"{number:,} {plural} left out",) if number else ()


def _mpp_of(path: Path, units: Units, reading: Reading) -> float:
    """The resolution of a slide; NaN, and so places that are no numbers, where a slide cannot be read."""
    try:
        with open_slide(path, reading.max_pixels) as handle:
            mpp = handle.mpp or reading.mpp
    except MissingExtraError:
        raise
    except AtypicaError:
        return math.nan
    if mpp is None and units == "um":
        raise no_resolution(path.name)
    return mpp or math.nan
