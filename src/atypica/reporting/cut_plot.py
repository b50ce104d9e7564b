"""How the AMF rate and the number of figures move with a cut, as a plot."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from atypica.inference.cases import FEW_FIGURES
from atypica.reporting.plots import AMF_COLOR, INK, LINE, bare

NAMES = {"detection_score": "least detection score", "ood": "greatest ood"}
SIZE = (3.5, 3.4)
"""A column of a paper."""
_STYLE: dict[Any, Any] = {"font.size": 9, "svg.fonttype": "none", "axes.edgecolor": LINE, "text.color": INK}


def rate_and_count(rates: pd.DataFrame) -> Figure:
    """The AMF rate with its 95 % interval above the number of counted figures, over one kind of cut.

    Rates of fewer than `FEW_FIGURES` figures are not drawn where there are others: they jump, and hide the rest.

    Args:
        rates: rows of `inference.rate_by_cut` of one `cut_by`, by rising cut; the cut `in_use` is marked.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=SIZE, layout="constrained")
        above, below = figure.subplots(2, sharex=True, height_ratios=[3, 2])
        enough = rates["figures"] >= FEW_FIGURES
        _rates(above, rates[enough] if enough.any() else rates)
        _counts(below, rates)
        _mark(above, below, rates)
        below.set_xlabel(NAMES[str(rates["cut_by"].iloc[0])])
        _limits(below, rates["cut"].to_numpy(dtype=np.float64))
    return figure


def _rates(axes: Axes, rates: pd.DataFrame) -> None:
    cuts, rate, low, high = (rates[column].to_numpy(dtype=np.float64) for column in ("cut", "amf_rate", "low", "high"))
    axes.fill_between(cuts, low, high, color=AMF_COLOR, alpha=0.18, lw=0)
    axes.plot(cuts, rate, color=AMF_COLOR, lw=1.6, marker="o", ms=2.6)
    top = float(np.nanmax(high)) if np.isfinite(high).any() else 1.0
    axes.set_ylim(0, min(1.0, top) * 1.04)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_title("AMF rate, and 95 % interval (band)", fontsize=9, color=AMF_COLOR, loc="left", pad=4)
    bare(axes, pad=4)


def _counts(axes: Axes, rates: pd.DataFrame) -> None:
    cuts, figures = (rates[column].to_numpy(dtype=np.float64) for column in ("cut", "figures"))
    axes.plot(cuts, figures, color=INK, lw=1.3, marker="o", ms=2.2)
    axes.set_ylim(0, max(1.0, float(figures.max())) * 1.2)
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.set_title("figures counted", fontsize=9, color=INK, loc="left", pad=4)
    bare(axes, pad=4)


def _mark(above: Axes, below: Axes, rates: pd.DataFrame) -> None:
    used = rates[rates["in_use"].astype(bool)]
    if used.empty:
        return
    cut, number = float(used["cut"].iloc[0]), int(used["figures"].iloc[0])
    for axes in (above, below):
        axes.axvline(cut, color=INK, lw=1, ls=(0, (4, 2)))
    below.plot([cut], [number], marker="o", ms=4.5, color=INK)
    falls = bool(rates["figures"].iloc[0] > rates["figures"].iloc[-1])
    below.annotate(
        f"in use, {cut:g}: {number:,}",
        (cut, number),
        xytext=(6 if falls else -6, 5),
        textcoords="offset points",
        ha="left" if falls else "right",
    )


def _limits(axes: Axes, cuts: Any) -> None:
    margin = 0.03 * float(cuts[-1] - cuts[0]) or 0.5
    axes.set_xlim(float(cuts[0]) - margin, float(cuts[-1]) + margin)
    axes.xaxis.set_major_locator(MaxNLocator(5))
