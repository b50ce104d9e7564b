"""Figures of one table that are the same picture, for whoever must count each once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from atypica.data.audit.duplicates import crops_are_files
from atypica.data.audit.groups import same_values
from atypica.data.audit.looks import look
from atypica.data.audit.pool import pool_figures
from atypica.data.figures import Figures
from atypica.data.readers import MAX_PIXELS


@dataclass(frozen=True)
class Copies:
    """What was found.

    Attributes:
        groups: rows with the same pixels, two or more each, in the order of the table.
        unchecked: what could not be checked and why, as a sentence; empty where all was.
    """

    groups: tuple[tuple[int, ...], ...]
    unchecked: str = ""


def find_copies(figures: Figures, max_pixels: int = MAX_PIXELS) -> Copies:
    """Rows whose decoded RGB pixels are the same, whatever their files are called."""
    pool = pool_figures([figures])
    if not crops_are_files(pool):
        return Copies((), "not checked for duplicates: the images are regions with several figures")
    looks = look(pool, max_pixels)
    groups = same_values(pd.Series(looks.digests, dtype=object))
    return Copies(tuple(groups), _unchecked(int(np.sum(~looks.read)), len(figures)))


def _unchecked(unread: int, figures: int) -> str:
    if not unread:
        return ""
    which = "the images of the labels" if unread == figures else f"{unread:,} of {figures:,} images"
    return f"{'not' if unread == figures else 'not all'} checked for duplicates: {which} cannot be read"
