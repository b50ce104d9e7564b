"""What is known of each slide: its figures, the density over its tissue, and its hotspot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from atypica.core.errors import AtypicaError, FigureError
from atypica.data.figures import Figures, ListedSlide
from atypica.data.slide import Slide, open_slide
from atypica.evaluation.intervals import Interval, wilson
from atypica.inference.case_counts import called_amf
from atypica.inference.cases import LEVEL, no_figures, summarize_cases
from atypica.inference.counting import counted
from atypica.inference.crop_sources import on_slides
from atypica.inference.hotspot import HOTSPOT_MM2, Window, check_area, find_hotspot, window_size
from atypica.inference.resolution import Resolution
from atypica.inference.slide_crops import figures_by_image
from atypica.inference.tissue import THUMBNAIL_PX, Tissue, find_tissue

COUNTS = ("figures", "failed", "left_out", "amf", "amf_rate", "low", "high", "interval", "few_figures")
"""Columns that mean what they mean in the table of cases."""
LITTLE_TISSUE = 0.5
"""A hotspot with a smaller share of tissue is warned of."""


@dataclass(frozen=True)
class Hotspot:
    """The window of a slide with the most figures.

    Attributes:
        window: where it is, and the rows of the predictions in it.
        mm2: its area, which is less than asked for where the slide is smaller.
        amf: figures in it that were called AMF.
        interval: Wilson's, of their share; None without figures.
        tissue: the share of the window that is tissue, 0 to 1; None where that is not known.
    """

    window: Window
    mm2: float
    amf: int
    interval: Interval | None
    tissue: float | None

    @property
    def figures(self) -> int:
        """The mitotic count: all counted figures in the window."""
        return len(self.window)

    @property
    def rate(self) -> float:
        """AMF over all counted figures in it."""
        return self.amf / self.figures


@dataclass(frozen=True)
class SlideFindings:
    """One slide or region and its figures.

    Attributes:
        image: as the figure table names it.
        path: where it lies.
        name: the slide's name: the column `slide`, else the file's.
        case: the patient; None where unknown.
        rows: positions of its figures in the predictions, shape (figures,).
        counts: `COUNTS` by name.
        size: width and height in level-0 pixels; None where it cannot be opened.
        mpp: micrometers per pixel of level 0, if known.
        tissue_mm2: area of its tissue, if known.
        hotspot: None without counted figures or without a resolution.
        reasons: why something is missing or to be doubted, as sentences without a full stop.
    """

    image: str
    path: Path
    name: str
    case: str | None
    rows: NDArray[np.int64]
    counts: dict[str, Any]
    size: tuple[int, int] | None = None
    mpp: float | None = None
    tissue_mm2: float | None = None
    hotspot: Hotspot | None = None
    reasons: tuple[str, ...] = ()

    @property
    def counted(self) -> int:
        """Figures that enter counts and rates."""
        return self.counts["figures"] - self.counts["failed"] - self.counts["left_out"]

    def density(self, figures: int) -> float | None:
        """Figures per square millimeter of tissue; None where the tissue is not known."""
        return figures / self.tissue_mm2 if self.tissue_mm2 else None


def find_slides(
    predictions: pd.DataFrame, figures: Figures, resolution: Resolution, hotspot_mm2: float = HOTSPOT_MM2
) -> tuple[SlideFindings, ...]:
    """What is known of every slide that figures lie on or that was named as a slide, in that order.

    Each slide is opened and closed; of its pixels only a thumbnail is looked at.

    Args:
        predictions: the predictions table.
        figures: what was typed, row by row the same. Slides are what `on_slides` says, and `Figures.slides`.
        resolution: the micrometers per pixel.
        hotspot_mm2: area of the hotspot.

    Raises:
        SettingsError: the area is not possible.
    """
    check_area(hotspot_mm2)
    rows = np.flatnonzero(on_slides(figures))
    images = figures.table["image"].iloc[rows]
    groups = [rows[at] for at in figures_by_image(images)] if len(rows) else []
    by_image = {str(figures.table["image"].iloc[group[0]]): group for group in groups}
    listed = {slide.image: slide for slide in figures.slides}
    look = _Look(predictions, figures, resolution, hotspot_mm2)
    return tuple(
        look.at(image, by_image.get(image, np.empty(0, dtype=np.int64)), listed.get(image))
        for image in dict.fromkeys([*listed, *by_image])
    )


def places(predictions: pd.DataFrame) -> NDArray[np.float64]:
    """x and y of every figure in level-0 pixels, (figures, 2); NaN for blank."""
    return predictions.reindex(columns=["x", "y"]).to_numpy(dtype=np.float64, na_value=np.nan)


@dataclass(frozen=True)
class _Look:
    """Looks at one slide after the other; see `find_slides`."""

    predictions: pd.DataFrame
    figures: Figures
    resolution: Resolution
    hotspot_mm2: float

    def at(self, image: str, rows: NDArray[np.int64], listed: ListedSlide | None) -> SlideFindings:
        """One slide, with the rows of its figures."""
        its = self.predictions.iloc[rows]
        bare = listed if not len(rows) else None
        said = listed.reasons if listed else ()
        known: dict[str, Any] = {
            "image": image,
            "path": self.figures.path(image),
            "name": bare.slide if bare else _first(its, "slide") or Path(image).stem,
            "case": bare.case if bare else _first(its, "case"),
            "rows": rows,
            "counts": _counts(its, image),
        }
        try:
            with open_slide(known["path"]) as slide:
                known |= self._looked_at(slide, its, rows, bare)
        except AtypicaError as error:
            known["reasons"] = (error.message,)
        known["reasons"] = (*said, *known["reasons"])
        return SlideFindings(**known)

    def _looked_at(
        self, slide: Slide, its: pd.DataFrame, rows: NDArray[np.int64], bare: ListedSlide | None
    ) -> dict[str, Any]:
        try:
            mpp = self._mpp(slide, rows, bare)
        except FigureError as error:
            return {"size": slide.size, "reasons": (error.message,)}
        tissue = _tissue(slide, mpp)
        hotspot = _hotspot(slide.size, mpp, its, rows, self.hotspot_mm2, tissue)
        reasons = [tissue.reason] if tissue.reason else []
        return {
            "size": slide.size,
            "mpp": mpp,
            "tissue_mm2": tissue.mm2,
            "hotspot": hotspot,
            "reasons": (*reasons, *_on_hotspot(hotspot, self.hotspot_mm2)),
        }

    def _mpp(self, slide: Slide, rows: NDArray[np.int64], bare: ListedSlide | None) -> float:
        if bare:
            return self.resolution.of_bare_slide(bare.mpp, slide.name, slide.mpp)[0]
        return self.resolution.of_slide(int(rows[0]), slide.name, slide.mpp)[0]


def _counts(its: pd.DataFrame, image: str) -> dict[str, Any]:
    summary = no_figures() if its.empty else summarize_cases(its.assign(case=image)).iloc[0]
    return {name: summary[name] for name in COUNTS}


def _on_hotspot(hotspot: Hotspot | None, wanted_mm2: float) -> list[str]:
    """What to know of a hotspot, or why there is none."""
    if hotspot is None:
        return ["no figure on it counts, so there is no hotspot"]
    reasons: list[str] = []
    if hotspot.mm2 < 0.999 * wanted_mm2:
        reasons.append(f"the slide is smaller than {wanted_mm2:g} mm²: its hotspot has {hotspot.mm2:.2f} mm²")
    if hotspot.tissue is not None and hotspot.tissue < LITTLE_TISSUE:
        reasons.append(f"only {hotspot.tissue:.0%} of the hotspot is tissue: its counts are not those of a full field")
    return reasons


def _first(table: pd.DataFrame, column: str) -> str | None:
    """The first entry of a column that is filled."""
    filled = [value for value in table[column] if pd.notna(value)] if column in table else []
    return str(filled[0]) if filled else None


def _tissue(slide: Slide, mpp: float) -> Tissue:
    try:
        thumbnail = slide.thumbnail(THUMBNAIL_PX)
    except FigureError as error:
        return Tissue(np.zeros((1, 1), dtype=bool), None, f"no thumbnail: {error.message}")
    return find_tissue(thumbnail, slide.size, mpp)


def _hotspot(
    size: tuple[int, int],
    mpp: float,
    its: pd.DataFrame,
    rows: NDArray[np.int64],
    hotspot_mm2: float,
    tissue: Tissue,
) -> Hotspot | None:
    at = places(its)
    inside = np.flatnonzero(counted(its) & ((at >= 0) & (at <= np.array(size))).all(axis=1))
    found = find_hotspot(at[inside, 0], at[inside, 1], window_size(hotspot_mm2, mpp), size)
    if found is None:
        return None
    window = Window(found.left, found.top, found.width, found.height, rows[inside[found.rows]])
    amf = int(called_amf(its)[inside[found.rows]].sum())
    place = (window.left, window.top, window.width, window.height)
    return Hotspot(
        window,
        mm2=window.width * window.height * mpp**2 / 1e6,
        amf=amf,
        interval=wilson(amf, len(window), LEVEL),
        tissue=None if tissue.mm2 is None else tissue.share(*place, size),
    )
