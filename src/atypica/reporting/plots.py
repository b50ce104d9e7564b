"""The plots of a report, as matplotlib figures and as SVG that takes its colors from the page."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from atypica.core.colors import AMF_COLOR, NMF_COLOR
from atypica.core.vocabulary import Label, Subtype

INK, MUTED, LINE, BAND = "#1b2530", "#5c6976", "#d9dee4", "#8a94a0"
_VARIABLES = {
    AMF_COLOR: "var(--amf)",
    NMF_COLOR: "var(--nmf)",
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    BAND: "var(--muted)",
}
_TO_INLINE = (
    (re.compile(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", re.S), ""),
    (re.compile(r' id="[a-zA-Z0-9]+(?:\.[a-z]+)?_\d+"'), ""),
    (re.compile(r" font-family: [^;]*;"), ""),
    (re.compile(r"\s*\n\s*"), " "),
)
"""What matplotlib writes that would reach beyond its own element, or fix what the page decides."""
BINS = 25
_STYLE: dict[Any, Any] = {"font.size": 11, "svg.fonttype": "none", "axes.edgecolor": LINE, "text.color": INK}


def p_histogram(p: NDArray[np.float64], threshold: float, band: tuple[float, float]) -> Figure:
    """The distribution of p_amf, split at the threshold, with the band in which figures are referred to a person.

    Args:
        p: p_amf of the typed figures, shape (figures,).
        threshold: where AMF begins.
        band: `refer_low` and `refer_high`; nothing is drawn where they are equal.
    """
    with mpl.rc_context(_STYLE):
        figure, axes = _axes((7.0, 3.3))
        edges = np.linspace(0, 1, BINS + 1)
        sides = [p[p < threshold], p[p >= threshold]]
        colors = [NMF_COLOR, AMF_COLOR]
        axes.hist(sides, bins=list(edges), stacked=True, color=colors, label=["NMF", "AMF"], rwidth=0.9)
        if band[1] > band[0]:
            axes.axvspan(*band, color=BAND, alpha=0.16, lw=0, label="to check")
        axes.axvline(threshold, color=INK, lw=1.4, ls=(0, (4, 2)), label=f"threshold {threshold:.2f}")
        axes.set(xlim=(0, 1), xlabel="p(AMF)", ylabel="figures")
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, frameon=False, handlelength=1.4)
    return figure


def subtype_bars(counts: Mapping[Subtype, int]) -> Figure:
    """How many figures were given each subtype, in the order of the vocabulary; NMF above, AMF below."""
    with mpl.rc_context(_STYLE):
        figure, axes = _axes((7.0, 3.3))
        values = [counts.get(subtype, 0) for subtype in Subtype]
        total = sum(values) or 1
        colors = [AMF_COLOR if subtype.side is Label.AMF else NMF_COLOR for subtype in Subtype]
        bars = axes.barh([subtype.display for subtype in Subtype], values, color=colors, height=0.66)
        axes.bar_label(bars, [f"{n} ({n / total:.0%})" for n in values], padding=5, color=MUTED, fontsize=10)
        axes.invert_yaxis()
        axes.set_xlim(0, max([*values, 1]) * 1.18)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.set_xlabel("figures")
        axes.grid(visible=False, axis="y")
        axes.grid(axis="x", color=LINE, lw=0.8)
        axes.tick_params(axis="y", colors=INK)
    return figure


def _axes(size: tuple[float, float]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    bare(axes, pad=6)
    return figure, axes


def bare(axes: Axes, pad: float) -> None:
    """Leave of the frame the x axis alone, over a faint grid; `pad` points between ticks and their labels."""
    axes.set_axisbelow(True)
    axes.grid(axis="y", color=LINE, lw=0.8)
    axes.tick_params(colors=MUTED, length=0, pad=pad)
    axes.xaxis.label.set_color(MUTED)
    axes.yaxis.label.set_color(MUTED)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def inline_svg(figure: Figure, name: str, description: str) -> str:
    """A figure as an `<svg>` element to stand in an HTML page: it takes the page's font and colors.

    Args:
        figure: the plot.
        name: tells its ids from another plot's on the same page.
        description: read aloud in place of the picture; must hold no markup.
    """
    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        nothing = dict.fromkeys(("Date", "Creator", "Type", "Format"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    svg = buffer.getvalue()
    body = svg[svg.index(">", svg.index("<svg")) + 1 :]
    for pattern, replacement in _TO_INLINE:
        body = pattern.sub(replacement, body)
    for color, variable in _VARIABLES.items():
        body = body.replace(color, variable)
    width, height = (72 * inches for inches in figure.get_size_inches())
    return f'<svg class="plot" role="img" aria-label="{description}" viewBox="0 0 {width:g} {height:g}">{body}'
