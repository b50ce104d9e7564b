"""The hotspot: the window of a set size with the most figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atypica.core.errors import SettingsError

HOTSPOT_MM2 = 2.37
"""Ten high-power fields of a usual microscope (field number 22, objective 40x): Meuten, Moore and George, "Mitotic
Count and the Field of View Area: Time to Standardize", Veterinary Pathology 2016."""
ASPECT = 4 / 3
"""Width over height of the window, as of the regions that MIDOG's figures were counted in, and of the window that
Aubreville et al. (Scientific Reports 2020) slide over the section."""
POSSIBLE_MM2 = (0.01, 1000.0)


@dataclass(frozen=True)
class Window:
    """A rectangle on a slide, in level-0 pixels, and the figures in it.

    Attributes:
        left, top, width, height: in pixels.
        rows: positions of the figures in it, ascending, shape (figures in the window,).
    """

    left: float
    top: float
    width: float
    height: float
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)


def window_size(area_mm2: float, mpp: float) -> tuple[float, float]:
    """Width and height in pixels of a window of `ASPECT` that has an area in square millimeters.

    >>> [round(side) for side in window_size(2.37, 0.25)]
    [7110, 5333]
    """
    width_um = float(np.sqrt(area_mm2 * ASPECT)) * 1000
    return width_um / mpp, width_um / ASPECT / mpp


def check_area(area_mm2: float) -> None:
    """Refuse a size of the hotspot that cannot be meant.

    Raises:
        SettingsError: outside of `POSSIBLE_MM2`.
    """
    if not POSSIBLE_MM2[0] <= area_mm2 <= POSSIBLE_MM2[1]:
        raise SettingsError(f"a hotspot of {area_mm2:g} mm² is not possible", "give --hotspot-mm2 such as 2.37")


def find_hotspot(
    x: NDArray[np.float64], y: NDArray[np.float64], size: tuple[float, float], bounds: tuple[float, float]
) -> Window | None:
    """The window of a set size that holds the most figures: exact, the sides never turned.

    Some best window has a figure on its left and one on its upper edge, for it may be pushed right and down until it
    has. So the left edge sweeps over the figures' x, sorted; for each of their y, the count of the window that begins
    there is kept up to date while figures enter and leave. Only where one enters can a count be a new best. A figure
    costs two additions to, and one look at, the stretch of windows that hold it.

    Args:
        x, y: places of the figures, finite, within the slide; shape (figures,).
        size: of the window, width and height. Where the slide is smaller, the slide's.
        bounds: width and height of the slide. The window does not leave it.

    Returns:
        The window, set so that the figures in it lie in its middle; of several best ones the leftmost, of those the
        topmost. None without figures.
    """
    if not len(x):
        return None
    width, height = (min(side, bound) for side, bound in zip(size, bounds, strict=True))
    left, top = _best_corner(x, y, width, height)
    inside = np.flatnonzero((x >= left) & (x <= left + width) & (y >= top) & (y <= top + height))
    return Window(
        _centered(x[inside], width, bounds[0]), _centered(y[inside], height, bounds[1]), width, height, inside
    )


def _best_corner(x: NDArray[np.float64], y: NDArray[np.float64], width: float, height: float) -> tuple[float, float]:
    """Left and upper edge of the fullest window, each at some figure's place."""
    order = np.argsort(x, kind="stable")
    xs, ys, tops = x[order], y[order], np.unique(y)
    counts = np.zeros(len(tops), dtype=np.int32)
    # A figure lies in the windows that begin at it or above, as far as a window reaches.
    first, last = np.searchsorted(tops + height, ys, side="left"), np.searchsorted(tops, ys, side="right")
    held = [counts[begin:end] for begin, end in zip(first.tolist(), last.tolist(), strict=True)]
    entered = np.searchsorted(xs, xs + width, side="right").tolist()
    best, corner, right = 0, (0, 0), 0
    for left, until in enumerate(entered):
        if left:
            held[left - 1] -= 1
        for figure in range(right, until):
            held[figure] += 1
        for figure in range(right, until):
            highest = int(held[figure].max())
            if highest > best:
                best, corner = highest, (left, int(first[figure]) + int(held[figure].argmax()))
        right = until
    return float(xs[corner[0]]), float(tops[corner[1]])


def _centered(places: NDArray[np.float64], side: float, bound: float) -> float:
    """Where a window of `side` begins that has `places` in its middle and does not leave 0 to `bound`."""
    begin = (places.min() + places.max() - side) / 2
    return float(np.clip(begin, 0, max(bound - side, 0)))
