"""Slides as a report shows them: their numbers, and an overview of the first ones."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import pandas as pd

from atypica.core.errors import FigureError
from atypica.inference.slides import LITTLE_TISSUE, Hotspot, SlideFindings
from atypica.reporting.overview import overview_jpeg
from atypica.reporting.redaction import Shown

MOST_PICTURES = 12
"""Overviews that a report carries; each takes about 100 kB, and all are files of their own too."""

MOST_NAMED = 5


@dataclass(frozen=True)
class SlideCard:
    """One slide as the report shows it; numbers of None are undefined, and `reasons` says why.

    Attributes:
        picture: the overview as the address of a JPEG, None where there is none.
    """

    name: str
    case: str | None
    counted: int
    amf: int
    rate: float | None
    tissue_mm2: float | None
    mitoses_per_mm2: float | None
    amf_per_mm2: float | None
    hotspot: Hotspot | None
    reasons: tuple[str, ...]
    picture: str | None


def slide_cards(slides: Sequence[SlideFindings], predictions: pd.DataFrame, shown: Shown) -> list[SlideCard]:
    """The slides of a result for its report.

    Args:
        slides: of `Result.slides`.
        predictions: the predictions table.
        shown: cuts folders out of text.
    """
    return [
        _card(slide, _picture(slide, predictions) if number < MOST_PICTURES else None, shown)
        for number, slide in enumerate(slides)
    ]


def slide_warnings(slides: Sequence[SlideFindings], shown: Shown) -> list[str]:
    """What a reader must know before using the hotspots, as sentences."""
    empty = [
        f"{shown(slide.name)} ({slide.hotspot.tissue:.0%})"
        for slide in slides
        if slide.hotspot and slide.hotspot.tissue is not None and slide.hotspot.tissue < LITTLE_TISSUE
    ]
    if not empty:
        return []
    named = ", ".join(empty[:MOST_NAMED]) + (f" and {len(empty) - MOST_NAMED} more" if len(empty) > MOST_NAMED else "")
    return [
        f"Less than half of the hotspot is tissue on {named}: its counts are not those of a full field. "
        "Look at the overview."
    ]


def _card(slide: SlideFindings, picture: str | None, shown: Shown) -> SlideCard:
    rate = slide.counts["amf_rate"]
    return SlideCard(
        name=shown(slide.name),
        case=None if slide.case is None else shown(slide.case),
        counted=slide.counted,
        amf=slide.counts["amf"],
        rate=None if rate is None or pd.isna(rate) else float(rate),
        tissue_mm2=slide.tissue_mm2,
        mitoses_per_mm2=slide.density(slide.counted),
        amf_per_mm2=slide.density(slide.counts["amf"]),
        hotspot=slide.hotspot,
        reasons=tuple(shown(reason) for reason in slide.reasons),
        picture=picture,
    )


def _picture(slide: SlideFindings, predictions: pd.DataFrame) -> str | None:
    if not slide.size:
        return None
    with suppress(FigureError):
        return "data:image/jpeg;base64," + base64.b64encode(overview_jpeg(slide, predictions)).decode()
    return None
