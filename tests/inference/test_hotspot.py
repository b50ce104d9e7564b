"""The hotspot against every possible window, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from atypica.core.errors import SettingsError
from atypica.inference.hotspot import check_area, find_hotspot, window_size

PLACES = arrays(np.float64, st.integers(1, 40), elements=st.integers(0, 50).map(float))


def most(x: NDArray[np.float64], y: NDArray[np.float64], width: float, height: float) -> int:
    """The count of the fullest window: every window with a figure on its left and one on its upper edge."""
    return max(int(((x >= a) & (x <= a + width) & (y >= b) & (y <= b + height)).sum()) for a in np.unique(x) for b in y)


def test_ten_high_power_fields_at_40x():
    # 2.37 mm2 = 1.7776 mm x 1.3332 mm; 4:3.
    width, height = window_size(2.37, 0.25)
    assert (width, height) == pytest.approx((7110.6, 5332.9), abs=0.1)
    assert width * height * 0.25**2 / 1e6 == pytest.approx(2.37)
    assert width / height == pytest.approx(4 / 3)


def test_three_close_figures_beat_two_and_lie_in_the_middle():
    x, y = np.array([100.0, 110, 120, 500, 505]), np.array([200.0, 210, 230, 800, 800])
    window = find_hotspot(x, y, (60, 40), (1000, 1000))
    assert window is not None
    assert window.rows.tolist() == [0, 1, 2]
    # Their middle is (110, 215), so a window of 60 x 40 begins at (80, 195).
    assert (window.left, window.top, window.width, window.height) == (80, 195, 60, 40)


def test_figures_on_the_very_edge_are_inside_and_one_beyond_is_not():
    x = np.array([0.0, 60, 60.5])
    window = find_hotspot(x, np.zeros(3), (60, 40), (1000, 1000))
    assert window is not None
    assert len(window) == 2


def test_the_window_stays_on_the_slide():
    window = find_hotspot(np.array([3.0, 995]), np.array([2.0, 998]), (60, 40), (1000, 1000))
    assert window is not None
    assert (window.left, window.top, len(window)) == (0, 0, 1)
    last = find_hotspot(np.array([995.0]), np.array([998.0]), (60, 40), (1000, 1000))
    assert last is not None
    assert (last.left, last.top) == (940, 960)


def test_a_slide_smaller_than_the_window_is_the_window():
    window = find_hotspot(np.array([3.0, 49]), np.array([2.0, 29]), (60, 40), (50, 30))
    assert window is not None
    assert (window.left, window.top, window.width, window.height, len(window)) == (0, 0, 50, 30, 2)


def test_no_figures_no_hotspot():
    assert find_hotspot(np.zeros(0), np.zeros(0), (60, 40), (50, 30)) is None


@given(st.data(), st.floats(0.5, 60), st.floats(0.5, 60))
def test_no_window_holds_more(data: st.DataObject, width: float, height: float):
    x = data.draw(PLACES)
    y = data.draw(arrays(np.float64, len(x), elements=st.integers(0, 50).map(float)))
    window = find_hotspot(x, y, (width, height), (1000, 1000))
    assert window is not None
    assert len(window) == most(x, y, width, height)
    held = np.zeros(len(x), dtype=bool)
    held[window.rows] = True
    slack = 1e-9
    across = (x >= window.left - slack) & (x <= window.left + window.width + slack)
    down = (y >= window.top - slack) & (y <= window.top + window.height + slack)
    assert (held == (across & down)).all()


def test_turned_slide_same_count():
    rng = np.random.default_rng(5)
    x, y = rng.uniform(0, 300, (2, 150))
    one = find_hotspot(x, y, (40, 30), (300, 300))
    other = find_hotspot(300 - x, 300 - y, (40, 30), (300, 300))
    assert one is not None
    assert other is not None
    assert len(one) == len(other) == most(x, y, 40, 30)


@pytest.mark.parametrize("area", [0, -2.37, 0.001, 5000, float("nan"), float("inf")])
def test_an_area_that_cannot_be_meant_is_refused(area: float):
    with pytest.raises(SettingsError, match="not possible"):
        check_area(area)
