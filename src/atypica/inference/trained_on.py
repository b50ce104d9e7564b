"""Which figures a model was trained on: short hashes of their pixels, so that a test can tell."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from atypica.core.errors import BundleError, FigureError, SourceError
from atypica.core.progress import track
from atypica.data.figures import Figures
from atypica.data.pixels import pixel_digest
from atypica.inference.crops import FileCrops

DIGITS = 16
"""Of a hash; among a million figures two that differ share one with a chance of 3 in 100 million."""
_LINE = re.compile(rf"[0-9a-f]{{{DIGITS}}}")


def figure_hash(pixels: NDArray[np.uint8]) -> str:
    """The first `DIGITS` hexadecimal digits of a crop's `pixel_digest`, as decoded from its file, before resampling."""
    return pixel_digest(pixels)[:DIGITS]


def hash_figures(figures: Figures) -> frozenset[str]:
    """The hashes of all figures of a table.

    Raises:
        SourceError: one cannot be read.
    """
    crops = FileCrops(figures)
    try:
        return frozenset(
            figure_hash(crops.read(row).pixels) for row in track(range(len(figures)), "hashing crops", len(figures))
        )
    except FigureError as error:
        raise SourceError(f"a figure of {figures.name} cannot be read: {error.message}", error.fix) from error
    finally:
        crops.close()


def to_bytes(hashes: Iterable[str]) -> bytes:
    """The content of `trained_on.txt`: sorted, one hash a line."""
    return "".join(f"{line}\n" for line in sorted(set(hashes))).encode()


def from_bytes(content: bytes) -> frozenset[str]:
    """Read what `to_bytes` wrote.

    Raises:
        BundleError: a line is no hash.
    """
    lines = content.decode("ascii", errors="replace").split()
    odd = next((line for line in lines if not _LINE.fullmatch(line)), None)
    if odd is not None:
        raise BundleError(f"trained_on.txt has a line that is no hash: {odd[:40]!r}", "get the bundle again")
    return frozenset(lines)


def flattery(number: int, figures: int) -> str:
    """The sentence that a person must read where `number` of `figures` trained the model; "" where none did."""
    if not number:
        return ""
    if number == figures:
        who = "this figure was a training figure" if figures == 1 else f"all {figures:,} figures were training figures"
    else:
        verb = "was a training figure" if number == 1 else "were training figures"
        who = f"{number:,} of {figures:,} figures {verb}"
    return f"{who} of this model: {'its result flatters' if number == 1 else 'their results flatter'} the model"
