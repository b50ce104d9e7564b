"""What `classify` shows of slides."""

from __future__ import annotations

from collections.abc import Sequence

from atypica.apps.cli.screen import counted, say
from atypica.inference.slides import SlideFindings

MOST_SLIDES = 12


def show_slides(slides: Sequence[SlideFindings]) -> None:
    """A line a slide: its density and its hotspot, and why something is missing."""
    for slide in slides[:MOST_SLIDES]:
        say(f"{slide.name}: {_numbers(slide)}")
        for reason in slide.reasons:
            say(f"  {reason}", "yellow")
    if len(slides) > MOST_SLIDES:
        say(f"{counted(len(slides) - MOST_SLIDES, 'more slide')} in the table of slides")


def _numbers(slide: SlideFindings) -> str:
    parts = [counted(slide.counted, "figure") + f", {slide.counts['amf']:,} AMF"]
    if slide.tissue_mm2:
        density = slide.counted / slide.tissue_mm2
        parts.append(f"{density:,.{0 if density >= 100 else 2}f} per mm² of {slide.tissue_mm2:.3g} mm² tissue")
    if slide.hotspot:
        spot = slide.hotspot
        parts.append(f"hotspot of {spot.mm2:.2f} mm²: {counted(spot.figures, 'figure')}, {spot.amf:,} AMF")
    return "; ".join(parts)
