"""The files of a result that are one a slide: their names, and the GeoJSON among them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from atypica.inference.geojson import Region, write_geojson
from atypica.inference.resolution import ASSUMED_MPP
from atypica.inference.slides import Hotspot, SlideFindings

FOLDER = "slides"
_UNUSUAL = re.compile(r"[^\w.+-]+")


def slide_paths(slides: Sequence[SlideFindings], out: Path, single: str, suffix: str) -> list[Path]:
    """Where the file of each slide goes: `single` beside the tables where there is one slide, else `slides/NAME`.

    Args:
        slides: all slides of a result.
        out: the folder of the result.
        single: the file's name, without suffix, for a single slide.
        suffix: with its dot.
    """
    if len(slides) == 1:
        return [out / f"{single}{suffix}"]
    stems: list[str] = []
    taken: set[str] = set()
    for slide in slides:
        plain = _UNUSUAL.sub("_", Path(slide.name).stem).strip("._") or "slide"
        stem, number = plain, 1
        while stem.lower() in taken:
            number += 1
            stem = f"{plain}-{number}"
        taken.add(stem.lower())
        stems.append(stem)
    return [out / FOLDER / f"{stem}{suffix}" for stem in stems]


def write_slide_geojson(predictions: pd.DataFrame, slides: Sequence[SlideFindings], out: Path) -> list[Path]:
    """Write the figures of each slide as GeoJSON with its hotspot; see `geojson`.

    Raises:
        OutputError: a file cannot be written.
    """
    paths = slide_paths(slides, out, "figures", ".geojson")
    for slide, path in zip(slides, paths, strict=True):
        regions = [region_of(slide.hotspot)] if slide.hotspot else []
        # Without a resolution only the size of the circles is a guess.
        write_geojson(path, predictions.iloc[slide.rows], slide.mpp or ASSUMED_MPP, regions)
    return paths


def region_of(hotspot: Hotspot) -> Region:
    """A hotspot as an annotation, with its numbers as name and measurements."""
    window, interval = hotspot.window, hotspot.interval
    name = f"Hotspot {hotspot.mm2:.2f} mm²: {hotspot.figures:,} figures, {hotspot.amf:,} AMF"
    return Region(
        window.left,
        window.top,
        window.width,
        window.height,
        name,
        {
            "mitotic count": float(hotspot.figures),
            "AMF": float(hotspot.amf),
            "AMF rate": round(hotspot.rate, 6),
            "AMF rate low": round(interval.low, 6) if interval else None,
            "AMF rate high": round(interval.high, 6) if interval else None,
            "mm2": round(hotspot.mm2, 6),
            "tissue": None if hotspot.tissue is None else round(hotspot.tissue, 6),
        },
    )
