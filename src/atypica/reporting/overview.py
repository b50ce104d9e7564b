"""The overview of a slide: its figures by type, the hotspot outlined and enlarged, a scale."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from numpy.typing import NDArray
from PIL import Image

from atypica.core.colors import AMF_COLOR, NEUTRAL_COLOR, NMF_COLOR
from atypica.core.errors import FigureError
from atypica.core.files import atomic_path
from atypica.core.vocabulary import Label
from atypica.data.slide import Slide, open_slide
from atypica.inference.geojson import LEFT_OUT, NOT_TYPED, figure_classes
from atypica.inference.hotspot import Window
from atypica.inference.slide_files import slide_paths
from atypica.inference.slides import LITTLE_TISSUE, Hotspot, SlideFindings, places
from atypica.reporting.plots import INK, MUTED
from atypica.reporting.scale_bar import draw_scale_bar

WIDTH_IN = 7.2
"""Two columns of a journal."""
MOST_IN = (4.5, 5.6)
"""Width and height that the overview itself takes at most."""
GAP_IN, MARGIN_IN, HEAD_IN, FOOT_IN = 0.25, 0.12, 0.62, 0.52
FOOT_TEXT_IN = 2.6
"""Of the words below the overview, which a narrow slide does not give room."""
DPI = 300
SCREEN_DPI = 144
THUMBNAIL_PX, ENLARGED_PX = 1700, 1100
FADED = 0.30
"""How far the tissue of the overview is blended to white, so that marks stand out."""
WHOLE = 0.8
"""A hotspot that is more than this of the slide stands as large as the slide beside it: it cannot be enlarged."""
_LARGE, _SMALL = 22.0, 0.7
"""Area of a mark in square points, on a slide of few figures and of very many."""
_FEW, _MANY = 100, 30_000
CROWDED = 500
"""With more figures than this, AMF is not drawn above NMF, which would hide it and let the rate look higher: all marks
have one size and lie in random order."""
_COLORS = {Label.AMF.value: AMF_COLOR, Label.NMF.value: NMF_COLOR}
_LABELS = (
    (Label.AMF.value, "●", "atypical (AMF)"),
    (Label.NMF.value, "●", "normal (NMF)"),
    (NOT_TYPED, "×", "not typed"),
    (LEFT_OUT, "○", "left out"),
)


def write_overview(path: Path, slide: SlideFindings, predictions: pd.DataFrame) -> Path:
    """Write the overview of a slide as a PNG for print, whole or not at all.

    Args:
        path: the file to write.
        slide: one that could be opened.
        predictions: those of all slides.

    Raises:
        FigureError: the slide cannot be read.
        OutputError: the file cannot be written.
    """
    figure = draw_overview(slide, predictions)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=DPI)
    return path


def write_overviews(predictions: pd.DataFrame, slides: Sequence[SlideFindings], out: Path) -> list[Path]:
    """Write the overview of every slide that can be read: `overview.png`, or `slides/NAME.png` where they are several.

    Raises:
        OutputError: a file cannot be written.
    """
    written: list[Path] = []
    for slide, path in zip(slides, slide_paths(slides, out, "overview", ".png"), strict=True):
        # What cannot be read says so in the table of slides.
        with suppress(FigureError):
            if slide.size:
                written.append(write_overview(path, slide, predictions))
    return written


def overview_jpeg(slide: SlideFindings, predictions: pd.DataFrame) -> bytes:
    """The overview of a slide, small enough to stand in a report.

    Raises:
        FigureError: the slide cannot be read.
    """
    buffer = io.BytesIO()
    draw_overview(slide, predictions).savefig(
        buffer, format="jpeg", dpi=SCREEN_DPI, pil_kwargs={"quality": 82, "optimize": True}
    )
    return buffer.getvalue()


@dataclass(frozen=True)
class _Layout:
    """Places in inches from the lower left corner: left, bottom, width, height."""

    height: float
    overview: tuple[float, float, float, float]
    enlarged: tuple[float, float, float, float] | None


def _layout(size: tuple[int, int], hotspot: Hotspot | None) -> _Layout:
    aspect = size[0] / size[1]
    room = WIDTH_IN - 2 * MARGIN_IN
    if hotspot is not None:
        room = MOST_IN[0] if _is_part(hotspot.window, size) else (room - GAP_IN) / 2
    width = min(room, MOST_IN[1] * aspect)
    height = width / aspect
    if hotspot is None:
        return _Layout(height + HEAD_IN + FOOT_IN, (MARGIN_IN, FOOT_IN, width, height), None)
    left = MARGIN_IN + max(width, FOOT_TEXT_IN) + GAP_IN
    beside, high = _within(hotspot.window, WIDTH_IN - left - MARGIN_IN)
    body = max(height, high)
    return _Layout(
        body + HEAD_IN + FOOT_IN,
        (MARGIN_IN, FOOT_IN + body - height, width, height),
        (left, FOOT_IN + body - high, beside, high),
    )


def _within(window: Window, room: float) -> tuple[float, float]:
    """Width and height in inches of a window, in `room` and no higher than the overview may be."""
    aspect = window.width / window.height
    width = min(room, MOST_IN[0], MOST_IN[1] * aspect)
    return width, width / aspect


def _is_part(window: Window, size: tuple[int, int]) -> bool:
    return window.width * window.height < WHOLE * size[0] * size[1]


def draw_overview(slide: SlideFindings, predictions: pd.DataFrame) -> Figure:
    """The overview as a figure; see `write_overview`."""
    its = predictions.iloc[slide.rows]
    at, classes = places(its), np.array(figure_classes(its), dtype=str)
    with open_slide(slide.path) as handle:
        thumbnail = handle.thumbnail(THUMBNAIL_PX)
        layout = _layout(handle.size, slide.hotspot)
        enlarged = _enlarged(handle, slide.hotspot.window) if slide.hotspot else None
        size = handle.size
    with mpl.rc_context({"font.size": 8, "text.color": INK}):
        figure = Figure(figsize=(WIDTH_IN, layout.height))
        axes = _panel(figure, layout, layout.overview, _faded(thumbnail), (0, 0, *size))
        on = _inside(at, (0, 0, *size))
        _marks(axes, at[on], classes[on], _mark_area(len(at)))
        draw_scale_bar(axes, slide.mpp, layout.overview[2], at[on], slide.hotspot and slide.hotspot.window)
        _heading(figure, layout, slide, classes)
        if slide.hotspot:
            _outline(axes, slide.hotspot.window, above=len(at) > CROWDED)
        if slide.hotspot and layout.enlarged and enlarged is not None:
            window = slide.hotspot.window
            box = (window.left, window.top, window.width, window.height)
            beside = _panel(figure, layout, layout.enlarged, enlarged, box)
            inner = _inside(at, box)
            _rings(beside, at[inner], classes[inner], slide.hotspot.figures)
            draw_scale_bar(beside, slide.mpp, layout.enlarged[2], at[inner])
        _foot(figure, layout, slide)
    return figure


def _panel(
    figure: Figure,
    layout: _Layout,
    place: tuple[float, float, float, float],
    pixels: NDArray[np.uint8],
    box: tuple[float, float, float, float],
) -> Axes:
    """Axes at a place in inches that show pixels; their coordinates are level-0 pixels."""
    left, bottom, width, height = place
    axes = figure.add_axes((left / WIDTH_IN, bottom / layout.height, width / WIDTH_IN, height / layout.height))
    x, y, wide, high = box
    # With a fourth channel of its own, Matplotlib computes in half the bytes (float32 in place of float64).
    opaque = np.dstack([pixels, np.full(pixels.shape[:2], 255, dtype=np.uint8)])
    axes.imshow(opaque, extent=(x, x + wide, y + high, y), aspect="auto", interpolation="antialiased")
    axes.set(xlim=(x, x + wide), ylim=(y + high, y), xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color=MUTED, linewidth=0.6)
    return axes


def _faded(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return (pixels * (1 - FADED) + 255 * FADED).astype(np.uint8)


def _enlarged(handle: Slide, window: Window) -> NDArray[np.uint8]:
    """The hotspot, `ENLARGED_PX` wide, from the coarsest level that is fine enough."""
    factor = max(1.0, window.width / ENLARGED_PX)
    level = max(i for i, scale in enumerate(handle.downsamples) if scale <= factor + 1e-6)
    scale = handle.downsamples[level]
    wide, high = (max(1, round(side / scale)) for side in (window.width, window.height))
    pixels = handle.read(round(window.left), round(window.top), wide, high, level)
    target = (max(1, round(window.width / factor)), max(1, round(window.height / factor)))
    return np.asarray(Image.fromarray(pixels).resize(target, Image.Resampling.BOX))


def _inside(at: NDArray[np.float64], box: tuple[float, float, float, float]) -> NDArray[np.bool_]:
    """Which places (n, 2) lie in a box: left, top, width, height. Their marks are drawn whole, beyond the border."""
    corner, side = np.array(box[:2]), np.array(box[2:])
    return np.asarray(((at >= corner) & (at <= corner + side)).all(axis=1), dtype=bool)


def _mark_area(figures: int) -> float:
    """Smaller marks for more figures, by the logarithm of their number."""
    part = (math.log(max(figures, 1)) - math.log(_FEW)) / (math.log(_MANY) - math.log(_FEW))
    return float(_LARGE * (_SMALL / _LARGE) ** np.clip(part, 0, 1))


def _marks(axes: Axes, at: NDArray[np.float64], classes: NDArray[np.str_], area: float) -> None:
    for name, marker, order in ((LEFT_OUT, "o", 2), (NOT_TYPED, "x", 3)):
        x, y = at[classes == name].T
        face = "none" if marker == "o" else NEUTRAL_COLOR
        edge = NEUTRAL_COLOR if marker == "o" else None
        axes.scatter(x, y, s=area, c=face, marker=marker, edgecolors=edge, linewidths=0.8, zorder=order, clip_on=False)
    drawn = _drawing_order(classes)
    amf = classes[drawn] == Label.AMF.value
    larger = 1.0 if len(drawn) > CROWDED else 1.5
    edge = 0.5 if area > 8 else 0.15 if area > 3 else 0
    colors = np.where(amf, AMF_COLOR, NMF_COLOR)
    axes.scatter(
        *at[drawn].T,
        s=np.where(amf, larger * area, area),
        c=colors,
        edgecolors="white",
        linewidths=edge,
        zorder=4,
        clip_on=False,
    )


def _drawing_order(classes: NDArray[np.str_]) -> NDArray[np.int64]:
    """Positions of the typed figures: NMF then AMF, or shuffled where they are many."""
    called = [np.flatnonzero(classes == label.value) for label in (Label.NMF, Label.AMF)]
    order = np.concatenate(called)
    return order if len(order) <= CROWDED else np.random.default_rng(0).permutation(order)


def _rings(axes: Axes, at: NDArray[np.float64], classes: NDArray[np.str_], figures: int) -> None:
    """Open marks, for the figure itself is to be seen."""
    area = 2 * _mark_area(figures)
    white, colored = min(2.2, area / 12), min(1.3, area / 16)
    axes.scatter(*at.T, s=area, c="none", edgecolors="white", linewidths=white, zorder=3, clip_on=False)
    neither = np.flatnonzero(~np.isin(classes, [label.value for label in Label]))
    drawn = np.concatenate([neither, _drawing_order(classes)])
    colors = [_COLORS.get(name, NEUTRAL_COLOR) for name in classes[drawn]]
    axes.scatter(*at[drawn].T, s=area, c="none", edgecolors=colors, linewidths=colored, zorder=4, clip_on=False)


def _outline(axes: Axes, window: Window, *, above: bool) -> None:
    """The hotspot's outline: below the marks, but above very many, which would hide it."""
    place = (window.left, window.top), window.width, window.height
    order = 6.0 if above else 3.5
    axes.add_patch(Rectangle(*place, fill=False, edgecolor="white", linewidth=3, zorder=order))
    axes.add_patch(Rectangle(*place, fill=False, edgecolor=INK, linewidth=1.4, zorder=order))


def _heading(figure: Figure, layout: _Layout, slide: SlideFindings, classes: NDArray[np.str_]) -> None:
    top = layout.height - MARGIN_IN
    left = MARGIN_IN / WIDTH_IN
    figure.text(left, top / layout.height, slide.name, fontsize=10.5, fontweight="bold", va="top")
    x = MARGIN_IN
    y = (top - 0.27) / layout.height
    for name, sign, words in _LABELS:
        number = int((classes == name).sum())
        if number or name in _COLORS:
            color = _COLORS.get(name, NEUTRAL_COLOR)
            text = figure.text(x / WIDTH_IN, y, f"{sign} {number:,} {words}", color=color, va="top", fontsize=8.5)
            x += _width_in(figure, text) + 0.2


def _width_in(figure: Figure, text: Text) -> float:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()
    return float(text.get_window_extent(renderer).width / figure.dpi)


def _foot(figure: Figure, layout: _Layout, slide: SlideFindings) -> None:
    """What the panels show, in words, below each."""
    left, bottom, _, _ = layout.overview
    _below(figure, layout, (left, bottom), _slide_words(slide))
    if slide.hotspot and layout.enlarged:
        _below(figure, layout, (layout.enlarged[0], layout.enlarged[1]), _hotspot_words(slide.hotspot))


def _below(figure: Figure, layout: _Layout, place: tuple[float, float], lines: Sequence[str]) -> None:
    left, bottom = place
    figure.text(
        left / WIDTH_IN, (bottom - 0.06) / layout.height, "\n".join(lines), fontsize=7.5, va="top", linespacing=1.35
    )


def _slide_words(slide: SlideFindings) -> list[str]:
    counts = slide.counts
    rate = counts["amf_rate"]
    lines = [] if rate is None or pd.isna(rate) else [f"AMF rate {_rate(rate, counts['low'], counts['high'])}"]
    if slide.tissue_mm2:
        figures, amf = slide.counted / slide.tissue_mm2, counts["amf"] / slide.tissue_mm2
        lines.append(f"{slide.tissue_mm2:.3g} mm² tissue: {_per(figures)} figures, {_per(amf)} AMF per mm²")
    return lines or ["no figure counts"]


def _hotspot_words(hotspot: Hotspot) -> list[str]:
    interval = hotspot.interval
    share = _rate(hotspot.rate, interval.low, interval.high) if interval else ""
    noun = "figure" if hotspot.figures == 1 else "figures"
    lines = [f"Hotspot, {hotspot.mm2:.2f} mm²: {hotspot.figures:,} {noun}", f"{hotspot.amf:,} AMF: {share}"]
    if hotspot.tissue is not None and hotspot.tissue < LITTLE_TISSUE:
        lines.append(f"Only {hotspot.tissue:.0%} of it is tissue")
    return lines


def _per(density: float) -> str:
    return f"{density:,.{0 if density >= 100 else 1 if density >= 10 else 2}f}"


def _rate(rate: float, low: float, high: float) -> str:
    return f"{100 * rate:.1f} % (95 %: {100 * low:.1f} to {100 * high:.1f} %)"
