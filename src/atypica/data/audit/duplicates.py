"""The same figure in two rows: by file, pixels, looks, or place."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import PurePath

import numpy as np
import pandas as pd
from scipy.spatial import KDTree

from atypica.core.errors import FigureError
from atypica.core.progress import track
from atypica.data.audit.finding import Kind
from atypica.data.audit.groups import Group, connect, known_pairs, same_values
from atypica.data.audit.looks import Looks, grey, page_of
from atypica.data.audit.similarity import SAME, candidate_pairs, correlation, descriptors

TOLERANCE_PX = 20.0
"""Distance on level 0 within which two annotations mean one figure: 5 micrometers at 0.25. In AMi-Br and MIDOG25 the
nearest two are more than 25 apart."""


def repeated_rows(pool: pd.DataFrame) -> list[Group]:
    """Rows of one source with the same image file (and page)."""
    keys = pool["source"] + "\0" + _files(pool)
    return [Group(Kind.REPEATED_ROW, rows, "the same image file") for rows in same_values(keys)]


def crops_are_files(pool: pd.DataFrame) -> bool:
    """Whether each image is a crop of its own, rather than a region or slide with many figures as points."""
    inside = pool["x"].notna() & pool["source"].add(_files(pool)).duplicated(keep=False)
    return float(inside.mean()) < 0.5


def identical(pool: pd.DataFrame, looks: Looks) -> list[Group]:
    """Crops with the same pixels, apart from rows of one source that name the same file."""
    groups: list[Group] = []
    for rows in same_values(pd.Series(looks.digests, dtype=object)):
        distinct = pool.loc[list(rows), ["source", "path", "page"]].drop_duplicates().index
        if len(distinct) > 1:
            groups.append(Group(Kind.IDENTICAL, tuple(int(row) for row in distinct), "the same pixels"))
    return groups


def near_identical(pool: pd.DataFrame, looks: Looks, max_pixels: int) -> list[Group]:
    """Crops whose pixels differ, but that show the same figure (see `similarity`)."""
    first_of: dict[str, int] = {}
    for row in np.flatnonzero(looks.read & ~looks.blank):
        first_of.setdefault(looks.digests[row], int(row))
    rows = sorted(first_of.values())
    if len(rows) < 2:
        return []
    candidates = [(rows[i], rows[j]) for i, j in candidate_pairs(descriptors(looks.thumbs[rows]))]
    pairs = [
        (first, second)
        for first, second in track(candidates, "comparing crops", len(candidates))
        if _alike(pool, first, second, max_pixels)
    ]
    return [Group(Kind.NEAR_IDENTICAL, group, "nearly the same pixels") for group in connect(pairs)]


def same_place(pool: pd.DataFrame, tolerance: float, others: Iterable[Group]) -> list[Group]:
    """Figures of one slide within `tolerance` pixels of each other that `others` do not have yet."""
    placed = pool[pool["slide"].notna() & pool["x"].notna() & pool["y"].notna()]
    if placed.empty:
        return []
    known = known_pairs(others)
    stems = placed["slide"].map(lambda slide: PurePath(str(slide)).stem.lower())
    pairs: list[tuple[int, int]] = []
    for rows in placed.groupby(stems).indices.values():
        index = placed.index.to_numpy()[rows]
        tree = KDTree(placed.loc[index, ["x", "y"]].to_numpy(dtype=np.float64))
        near = tree.query_pairs(tolerance, output_type="ndarray")
        pairs.extend((int(min(pair)), int(max(pair))) for pair in index[near])
    why = f"the same place of a slide within {tolerance:g} px"
    return [Group(Kind.SAME_PLACE, group, why) for group in connect(pairs) if not _all_known(group, known)]


def _all_known(group: tuple[int, ...], known: set[tuple[int, int]]) -> bool:
    return all(pair in known for pair in pairwise(group))


def _alike(pool: pd.DataFrame, first: int, second: int, max_pixels: int) -> bool:
    try:
        images = [grey(pool["path"][row], page_of(pool["page"][row]), max_pixels) for row in (first, second)]
    except FigureError:  # changed on disk since it was read
        return False
    return correlation(*images) >= SAME


def _files(pool: pd.DataFrame) -> pd.Series[str]:
    return pool["path"] + "#" + pool["page"].map(lambda page: str(page_of(page)))
