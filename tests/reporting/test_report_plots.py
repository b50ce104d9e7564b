"""Plots that stand in a page: counts right, colors of the page, nothing reaching outside."""

from __future__ import annotations

import re

import numpy as np
import pytest

from atypica.core.vocabulary import Subtype
from atypica.reporting.plots import inline_svg, p_histogram, subtype_bars

P = np.array([0.0, 0.1, 0.1, 0.39, 0.4, 0.7, 1.0])


def test_histogram_holds_every_figure_split_at_the_threshold():
    figure = p_histogram(P, 0.4, (0.3, 0.5))
    nmf, amf = (sum(patch.get_height() for patch in container) for container in figure.axes[0].containers)
    assert (nmf, amf) == (4, 3)
    assert figure.axes[0].lines[0].get_xdata()[0] == pytest.approx(0.4)


def test_bars_are_in_the_order_of_the_vocabulary_with_zeros():
    figure = subtype_bars({Subtype.METAPHASE: 5, Subtype.OTHER: 2})
    assert [patch.get_width() for patch in figure.axes[0].containers[0]] == [0, 5, 0, 0, 0, 0, 0, 2]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [s.display for s in Subtype]


@pytest.mark.parametrize("figure", [p_histogram(P, 0.4, (0.4, 0.4)), subtype_bars({})])
def test_svg_takes_its_looks_from_the_page(figure):
    svg = inline_svg(figure, "plot", "a plot")
    assert svg.startswith('<svg class="plot" role="img" aria-label="a plot"')
    assert svg.rstrip().endswith("</svg>")
    assert "var(--muted)" in svg
    assert not re.search(r"http|<style|font-family|<metadata|<!--|DOCTYPE", svg)


def test_two_plots_share_no_id():
    ids = [re.findall(r' id="([^"]+)"', inline_svg(p_histogram(P, 0.4, (0, 1)), name, name)) for name in "ab"]
    assert ids[0]
    assert not set(ids[0]) & set(ids[1])
