"""The plots of a leaderboard, for one column of print: models by color and dash, labeled in the picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from atypica.evaluation.calibration import ReliabilityBin
from atypica.evaluation.curves import Curve
from atypica.evaluation.doubt import DOUBTS
from atypica.evaluation.intervals import Estimate
from atypica.evaluation.leaderboard import Scored
from atypica.evaluation.referral import SHARE
from atypica.reporting.evaluation_plots import STYLE
from atypica.reporting.leaderboard.board import Board, Cell, Row
from atypica.reporting.plots import AMF_COLOR, INK, LINE, MUTED, NMF_COLOR

WIDTH_IN = 3.5
MOST_CURVES = 5
"""So many curves can still be told apart; the others stand in the tables."""
LOOKS = (
    (NMF_COLOR, "-"), (AMF_COLOR, (0, (5, 1.5))), ("#009e73", (0, (1.2, 1.2))),
    ("#cc79a7", (0, (5, 1.5, 1, 1.5))), ("#e69f00", "-"),
)  # fmt: skip
"""Colors of Okabe and Ito's palette, and dashes, so that no color carries a meaning alone."""
LEAST_KEPT = 0.5
"""A coverage curve is drawn down to this share of the figures."""
_TICKS = [0, 0.2, 0.4, 0.6, 0.8, 1]


def roc_plot(scored: Sequence[Scored]) -> Figure | None:
    """The ROC curves with their bands; None where no model has one."""
    curves = [(one, one.first.roc) for one in scored if one.first.roc]
    return _curves(curves, "auroc", "1 − specificity (NMF called AMF)", "sensitivity (AMF called AMF)", True)


def pr_plot(scored: Sequence[Scored]) -> Figure | None:
    """The precision-recall curves with their bands; None where no model has one."""
    curves = [(one, one.first.pr) for one in scored if one.first.pr]
    return _curves(
        curves, "average_precision", "sensitivity (AMF called AMF)", "PPV (AMF among those called AMF)", False
    )


def _curves(found: list[tuple[Scored, Curve]], metric: str, x: str, y: str, diagonal: bool) -> Figure | None:
    if not found:
        return None
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, WIDTH_IN + 0.14 * min(len(found), MOST_CURVES)), layout="constrained")
        axes = figure.add_subplot()
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xticks=_TICKS, yticks=_TICKS, aspect="equal")
        axes.set(xlabel=x, ylabel=y)
        if diagonal:
            axes.plot([0, 1], [0, 1], color=MUTED, lw=0.6, ls=(0, (2, 2)))
            axes.text(0.6, 0.57, "chance", color=MUTED, fontsize=6.5, rotation=45, rotation_mode="anchor", va="top")
        else:
            _share_of_amf(axes, found[0][0])
        for (one, curve), (color, dash) in zip(found, LOOKS, strict=False):
            _curve(axes, curve, color, dash, _legend(one, metric))
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), frameon=False, fontsize=6.8, handlelength=2.6)
    return figure


def _share_of_amf(axes: Axes, one: Scored) -> None:
    counts = one.first.overall.confusion.counts
    share = counts["AMF"] / max(1, counts["AMF"] + counts["NMF"])
    axes.axhline(share, color=MUTED, lw=0.6, ls=(0, (2, 2)))
    axes.text(0.02, share - 0.015, f"chance: {share:.2f}", color=MUTED, fontsize=6.5, va="top")


def _curve(axes: Axes, curve: Curve, color: str, dash: Any, label: str) -> None:
    if curve.low is not None and curve.high is not None:
        axes.fill_between(curve.x, curve.low, curve.high, color=color, alpha=0.13, lw=0)
    axes.plot(curve.x, curve.y, color=color, lw=1.2, ls=dash, label=label)


def _legend(one: Scored, metric: str) -> str:
    words = {"auroc": "AUROC", "average_precision": "AP"}[metric]
    name = one.label if len(one.label) <= 30 else f"{one.label[:29]}…"
    return f"{name}: {words} {_number(one.first.overall.metrics[metric])}"


def _number(estimate: Estimate) -> str:
    return Cell.of(estimate).text() or "n/a"


def reliability_plot(scored: Sequence[Scored]) -> Figure | None:
    """The share of AMF by bins of p(AMF), a panel a model: as the networks say it, and calibrated out of fold."""
    shown = list(scored[:4])
    if not shown:
        return None
    columns = min(2, len(shown))
    lines = -(-len(shown) // columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, WIDTH_IN / columns * lines + 0.3), layout="constrained")
        panels = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).ravel()
        for axes, one in zip(panels, shown, strict=False):
            _reliability(axes, one)
        for axes in panels[len(shown) :]:
            axes.set_visible(False)
        figure.supxlabel("p(AMF)", fontsize=7.5)
        figure.supylabel("share of AMF observed", fontsize=7.5)
    return figure


def _reliability(axes: Axes, one: Scored) -> None:
    axes.plot([0, 1], [0, 1], color=MUTED, lw=0.6, ls=(0, (2, 2)))
    raw = one.first.overall.metrics["ece"].value
    words = [f"ECE {raw:.3f}"] if raw is not None else []
    _bins(axes, one.first.reliability, MUTED, "s", False)
    if one.calibrated:
        _bins(axes, one.calibrated.reliability, NMF_COLOR, "o", True)
        words.append(f"ECE {_number(one.calibrated.ece)}")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xticks=_TICKS, yticks=_TICKS, aspect="equal")
    axes.set_title(one.label if len(one.label) <= 26 else f"{one.label[:25]}…", fontsize=7.2, loc="left")
    for line, (text, color) in enumerate(zip(reversed(words), (NMF_COLOR, MUTED)[-len(words) :], strict=False)):
        axes.text(1.0, 0.01 + 0.08 * line, text, color=color, fontsize=6, ha="right")


def _bins(axes: Axes, bins: Sequence[ReliabilityBin], color: str, marker: str, bars: bool) -> None:
    known = [
        (one.mean_p, one.share, one.share_low or 0.0, one.share_high or 0.0)
        for one in bins
        if one.mean_p is not None and one.share is not None
    ]
    axes.plot([p for p, *_ in known], [share for _, share, *_ in known], color=color, lw=0.8, marker=marker, ms=2.8)
    for p, _, low, high in known if bars else []:
        axes.plot([p, p], [low, high], color=color, lw=0.8)


def coverage_plot(scored: Sequence[Scored]) -> Figure | None:
    """BA of the rest over the share that goes to a person, a line a doubt and a panel a model."""
    shown = [(one, found) for one in scored if (found := _curves_of(one))][:4]
    if not shown:
        return None
    columns = min(2, len(shown))
    lines = -(-len(shown) // columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, WIDTH_IN / columns * lines * 0.95 + 0.75), layout="constrained")
        panels = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).ravel()
        for axes, (one, found) in zip(panels, shown, strict=False):
            _coverage(axes, one.label, found)
        for axes in panels[len(shown) :]:
            axes.set_visible(False)
        low = min(float(np.nanmin(ba)) for _, found in shown for _, ba in found.values())
        panels[0].set(xlim=(0, 1 - LEAST_KEPT), xticks=np.arange(0, 1 - LEAST_KEPT + SHARE / 2, SHARE))
        panels[0].set(ylim=(np.floor(low * 20) / 20, 1.005))
        panels[0].xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        figure.supxlabel("share of the figures referred to a person", fontsize=7.5)
        figure.supylabel("BA of the rest", fontsize=7.5)
        handles = {line.get_label(): line for axes in panels[: len(shown)] for line in axes.get_lines()}
        names = [name for name in DOUBTS.values() if name in handles]
        figure.legend([handles[name] for name in names], names, loc="outside upper left", frameon=False, fontsize=6.8)
    return figure


def referred_at(one: Scored) -> str:
    """The name of the threshold whose referrals are drawn: the model's own, else the first."""
    return "own" if "own" in one.referrals else next(iter(one.referrals))


def _curves_of(one: Scored) -> dict[str, tuple[Any, Any]]:
    """Doubt to the share that is referred and BA of the rest, where both classes are left."""
    found: dict[str, tuple[Any, Any]] = {}
    for doubt, referral in one.referrals[referred_at(one)].items():
        curve = referral.curve
        known = ~np.isnan(curve.balanced_accuracy) & (curve.coverage >= LEAST_KEPT)
        if known.any():
            found[doubt] = (1 - curve.coverage[known], curve.balanced_accuracy[known])
    return found


def _coverage(axes: Axes, label: str, found: dict[str, tuple[Any, Any]]) -> None:
    axes.axvline(SHARE, color=LINE, lw=0.8, zorder=0)
    for doubt, (color, dash) in zip(DOUBTS, LOOKS, strict=False):
        if doubt in found:
            axes.plot(*found[doubt], color=color, lw=1.2, ls=dash, label=DOUBTS[doubt], drawstyle="steps-post")
    axes.set_title(label if len(label) <= 26 else f"{label[:25]}…", fontsize=7.2, loc="left")


def overview_plot(board: Board) -> Figure:
    """BA and AUROC of every row: folds' mean with SD, ensembles with intervals, published ones hollow."""
    keys = [next(iter(board.columns)), "auroc"]
    rows = [row for row in board.rows if any(key in row.cells and row.cells[key].value is not None for key in keys)]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN * 1.6, 0.62 + 0.17 * len(rows)), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        for axes, key in zip(panels, keys, strict=True):
            for place, row in enumerate(rows):
                _overview_row(axes, place, row, row.cells.get(key))
            axes.set_xlabel(board.columns[key])
            axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
            axes.grid(axis="x", color=LINE, lw=0.5)
            axes.set_axisbelow(True)
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
        panels[0].set_yticks(range(len(rows)), [_name(row) for row in rows])
        for tick, row in zip(panels[0].get_yticklabels(), rows, strict=True):
            tick.set_style("italic" if row.published else "normal")
            tick.set_color(AMF_COLOR if row.published else INK)
        panels[0].set_ylim(len(rows) - 0.4, -0.6)
    return figure


def _overview_row(axes: Axes, place: int, row: Row, cell: Cell | None) -> None:
    if cell is None or cell.value is None:
        return
    color = AMF_COLOR if row.published else NMF_COLOR if cell.low is not None else INK
    low, high = cell.low, cell.high
    if cell.sd is not None:
        low, high = cell.value - cell.sd, cell.value + cell.sd
    if low is not None and high is not None:
        axes.plot([low, high], [place, place], color=color, lw=1, ls="-" if cell.sd is None else (0, (1.5, 1)))
    axes.plot(
        cell.value,
        place,
        "D" if row.published else "o" if cell.sd is None else "s",
        ms=3.4,
        color=color,
        mfc="white" if row.published else color,
    )


def _name(row: Row) -> str:
    words = f"{row.name}, {row.of}"
    return words if len(words) <= 44 else f"{words[:43]}…"
