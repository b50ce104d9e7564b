"""Two pictures of a study: how its trials went, and which settings mattered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from optuna.trial import FrozenTrial

from atypica.core.colors import AMF_COLOR, NEUTRAL_COLOR, NMF_COLOR
from atypica.reporting.evaluation_plots import STYLE, WIDTH_IN
from atypica.reporting.plots import INK, LINE, MUTED
from atypica.training.settings.tune import METRIC_WORDS, SearchSpace
from atypica.training.tune.study import outcome

_MARKS = {
    "finished": ("o", NMF_COLOR, "finished"),
    "pruned": ("v", NEUTRAL_COLOR, "pruned"),
    "collapsed": ("X", AMF_COLOR, "collapsed"),
    "failed": ("|", INK, "failed"),
}
"""How a trial ended to marker, color and words."""


def history_plot(trials: Sequence[FrozenTrial], space: SearchSpace) -> Figure:
    """The value of every trial in the order in which they began, and the best one so far as a line.

    A trial that was ended stands at its last value.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, 2.5), layout="constrained")
        axes = figure.add_subplot()
        for how in _MARKS:
            _points(axes, [trial for trial in trials if outcome(trial) == how], how)
        _best_line(axes, trials)
        axes.set(xlabel="trial", ylabel=f"{METRIC_WORDS[space.metric]}, mean over folds")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set_xlim(-0.5, max(len(trials) - 0.5, 1.5))
        axes.grid(axis="y", color=LINE, lw=0.6)
        axes.set_axisbelow(True)
        if axes.get_legend_handles_labels()[0]:
            figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=6.2, handletextpad=0.3)
    return figure


def _points(axes: Axes, trials: list[FrozenTrial], how: str) -> None:
    if not trials:
        return
    marker, color, words = _MARKS[how]
    if how == "failed":  # without a value: at the foot of the plot
        foot = axes.get_xaxis_transform()
        axes.scatter(
            [t.number for t in trials],
            [0.03] * len(trials),
            marker=marker,
            color=color,
            s=22,
            transform=foot,
            label=words,
        )
        return
    shown = [(trial.number, value) for trial in trials if (value := _value(trial)) is not None]
    axes.scatter(*zip(*shown, strict=True), marker=marker, color=color, s=13, lw=0, label=words) if shown else None


def _value(trial: FrozenTrial) -> float | None:
    if outcome(trial) == "finished":
        return trial.value
    told = trial.intermediate_values
    return told[max(told)] if told else None


def _best_line(axes: Axes, trials: Sequence[FrozenTrial]) -> None:
    ended = [(trial.number, trial.value or 0.0) for trial in trials if outcome(trial) == "finished"]
    if not ended:
        return
    numbers, values = zip(*ended, strict=True)
    best = np.maximum.accumulate(values)
    axes.plot(
        [*numbers, len(trials) - 0.5], [*best, best[-1]], drawstyle="steps-post", color=NMF_COLOR, lw=1.0, alpha=0.6
    )
    first = int(np.argmax(values))
    axes.annotate(
        f"{best[-1]:.3f}", (numbers[first], values[first]), xytext=(0, 4), textcoords="offset points", ha="center",
        fontsize=7, color=INK,
    )  # fmt: skip


def importance_plot(shares: Mapping[str, float], space: SearchSpace, count: int) -> Figure:
    """The share of every setting, largest above.

    Args:
        shares: dotted key to its share; they add up to 1.
        space: what was tried, for the metric's name.
        count: finished trials that the shares are from.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, 0.75 + 0.21 * len(shares)), layout="constrained")
        axes = figure.add_subplot()
        bars = axes.barh(list(shares), list(shares.values()), color=NMF_COLOR, height=0.62)
        axes.bar_label(bars, [f"{share:.0%}" for share in shares.values()], padding=3, fontsize=7, color=MUTED)
        axes.invert_yaxis()
        axes.set_xlim(0, max([*shares.values(), 0.1]) * 1.18)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.set_xlabel(f"importance for {METRIC_WORDS[space.metric]} (PED-ANOVA, {count} trials)")
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color=LINE, lw=0.6)
        axes.set_axisbelow(True)
    return figure
