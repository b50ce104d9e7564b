"""The colors of NMF and AMF, the same in every plot, picture and export."""

from __future__ import annotations

AMF_COLOR, NMF_COLOR = "#d55e00", "#0072b2"
"""Vermillion and blue of Okabe and Ito's palette, which the color-blind tell apart."""
NEUTRAL_COLOR = "#6b6b6b"
"""Of what is neither."""


def rgb(color: str) -> tuple[int, int, int]:
    """Red, green and blue of `#rrggbb`, 0 to 255.

    >>> rgb("#d55e00")
    (213, 94, 0)
    """
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
