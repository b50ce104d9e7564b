"""The plots of an evaluation, made for one column of print (85 mm): lines are labeled where they run.

Colors are of Okabe and Ito's palette; none carries a meaning alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from atypica.core.files import atomic_path
from atypica.evaluation.abstention import coverage_curve
from atypica.evaluation.binary import METRICS
from atypica.evaluation.curves import Curve
from atypica.evaluation.intervals import Estimate
from atypica.evaluation.summary import Evaluation, Group
from atypica.reporting.plots import AMF_COLOR, INK, LINE, MUTED, NMF_COLOR

WIDTH_IN = 85 / 25.4
DPI = 300
MOST_GROUPS = 40
"""A forest plot shows the largest groups up to this number, and says how many it left out."""
STYLE: dict[Any, Any] = {
    "font.size": 7.5,
    "axes.labelsize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.6,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_FOREST = ("balanced_accuracy", "auroc")
_TICKS = [0, 0.2, 0.4, 0.6, 0.8, 1]
_SCORE_BINS = 25
_LEAST_COVERAGE = 0.5


def write_plots(folder: Path, evaluation: Evaluation, y: NDArray[np.float64], p: NDArray[np.float64]) -> list[Path]:
    """Write every plot that the figures allow as PNG (300 dots an inch); gives the files.

    Args:
        folder: where to.
        evaluation: what `evaluate` found.
        y, p: the labels and scores it was found on, shape (figures,).

    Raises:
        OutputError: a file cannot be written.
    """
    plots = {"reliability": reliability_plot(evaluation), "scores": score_plot(y, p, evaluation.threshold)}
    if evaluation.roc:
        plots["coverage"] = coverage_plot(y, p, evaluation.threshold)
    if evaluation.roc and evaluation.pr:
        plots |= {"roc": roc_plot(evaluation, evaluation.roc), "pr": pr_plot(evaluation, evaluation.pr)}
    if any(len(groups) > 1 for groups in evaluation.domains.values()):
        plots["domains"] = forest_plot(evaluation)
    return [save(figure, folder / f"{name}.png") for name, figure in plots.items()]


def save(figure: Figure, target: Path) -> Path:
    """Write `figure` to `target`, whole or not at all; the suffix says the format."""
    with atomic_path(target) as temporary:
        figure.savefig(temporary, dpi=DPI, facecolor="white")
    return target


def roc_plot(evaluation: Evaluation, curve: Curve) -> Figure:
    """The ROC curve with its band, the threshold's point, and AUROC."""
    with mpl.rc_context(STYLE):
        figure, axes = _square()
        axes.plot([0, 1], [0, 1], color=MUTED, lw=0.7, ls=(0, (4, 3)))
        axes.text(0.56, 0.53, "chance", color=MUTED, fontsize=6.5, rotation=45, rotation_mode="anchor", va="top")
        _draw(axes, curve)
        metrics = evaluation.overall.metrics
        sensitivity, specificity = metrics["sensitivity"].value or 0.0, metrics["specificity"].value or 0.0
        axes.plot(1 - specificity, sensitivity, "o", ms=4.5, mfc="white", mec=INK, mew=1.1, zorder=5, clip_on=False)
        _note_point(axes, evaluation.threshold, sensitivity, specificity)
        lines = [f"AUROC {_number(metrics['auroc'])}", f"BA {_number(metrics['balanced_accuracy'])}"]
        _caption(axes, 1.0, 0.01, [*lines, *_band_words(curve, evaluation)])
        axes.set(xlabel="1 − specificity (NMF called AMF)", ylabel="sensitivity (AMF called AMF)")
    return figure


def pr_plot(evaluation: Evaluation, curve: Curve) -> Figure:
    """The precision-recall curve with its band, the threshold's point, and average precision."""
    with mpl.rc_context(STYLE):
        figure, axes = _square()
        counts = evaluation.overall.confusion.counts
        share = counts["AMF"] / evaluation.overall.confusion.figures
        axes.axhline(share, color=MUTED, lw=0.7, ls=(0, (4, 3)))
        axes.text(0.02, share + 0.015, f"chance: share of AMF {share:.2f}", color=MUTED, fontsize=6.5, va="bottom")
        _draw(axes, curve)
        metrics = evaluation.overall.metrics
        sensitivity, ppv = metrics["sensitivity"].value, metrics["ppv"].value
        if sensitivity is not None and ppv is not None:
            axes.plot(sensitivity, ppv, "o", ms=4.5, mfc="white", mec=INK, mew=1.1, zorder=5, clip_on=False)
            _note_threshold(axes, (sensitivity, ppv), f"threshold {evaluation.threshold:.2f}\nPPV {ppv:.2f}")
        words = [f"average precision {_number(metrics['average_precision'])}", *_band_words(curve, evaluation)]
        _caption(axes, 0.01, 0.01 if share > 0.18 else share + 0.09, words, side="left")
        axes.set(xlabel="sensitivity (AMF called AMF)", ylabel="PPV (share of AMF among the called)")
    return figure


def reliability_plot(evaluation: Evaluation) -> Figure:
    """The share of AMF by bins of p(AMF) with Wilson's 95 % intervals; below, how many figures each bin holds."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, WIDTH_IN * 1.12), layout="constrained")
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
        axes.plot([0, 1], [0, 1], color=MUTED, lw=0.7, ls=(0, (4, 3)))
        axes.text(0.78, 0.75, "perfect", color=MUTED, fontsize=6.5, rotation=45, rotation_mode="anchor", va="top")
        for part in evaluation.reliability:
            if part.mean_p is not None and part.share_low is not None and part.share_high is not None:
                axes.plot([part.mean_p] * 2, [part.share_low, part.share_high], color=NMF_COLOR, lw=1)
                axes.plot(part.mean_p, part.share, "o", ms=4, color=NMF_COLOR)
        metrics = evaluation.overall.metrics
        lines = [f"ECE {_number(metrics['ece'])}", f"Brier {_number(metrics['brier'])}"]
        _caption(axes, 0.02, 0.99, lines, side="left", va="top")
        axes.set(ylabel="share of AMF observed", ylim=(-0.02, 1.02), yticks=_TICKS)
        _figures_per_bin(below, evaluation)
    return figure


def score_plot(y: NDArray[np.float64], p: NDArray[np.float64], threshold: float) -> Figure:
    """How p(AMF) is distributed in each class, as shares of the class: AMF upward, NMF downward."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, WIDTH_IN * 0.72), layout="constrained")
        axes = figure.add_subplot()
        edges = np.linspace(0, 1, _SCORE_BINS + 1)
        heights = {label: _shares(p[y == label], edges) for label in (1, 0)}
        for label, sign, color in ((1, 1, AMF_COLOR), (0, -1, NMF_COLOR)):
            axes.bar(edges[:-1], sign * heights[label], np.diff(edges) * 0.92, align="edge", color=color, lw=0)
        top, bottom = (1.3 * max(float(heights[label].max()), 0.01) for label in (1, 0))
        axes.axhline(0, color=MUTED, lw=0.6)
        axes.axvline(threshold, color=INK, lw=0.9, ls=(0, (4, 2)))
        axes.text(threshold, 1.01, f"threshold {threshold:.2f}", transform=axes.get_xaxis_transform(), ha="center")
        for text, height, color in (
            (f"AMF, {int(np.sum(y == 1)):,} figures", 0.9 * top, AMF_COLOR),
            (f"NMF, {int(np.sum(y == 0)):,} figures", -0.9 * bottom, NMF_COLOR),
        ):
            _class_name(axes, text, height, color, threshold)
        axes.set(xlim=(0, 1), ylim=(-bottom, top), xticks=_TICKS, xlabel="p(AMF)", ylabel="share of the class")
        axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):.0%}")
        axes.yaxis.set_major_locator(MaxNLocator(5))
    return figure


def coverage_plot(y: NDArray[np.float64], p: NDArray[np.float64], threshold: float) -> Figure:
    """BA of the figures that are kept when those nearest to the threshold go to a person."""
    curve = coverage_curve(y, p, threshold)
    shown = ~np.isnan(curve.balanced_accuracy) & (curve.coverage >= _LEAST_COVERAGE)
    referred, ba = 1 - curve.coverage[shown], curve.balanced_accuracy[shown]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, WIDTH_IN * 0.72), layout="constrained")
        axes = figure.add_subplot()
        axes.plot(referred, ba, color=NMF_COLOR, lw=1.3, drawstyle="steps-post")
        low = max(0.0, float(np.floor(ba.min() * 20) / 20) - 0.05)
        for share in (0.0, 0.1, 0.2):
            at = int(np.argmin(np.abs(referred - share)))
            axes.plot(referred[at], ba[at], "o", ms=4.5, mfc="white", mec=INK, mew=1.1, zorder=5, clip_on=False)
            axes.annotate(
                f"{ba[at]:.3f}", (referred[at], ba[at]), (4, -10), textcoords="offset points", fontsize=6.8, va="center"
            )
        axes.set(xlim=(0, 1 - _LEAST_COVERAGE), ylim=(low, 1.005))
        axes.set(xlabel="referred to a person: nearest to the threshold first", ylabel="BA of the rest")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        words = f"threshold {threshold:.2f}\n{len(y):,} figures, {int(y.sum()):,} AMF"
        axes.text(0.99, 0.03, words, transform=axes.transAxes, ha="right", fontsize=7, linespacing=1.35)
    return figure


def forest_plot(evaluation: Evaluation) -> Figure:
    """BA and AUROC with intervals for every group of every domain column, the whole set on top."""
    rows, left_out = _rows(evaluation)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, 0.75 + 0.165 * len(rows)), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        for axes, metric, color in zip(panels, _FOREST, (AMF_COLOR, NMF_COLOR), strict=True):
            _forest(axes, rows, metric, color)
        panels[0].set_yticks(range(len(rows)), [_row_name(name, group) for name, group in rows])
        for tick, (_, group) in zip(panels[0].get_yticklabels(), rows, strict=True):
            tick.set_fontweight("bold" if group is None else "normal")
        panels[0].set_ylim(len(rows) - 0.4, -0.6)
        note = _kind(evaluation, rows) + (f"; {left_out} smaller groups not shown" if left_out else "")
        figure.supxlabel(note, fontsize=6.2, color=MUTED)
    return figure


def _square() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH_IN, WIDTH_IN), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlim=(-0.015, 1.015), ylim=(-0.015, 1.015), xticks=_TICKS, yticks=_TICKS, aspect="equal")
    return figure, axes


def _draw(axes: Axes, curve: Curve) -> None:
    if curve.low is not None and curve.high is not None:
        axes.fill_between(curve.x, curve.low, curve.high, color=NMF_COLOR, alpha=0.2, lw=0)
    axes.plot(curve.x, curve.y, color=NMF_COLOR, lw=1.3, solid_joinstyle="round")


def _note_point(axes: Axes, threshold: float, sensitivity: float, specificity: float) -> None:
    words = f"threshold {threshold:.2f}\nsensitivity {sensitivity:.2f}\nspecificity {specificity:.2f}"
    _note_threshold(axes, (1 - specificity, sensitivity), words)


def _note_threshold(axes: Axes, point: tuple[float, float], words: str) -> None:
    """Words below a point: to its right, where a ROC curve leaves room, or from the middle on to its left."""
    place = (point[0] + 0.07 if point[0] < 0.5 else point[0] - 0.42, max(point[1] - 0.1, 0.36))
    arrow = {"arrowstyle": "-", "lw": 0.6, "color": INK, "shrinkB": 3}
    paper = {"facecolor": "white", "alpha": 0.75, "lw": 0, "pad": 1}
    axes.annotate(words, point, place, fontsize=6.8, va="top", linespacing=1.25, arrowprops=arrow, bbox=paper, zorder=6)


def _caption(axes: Axes, x: float, y: float, lines: list[str], side: str = "right", va: str = "bottom") -> None:
    paper = {"facecolor": "white", "alpha": 0.75, "lw": 0, "pad": 1}
    axes.text(x, y, "\n".join(lines), ha=side, va=va, fontsize=7, linespacing=1.35, bbox=paper, zorder=6)


def _band_words(curve: Curve, evaluation: Evaluation) -> list[str]:
    return [f"band: {curve.level:.0%}, {_resampled(evaluation)}"] if curve.low is not None else []


def _number(estimate: Estimate) -> str:
    if estimate.value is None:
        return f"n/a ({estimate.reason})"
    interval = estimate.interval
    return f"{estimate.value:.3f}" + (f" [{interval.low:.3f}, {interval.high:.3f}]" if interval else "")


def _figures_per_bin(axes: Axes, evaluation: Evaluation) -> None:
    counts = [part.figures for part in evaluation.reliability]
    lows = [part.low for part in evaluation.reliability]
    width = evaluation.reliability[0].high - evaluation.reliability[0].low
    bars = axes.bar(lows, counts, width * 0.9, align="edge", color=LINE, lw=0)
    axes.bar_label(bars, [f"{count:,}" for count in counts], fontsize=5.8, padding=1, color=MUTED)
    axes.set(xlim=(0, 1), xticks=_TICKS, xlabel="p(AMF)", ylabel="figures", ylim=(0, 1.3 * max([*counts, 1])))
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _shares(p: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.histogram(p, edges)[0] / max(len(p), 1)


def _class_name(axes: Axes, text: str, height: float, color: str, threshold: float) -> None:
    x, side = (0.99, "right") if threshold < 0.55 else (0.01, "left")
    axes.text(x, height, text, color=color, ha=side, va="center", fontweight="bold", fontsize=7)


def _rows(evaluation: Evaluation) -> tuple[list[tuple[str, Group | None]], int]:
    rows: list[tuple[str, Group | None]] = [("all figures", evaluation.overall)]
    groups = [(column, group) for column, found in evaluation.domains.items() if len(found) > 1 for group in found]
    kept = sorted(groups, key=lambda pair: -pair[1].confusion.figures)[:MOST_GROUPS]
    for column in dict.fromkeys(column for column, _ in groups):
        shown = [(group.name, group) for name, group in kept if name == column]
        rows += [(f"by {column}", None), *shown] if shown else []
    return rows, len(groups) - len(kept)


def _row_name(name: str, group: Group | None) -> str:
    if group is None:
        return name
    short = name if len(name) <= 22 else f"{name[:21]}…"
    return f"{short}  {group.confusion.counts['AMF']}/{group.confusion.figures}"


def _forest(axes: Axes, rows: list[tuple[str, Group | None]], metric: str, color: str) -> None:
    whole = rows[0][1]
    if whole and whole.metrics[metric].value is not None:
        axes.axvline(whole.metrics[metric].value or 0.0, color=LINE, lw=0.9, zorder=0)
    shown = [group.metrics[metric] for _, group in rows if group]
    low = _lowest(shown)
    for row, (_, group) in enumerate(rows):
        if group:
            _forest_row(axes, row, group.metrics[metric], color, low)
    axes.set(xlim=(low, 1.005), xlabel=METRICS[metric][0].upper() + METRICS[metric][1:])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))


def _forest_row(axes: Axes, row: int, estimate: Estimate, color: str, low: float) -> None:
    if estimate.value is None:
        axes.text(low, row, f"n/a: {estimate.reason.removesuffix(' figures')}", fontsize=6, color=MUTED, va="center")
        return
    if estimate.interval:
        axes.plot([estimate.interval.low, estimate.interval.high], [row, row], color=color, lw=1.1)
    axes.plot(
        estimate.value, row, "s" if row == 0 else "o", ms=3.6, color=color, mfc=color if estimate.interval else "w"
    )


def _lowest(found: list[Estimate]) -> float:
    ends = [estimate.interval.low if estimate.interval else estimate.value for estimate in found]
    known = [end for end in ends if end is not None]
    return max(0.0, float(np.floor(min([*known, 0.75]) * 20) / 20) - 0.01)


def _kind(evaluation: Evaluation, rows: list[tuple[str, Group | None]]) -> str:
    drawn = [group.metrics[metric] for _, group in rows if group for metric in _FOREST]
    bare = any(estimate.value is not None and not estimate.interval for estimate in drawn)
    words = f"AMF/figures beside each name; {evaluation.settings.level:.0%} intervals,\n{_resampled(evaluation)}"
    return words + ("; open point: no interval" if bare else "")


def _resampled(evaluation: Evaluation) -> str:
    return "cases resampled" if evaluation.cases else "figures resampled (likely too narrow)"
