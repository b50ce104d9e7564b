"""What is given as a slide and as its figures, where one of them cannot be that."""

from __future__ import annotations

from pathlib import Path

from atypica.core.errors import FigureError, SourceError
from atypica.data.slide import VENDOR_SUFFIXES, image_size

TABLE_SUFFIXES = {".csv", ".parquet", ".pq"}


def check_slide_and_figures(source: Path, figures: Path) -> None:
    """Refuse swapped arguments, and figures for what is no single slide.

    Args:
        source: what was given as the slide.
        figures: what was given as the file of detections.

    Raises:
        SourceError: the two are swapped, both are images, or the source is a table or a folder.
    """
    if source.is_dir():
        raise SourceError(
            f"{source} is a folder, but --figures belongs to one slide",
            "give the slide itself, or a table with the columns 'slide' and 'figures'",
        )
    if _is_image(figures):
        if _is_image(source):
            raise SourceError(
                f"--figures {figures.name} is an image, not a file of detections",
                "give the detector's CSV, Parquet, GeoJSON, COCO or SlideRunner file",
            )
        raise SourceError(
            f"--figures {figures.name} is an image: slide and figures are swapped",
            f"atypica classify {figures.name} --figures {source.name}",
        )
    if source.is_file() and source.suffix.lower() in TABLE_SUFFIXES:
        raise SourceError(
            f"{source.name} is a table, but --figures belongs to one slide",
            "leave --figures away: a table of slides names the figures of each in its column 'figures'",
        )


def _is_image(path: Path) -> bool:
    if path.suffix.lower() in VENDOR_SUFFIXES:
        return True
    try:
        return image_size(path) is not None
    except FigureError:
        return False
