"""One image as a source of figures: one figure, or one a page."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import tifffile

from atypica.data.figures import Figures, figures_from

TIFF_SUFFIXES = {".tif", ".tiff"}
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".jp2", ".j2k", ".gif", *TIFF_SUFFIXES}


def read_image(path: Path) -> Figures:
    """One image: a row, or a row for each page of a TIFF. A broken file is a row too, and fails when it is read."""
    pages = page_count(path)
    table = pd.DataFrame({"image": [path.name] * pages, "page": range(pages)})
    if pages == 1:
        return figures_from(table[["image"]], path.parent, path.name)
    return figures_from(table, path.parent, path.name, (f"{pages} pages, a figure each",))


def page_count(path: Path) -> int:
    """How many pages an image has; 1 for anything but a readable TIFF."""
    if path.suffix.lower() not in TIFF_SUFFIXES:
        return 1
    try:
        with tifffile.TiffFile(path) as file:
            return max(1, len(file.pages))
    except Exception:  # a broken TIFF fails in many ways, and its error is told when it is read
        return 1
