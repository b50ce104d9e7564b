"""Tables of slides, and what slides add to the table of cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from atypica.inference.slides import COUNTS, Hotspot, SlideFindings

COLUMNS = (
    "slide",
    "image",
    "case",
    *COUNTS,
    "mpp",
    "tissue_mm2",
    "mitoses_per_mm2",
    "amf_per_mm2",
    "hotspot_mm2",
    "hotspot_x",
    "hotspot_y",
    "hotspot_width",
    "hotspot_height",
    "hotspot_figures",
    "hotspot_amf",
    "hotspot_amf_rate",
    "hotspot_low",
    "hotspot_high",
    "hotspot_tissue",
    "note",
)
CASE_COLUMNS = (
    "slides",
    "tissue_mm2",
    "mitoses_per_mm2",
    "amf_per_mm2",
    "hotspot_figures",
    "hotspot_amf",
    "hotspot_slide",
)
"""What the table of cases has more where figures lie on slides."""
DECIMALS = 6


def slide_table(slides: Sequence[SlideFindings]) -> pd.DataFrame:
    """One row a slide, `COLUMNS`: what is undefined is blank, and `note` says why."""
    return pd.DataFrame([_row(slide) for slide in slides], columns=list(COLUMNS))


def _row(slide: SlideFindings) -> dict[str, Any]:
    return {
        "slide": slide.name,
        "image": slide.image,
        "case": slide.case,
        **slide.counts,
        "mpp": slide.mpp,
        "tissue_mm2": _rounded(slide.tissue_mm2),
        "mitoses_per_mm2": _rounded(slide.density(slide.counted)),
        "amf_per_mm2": _rounded(slide.density(slide.counts["amf"])),
        **(_hotspot_cells(slide.hotspot) if slide.hotspot else {}),
        "note": "; ".join(slide.reasons) or None,
    }


def _hotspot_cells(hotspot: Hotspot) -> dict[str, Any]:
    window, interval = hotspot.window, hotspot.interval
    return {
        "hotspot_mm2": _rounded(hotspot.mm2),
        "hotspot_x": round(window.left, 1),
        "hotspot_y": round(window.top, 1),
        "hotspot_width": round(window.width, 1),
        "hotspot_height": round(window.height, 1),
        "hotspot_figures": hotspot.figures,
        "hotspot_amf": hotspot.amf,
        "hotspot_amf_rate": _rounded(hotspot.rate),
        "hotspot_low": _rounded(interval.low) if interval else None,
        "hotspot_high": _rounded(interval.high) if interval else None,
        "hotspot_tissue": _rounded(hotspot.tissue),
    }


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, DECIMALS)


def with_slides(cases: pd.DataFrame, slides: Sequence[SlideFindings]) -> pd.DataFrame:
    """The table of cases with `CASE_COLUMNS`: the tissue of all slides of a case, figures over it, and the fullest of
    its hotspots. A case with a slide of unknown tissue has no density, as its figures would be over too little.

    Args:
        cases: of `summarize_cases`; the last row is all of them.
        slides: all slides, with the same cases.
    """
    last = len(cases) - 1
    groups = [
        [slide for slide in slides if row == last or slide.case == (None if pd.isna(name) else name)]
        for row, name in enumerate(cases["case"])
    ]
    return pd.concat([cases, pd.DataFrame([_case_cells(group) for group in groups], index=cases.index)], axis=1)


def _case_cells(slides: Sequence[SlideFindings]) -> dict[str, Any]:
    areas = [slide.tissue_mm2 for slide in slides]
    known = [area for area in areas if area is not None]
    area = sum(known) if known and len(known) == len(areas) else None
    spots = [(slide.hotspot, slide.name) for slide in slides if slide.hotspot]
    spot, name = max(spots, key=lambda found: found[0].figures, default=(None, None))
    return {
        "slides": len(slides),
        "tissue_mm2": _rounded(area),
        "mitoses_per_mm2": _rounded(sum(slide.counted for slide in slides) / area) if area else None,
        "amf_per_mm2": _rounded(sum(slide.counts["amf"] for slide in slides) / area) if area else None,
        "hotspot_figures": spot.figures if spot else None,
        "hotspot_amf": spot.amf if spot else None,
        "hotspot_slide": name,
    }
