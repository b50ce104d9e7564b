"""The scale bar of a picture of a slide."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from atypica.inference.hotspot import Window
from atypica.reporting.plots import INK

BAR_IN, LEAST_IN, HEIGHT_IN, PAD_IN = 0.045, 0.42, 0.27, 0.06
"""Height of the bar, least width of its label, height of both, and what is kept free around, in inches."""
ROUNDING = 1e-9


def draw_scale_bar(
    axes: Axes, mpp: float | None, inches: float, at: NDArray[np.float64], outlined: Window | None = None
) -> None:
    """A bar of a round length, about a fifth of the panel, in the corner where it hides least.

    Args:
        axes: the panel, in level-0 pixels.
        mpp: micrometers per pixel of level 0; None draws nothing.
        inches: width of the panel.
        at: places of the marks on it, (n, 2).
        outlined: a window whose outline should not run through the bar.
    """
    if mpp is None:
        return
    (left_px, right_px), (bottom_px, top_px) = axes.get_xlim(), axes.get_ylim()
    length = round_length((right_px - left_px) * mpp / 1000 / 5)
    share = length * 1000 / mpp / (right_px - left_px)
    inch = np.array([1 / inches, 1 / (axes.get_position().height * axes.get_figure().get_figheight())])  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]
    size = np.array([max(share, LEAST_IN * inch[0]) + 2 * PAD_IN * inch[0], HEIGHT_IN * inch[1]])
    # Shares of the panel and pixels of the slide: both run from the lower left corner.
    scale, origin = np.array([right_px - left_px, top_px - bottom_px]), np.array([left_px, bottom_px])
    edges = None if outlined is None else (_corners(outlined) - origin) / scale
    corner = _freest(size, PAD_IN * inch, (at - origin) / scale, edges)
    left, bottom = corner + PAD_IN * inch
    transform = axes.transAxes
    axes.add_patch(Rectangle((left, bottom), share, BAR_IN * inch[1], transform=transform, facecolor=INK, zorder=9))
    back = Rectangle((corner[0], corner[1]), size[0], size[1], transform=transform, linewidth=0, zorder=2)
    back.set(facecolor="white", alpha=0.8)
    axes.add_patch(back)
    text = f"{length:g} mm" if length >= 0.1 else f"{1000 * length:g} µm"
    axes.text(left, bottom + PAD_IN * inch[1], text, transform=transform, va="bottom", zorder=9)


def round_length(most: float) -> float:
    """The greatest of 1, 2 and 5 times a power of ten that is not above `most`.

    >>> round_length(3.1), round_length(0.7), round_length(12)
    (2.0, 0.5, 10.0)
    """
    power = 10.0 ** math.floor(math.log10(most))
    return float(max(step * power for step in (1, 2, 5) if step * power <= most * (1 + 1e-9)))


def _corners(window: Window) -> NDArray[np.float64]:
    """Lower left and upper right, (2, 2), in pixels that run down."""
    right, bottom = window.left + window.width, window.top + window.height
    return np.array([[window.left, bottom], [right, window.top]])


def _freest(
    size: NDArray[np.float64],
    pad: NDArray[np.float64],
    places: NDArray[np.float64],
    edges: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """The lower left corner of a box in that corner of the panel where it hides least; all in shares of the panel."""
    near, far = pad, 1 - pad - size
    spots = [np.array([x, y]) for y in (near[1], far[1]) for x in (near[0], far[0])]
    return min(spots, key=lambda spot: _hidden(spot - pad, spot + size + pad, places, edges))


def _hidden(
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    places: NDArray[np.float64],
    edges: NDArray[np.float64] | None,
) -> int:
    """How many marks a box would lie on; more than all of them where a line of the outline (its lower left and upper
    right corner, (2, 2)) would run through it."""
    marks = int(((places >= low) & (places <= high)).all(axis=1).sum())
    if edges is None:
        return marks
    meets = bool((edges[0] <= high).all() and (edges[1] >= low).all())
    within = bool((edges[0] <= low + ROUNDING).all() and (edges[1] >= high - ROUNDING).all())
    return marks + (len(places) + 1 if meets and not within else 0)
