"""The model beside the experts, in one picture."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from atypica.evaluation.intervals import Estimate
from atypica.evaluation.people import People
from atypica.reporting.evaluation_plots import STYLE, WIDTH_IN, save
from atypica.reporting.plots import AMF_COLOR, INK, LINE, MUTED, NMF_COLOR

_PANELS = {"balanced_accuracy": "balanced accuracy", "sensitivity": "sensitivity", "specificity": "specificity"}
_EXPERT, _MODEL = AMF_COLOR, NMF_COLOR
_Row = tuple[float, str, str, dict[str, Estimate]]


def write_people_plot(folder: Path, people: People, threshold: float) -> Path:
    """Write `people.png`; gives the file.

    Raises:
        OutputError: it cannot be written.
    """
    return save(people_plot(people, threshold), folder / "people.png")


def people_plot(people: People, threshold: float) -> Figure:
    """Each expert and, right below, the model against the majority of the other experts; last the model against all.

    Squares are experts, circles the model at `threshold`; bars are the intervals.
    """
    rows = _rows(people)
    bottom = rows[-1][0]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, 0.9 + 0.185 * (bottom + 1)), layout="constrained")
        panels = figure.subplots(1, len(_PANELS), sharey=True, sharex=True)
        for axes, (metric, words) in zip(panels, _PANELS.items(), strict=True):
            _panel(axes, rows, metric, words)
        first = panels[0]
        first.set_yticks([row[0] for row in rows], [row[1] for row in rows])
        for tick, row in zip(first.get_yticklabels(), rows, strict=True):
            tick.set_color(_EXPERT if row[2] == "expert" else _MODEL)
        first.set(xlim=(_lowest(rows), 1.0), ylim=(bottom + 1, -0.7))
        figure.supxlabel(_words(people, threshold), fontsize=6.2, color=MUTED)
    return figure


def _rows(people: People) -> list[_Row]:
    rows: list[_Row] = []
    at = 0.0
    for each in people.beside:
        rows += [(at, each.name, "expert", each.expert.metrics), (at + 0.9, "model", "model", each.model.metrics)]
        at += 2.6
    if people.majority:
        rows.append((at, "model, all experts", "model", people.majority.metrics))
    return rows


def _panel(axes: Axes, rows: list[_Row], metric: str, words: str) -> None:
    for at, _, who, metrics in rows:
        _mark(axes, at, who, metrics[metric])
    axes.set_title(words, fontsize=7, pad=4)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=LINE, lw=0.6)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))


def _mark(axes: Axes, at: float, who: str, estimate: Estimate) -> None:
    color, shape = (_EXPERT, "s") if who == "expert" else (_MODEL, "o")
    if estimate.value is None:
        axes.text(0.02, at, "n/a", transform=axes.get_yaxis_transform(), fontsize=6, color=MUTED, va="center")
        return
    if estimate.interval:
        axes.plot([estimate.interval.low, estimate.interval.high], [at, at], color=color, lw=1.2)
    axes.plot(estimate.value, at, shape, ms=4, color=color, clip_on=False, zorder=4)
    place, side = ((0, 3), "bottom") if who == "expert" else ((0, -3), "top")
    axes.annotate(
        _number(estimate.value), (estimate.value, at), place, textcoords="offset points",
        ha="center", va=side, fontsize=5.8, color=INK,
    )  # fmt: skip


def _number(value: float) -> str:
    """Two decimals; three where two would make a perfect score of an imperfect one."""
    return f"{value:.3f}" if 0.995 <= value < 1 else f"{value:.2f}"


def _lowest(rows: list[_Row]) -> float:
    found = [metrics[metric] for _, _, _, metrics in rows for metric in _PANELS]
    ends = [estimate.interval.low if estimate.interval else estimate.value for estimate in found]
    known = [end for end in ends if end is not None]
    return max(0.0, float(np.floor(min([*known, 0.7]) * 20) / 20))


def _words(people: People, threshold: float) -> str:
    figures = sorted({each.figures for each in people.beside})
    count = f"{figures[0]:,}" if figures[0] == figures[-1] else f"{figures[0]:,} to {figures[-1]:,}"
    intervals = [e.interval for each in people.beside for e in each.expert.metrics.values() if e.interval]
    kind = f"bars: {intervals[0].level:.0%} intervals, {intervals[0].method.split(',')[0]}" if intervals else ""
    last = "\nlast: the model against the majority of all experts" if people.majority else ""
    return (
        f"each pair: an expert and the model (threshold {threshold:.2f}), held against\n"
        f"the majority of the other experts on the same {count} figures{last}\n{kind}"
    ).rstrip()
