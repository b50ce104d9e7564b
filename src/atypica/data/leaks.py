"""Which figures of a test set stand twice in it, or were trained on: by pixels, and by place on the slide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from atypica.data.audit.duplicates import TOLERANCE_PX, crops_are_files, same_place
from atypica.data.audit.groups import same_values
from atypica.data.audit.looks import look
from atypica.data.audit.pool import pool_figures
from atypica.data.figures import Figures
from atypica.data.readers import MAX_PIXELS

SAME_PIXELS = "same pixels"
SAME_PLACE = "same place of the slide"


@dataclass(frozen=True)
class Pixels:
    """The decoded pixels of each figure, as hashes.

    Attributes:
        digests: SHA-256 of size and RGB, one a figure; "" where it could not be read, or where images are regions
            with many figures.
        errors: why a figure could not be read, None where it could.
    """

    digests: tuple[str, ...]
    errors: tuple[str | None, ...]

    @classmethod
    def of(cls, figures: Figures) -> Pixels:
        """Read every crop once."""
        pool = pool_figures([figures])
        if not crops_are_files(pool):
            return cls(("",) * len(figures), (None,) * len(figures))
        looks = look(pool, MAX_PIXELS)
        return cls(tuple(looks.digests), tuple(looks.errors))

    @property
    def groups(self) -> list[tuple[int, ...]]:
        """Rows with the same pixels, whatever their files are called: two or more each, in the order of the table."""
        return same_values(pd.Series(self.digests, dtype=object))

    @property
    def unchecked(self) -> str:
        """What could not be looked at and why, as a sentence; "" where all was."""
        unread = sum(error is not None for error in self.errors)
        if not unread and not any(self.digests):
            return "not checked for duplicates: the images are regions with several figures"
        if not unread:
            return ""
        if unread == len(self.errors):
            return "not checked for duplicates: the images of the labels cannot be read"
        return f"not all checked for duplicates: {unread:,} of {len(self.errors):,} images cannot be read"


def repeats(figures: Figures, pixels: Pixels) -> list[str]:
    """For each figure the `figure_id` of the first one with the same pixels; "" for the first itself."""
    ids = figures.table["figure_id"].tolist()
    first = {row: ids[group[0]] for group in pixels.groups for row in group[1:]}
    return [first.get(row, "") for row in range(len(ids))]


def leaks(test: Figures, pixels: Pixels, training: Figures, known: set[str]) -> list[str]:
    """For each test figure why it counts as one that was trained on; "" where it was not.

    Args:
        test: the figures to test on.
        pixels: theirs.
        training: the figures that train; their slide, x and y are compared.
        known: the digests of their pixels.
    """
    placed = at_the_same_place(test, training)
    return [
        SAME_PIXELS if digest and digest in known else SAME_PLACE if placed[row] else ""
        for row, digest in enumerate(pixels.digests)
    ]


def at_the_same_place(test: Figures, training: Figures) -> NDArray[np.bool_]:
    """Which test figures lie where a training figure lies: same slide, within `TOLERANCE_PX`; (test figures,)."""
    pool = pool_figures([training], [test])
    start = len(training)
    placed = np.zeros(len(test), dtype=bool)
    for group in same_place(pool, TOLERANCE_PX, ()):
        tested = [row - start for row in group.rows if row >= start]
        if len(tested) < len(group.rows):
            placed[tested] = True
    return placed


def repeats_across_folds(
    names: Sequence[str], digests: Sequence[str], folds: Sequence[int]
) -> tuple[list[str], list[str]]:
    """For each figure why the network that should not know it does, and the equal figure before it; "" where none.

    Args:
        names: `figure_id` of each figure.
        digests: of its pixels, "" where they cannot be read.
        folds: the fold that holds it out.
    """
    first: dict[str, str] = {}
    held_out: dict[str, set[int]] = {}
    keys = [digest or name for name, digest in zip(names, digests, strict=True)]
    for key, name, fold in zip(keys, names, folds, strict=True):
        first.setdefault(key, name)
        held_out.setdefault(key, set()).add(fold)
    leaked = ["same pixels in another fold" if len(held_out[key]) > 1 else "" for key in keys]
    return leaked, [first[key] if first[key] != name else "" for key, name in zip(keys, names, strict=True)]
