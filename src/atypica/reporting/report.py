"""The report: one HTML file for the person who has to judge the figures."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from atypica.core.errors import FigureError
from atypica.core.files import write_text
from atypica.core.vocabulary import Subtype
from atypica.data.figures import Figures
from atypica.inference.card import Card
from atypica.inference.counting import Limits, counted
from atypica.inference.hotspot import HOTSPOT_MM2
from atypica.inference.rate_by_cut import rate_by_cut
from atypica.inference.slides import SlideFindings
from atypica.reporting import gallery, plots, summary
from atypica.reporting.case_row import case_rows
from atypica.reporting.corrected import footnotes
from atypica.reporting.cut_plot import NAMES, rate_and_count
from atypica.reporting.gallery import Picture
from atypica.reporting.pages import environment, template_text
from atypica.reporting.redaction import Shown, without_folders
from atypica.reporting.slide_section import slide_cards, slide_warnings
from atypica.reporting.tile import Tile, tiles

FAILED_TILES = 60
"""How many failed figures get a tile; all of them are listed."""


Explained = tuple[NDArray[np.uint8], NDArray[np.float32]]
"""A crop (S, S, 3) and its activation map (h, w)."""


class Result(Protocol):
    """What a report is made from: the part of `inference.result.Result` that is read here."""

    @property
    def predictions(self) -> pd.DataFrame: ...
    @property
    def card(self) -> Card: ...
    @property
    def figures(self) -> Figures: ...
    @property
    def notes(self) -> Sequence[str]: ...
    @property
    def views(self) -> int: ...
    @property
    def limits(self) -> Limits: ...
    def cases(self) -> pd.DataFrame: ...
    def explain(self, rows: list[int]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]: ...


def write_report(
    result: Result,
    path: Path,
    *,
    title: str | None = None,
    banner: str | None = None,
    limit: int = gallery.LIMIT,
    slides: Sequence[SlideFindings] = (),
    hotspot_mm2: float = HOTSPOT_MM2,
) -> None:
    """Write a result as one HTML file that fetches nothing: styles, script, pictures and plots are inside.

    Args:
        result: what `classify` returned.
        path: the file to write, whole or not at all.
        title: the headline; the source's name otherwise.
        banner: a sentence that must be read first (that the figures are drawn, for instance).
        limit: how many figures the gallery shows at most.
        slides: what `Result.slides` found; without them there is no section of slides.
        hotspot_mm2: the size of hotspot that was asked for.

    Raises:
        OutputError: the file cannot be written.
    """
    page = render_report(result, title=title, banner=banner, limit=limit, slides=slides, hotspot_mm2=hotspot_mm2)
    write_text(path, page)


def render_report(
    result: Result,
    *,
    title: str | None = None,
    banner: str | None = None,
    limit: int = gallery.LIMIT,
    slides: Sequence[SlideFindings] = (),
    hotspot_mm2: float = HOTSPOT_MM2,
) -> str:
    """The HTML that `write_report` writes."""
    table = result.predictions.reset_index(drop=True)
    shown = without_folders(result.figures.root, table.get("image", ()))
    rows = case_rows(result.cases(), shown)
    key = summary.summarize(table, rows, result.card)
    notes = [shown(note) for note in result.notes]
    warnings = [*summary.warnings(key, rows, result.card, notes), *slide_warnings(slides, shown)]
    script = template_text("report.js")
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            title=title or f"Mitotic figures of {shown(result.figures.name)}",
            banner=banner,
            created=datetime.now().astimezone(),
            version=version("atypica"),
            style=Markup(template_text("report.css")),
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            key=key,
            cases=rows[:-1] or rows,
            warnings=warnings,
            footnotes=footnotes(rows, result.card.thresholds.accuracy, result.views),
            notes=[note for note in notes if note not in warnings],
            card=result.card,
            subtypes=list(Subtype),
            slides=slide_cards(slides, table, shown),
            hotspot_mm2=hotspot_mm2,
            **_gallery(result, table, limit, shown),
            **_plots(result, table, key),
            limits=result.limits,
            cut_plots=_cut_plots(table, result.limits),
        )
    )


def _gallery(result: Result, table: pd.DataFrame, limit: int, shown: Shown) -> dict[str, Any]:
    chosen = gallery.choose(table, limit)
    pictures, scale, cells = _pictures(result, chosen)
    failed = [int(row) for row in np.flatnonzero(table["p_amf"].isna())]
    every = tiles(table, [*chosen, *failed], [*pictures, *([None] * len(failed))], result.card, _labels(result), shown)
    return {
        "tiles": every[: len(chosen) + FAILED_TILES],
        "failed": every[len(chosen) :],
        "map_shape": cells,
        "map_scale": scale,
        "counts": _counts(every[: len(chosen) + FAILED_TILES]),
    }


def _pictures(result: Result, rows: list[int]) -> tuple[list[Picture | None], float, tuple[int, ...]]:
    """The pictures of `rows`, the activation drawn at full strength, and how many cells a map has.

    A file that has gone since it was typed costs its own picture only.
    """
    explained = _explain(result, rows)
    known = [part for part in explained if part is not None]
    if not known:
        return [None for _ in rows], 1.0, ()
    crops, maps = (np.stack(parts) for parts in zip(*known, strict=True))
    pictures, scale = gallery.pictures(crops, maps)
    drawn = iter(pictures)
    return [None if part is None else next(drawn) for part in explained], scale, maps.shape[1:]


def _explain(result: Result, rows: list[int]) -> list[Explained | None]:
    try:
        return list(zip(*result.explain(rows), strict=True))
    except FigureError:
        return [None] if len(rows) == 1 else [part for row in rows for part in _explain(result, [row])]


def _labels(result: Result) -> list[str | None] | None:
    given = result.figures.table
    if "label" not in given or len(given) != len(result.predictions) or given["label"].isna().all():
        return None
    return list(given["label"])


def _counts(shown_tiles: Sequence[Tile]) -> dict[str, int]:
    kinds = [kind for tile in shown_tiles for kind in tile.kinds.split()]
    return {"all": len(shown_tiles)} | {kind: kinds.count(kind) for kind in ("amf", "nmf", "check", "out", "failed")}


def _plots(result: Result, table: pd.DataFrame, key: summary.Summary) -> dict[str, Any]:
    table = table[counted(table)]
    p = table["p_amf"].to_numpy(dtype=np.float64)
    counts = summary.subtype_counts(table)
    if not len(p):
        return {"histogram": None, "subtype_plot": None}
    limits = result.card.thresholds
    histogram = plots.p_histogram(p, key.threshold, (limits.refer_low, limits.refer_high))
    about = f"Histogram of p(AMF) of {len(p)} figures; {key.amf} lie at or above the threshold {key.threshold:.2f}."
    return {
        "histogram": Markup(plots.inline_svg(histogram, "histogram", about)),
        "subtype_plot": _subtype_plot(counts) if counts else None,
    }


def _cut_plots(table: pd.DataFrame, limits: Limits) -> dict[str, Markup]:
    """The plot of each kind of cut that the figures allow."""
    every: dict[str, Markup] = {}
    for kind, rates in rate_by_cut(table, limits).groupby("cut_by", sort=False):
        first, last = rates.iloc[0], rates.iloc[-1]
        about = (
            f"AMF rate and number of figures by {NAMES[str(kind)]}: {first['figures']} figures at "
            f"{first['cut']:g}, {last['figures']} at {last['cut']:g}."
        )
        every[str(kind)] = Markup(plots.inline_svg(rate_and_count(rates), f"cut-{kind}", about))
    return every


def _subtype_plot(counts: Mapping[Subtype, int]) -> Markup:
    about = "; ".join(f"{subtype.display} {number}" for subtype, number in counts.items())
    return Markup(plots.inline_svg(plots.subtype_bars(counts), "subtypes", f"Figures by subtype: {about}."))
