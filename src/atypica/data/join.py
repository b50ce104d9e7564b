"""Several sources as one table, each figure once."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from atypica.core.errors import SourceError
from atypica.data.audit.duplicates import TOLERANCE_PX, same_place
from atypica.data.audit.groups import same_values
from atypica.data.audit.pool import pool_figures
from atypica.data.figures import Figures
from atypica.data.leaks import Pixels
from atypica.data.sources import open_source


def open_joined(source: str) -> Figures:
    """Open figures by a dataset's name or a path; several with a plus between them are joined, each figure once.

    Raises:
        SourceError: one cannot be opened, or has nothing of its own.
    """
    if "+" not in source or Path(source).expanduser().exists():
        return open_source(source)
    return join([open_source(part) for part in source.split("+")])


def join(sources: Sequence[Figures]) -> Figures:
    """Bring figures of several sources together; one that an earlier source has too is left out, and counted.

    The same figure has the same pixels, or lies at the same place of the same slide (within 5 micrometers). So a split
    of the whole, by case or not, never has a figure on both sides.

    Args:
        sources: the first has the right of way: what it says of a shared figure (label, votes, subtypes) stands.

    Returns:
        All columns of all sources. A column that a source lacks is blank for its figures.

    Raises:
        SourceError: a later source has nothing of its own.
    """
    owner = np.repeat(np.arange(len(sources)), [len(source) for source in sources])
    pool = pool_figures(sources)
    pixels = [Pixels.of(source) for source in sources]
    digests = [digest for part in pixels for digest in part.digests]
    by_pixels = same_values(pd.Series(digests, dtype=object))
    by_place = [group.rows for group in same_place(pool, TOLERANCE_PX, ())]
    first = _first_owner(owner, [*by_pixels, *by_place])
    kept = first == owner
    empty = [source.name for number, source in enumerate(sources) if not kept[owner == number].any()]
    if empty:
        raise SourceError(f"all figures of {empty[0]} are in the sources before it", "leave it out")
    unread = [f"{one.name}: {part.unchecked}" for one, part in zip(sources, pixels, strict=True) if part.unchecked]
    notes = [f"{source.name}: {note}" for source in sources for note in source.notes]
    notes += [*unread, *_left_out(sources, owner, first), *_contradictions(pool, owner, kept, by_pixels + by_place)]
    root = Path(os.path.commonpath([source.root.resolve() for source in sources]))
    tables = [_rooted(source, root) for source in sources]
    table = pd.concat(tables, ignore_index=True).loc[kept].reset_index(drop=True)
    table["figure_id"] = _unique(table["figure_id"], np.array([s.name for s in sources], dtype=object)[owner[kept]])
    return Figures(table, root, " + ".join(source.name for source in sources), (*notes, *_without_split(table)))


def _first_owner(owner: NDArray[np.int64], groups: Sequence[tuple[int, ...]]) -> NDArray[np.int64]:
    """The first source that has each figure, (figures,)."""
    first = owner.copy()
    for group in groups:
        rows = list(group)
        first[rows] = np.minimum(first[rows], owner[rows].min())
    return first


def _left_out(sources: Sequence[Figures], owner: NDArray[np.int64], first: NDArray[np.int64]) -> list[str]:
    shared = Counter(zip(owner[first != owner].tolist(), first[first != owner].tolist(), strict=True))
    return [
        f"{number:,} of the {len(sources[mine]):,} figures of {sources[mine].name} are in {sources[other].name} too, "
        f"by pixels or place: left out of {sources[mine].name}"
        for (mine, other), number in sorted(shared.items())
    ]


def _contradictions(
    pool: pd.DataFrame, owner: NDArray[np.int64], kept: NDArray[np.bool_], groups: Sequence[tuple[int, ...]]
) -> list[str]:
    labels = pool["label"].to_numpy(dtype=object)
    other: set[int] = set()
    for group in groups:
        leader = min(group, key=lambda row: owner[row])
        other |= {row for row in group if not kept[row] and labels[row] and labels[row] != labels[leader]}
    if not other:
        return []
    return [f"{len(other):,} of those left out have another label there: that of the source named first stands"]


def _rooted(source: Figures, root: Path) -> pd.DataFrame:
    paths = source.table["image"]
    images = [None if pd.isna(path) else os.path.relpath(source.path(path).resolve(), root) for path in paths]
    return source.table.assign(image=pd.Series(images, dtype=object), dataset=_dataset(source))


def _dataset(source: Figures) -> pd.Series:
    if "dataset" not in source.table:
        return pd.Series([source.name] * len(source), dtype=object)
    return source.table["dataset"].fillna(source.name)


def _unique(ids: pd.Series, names: NDArray[np.object_]) -> pd.Series:
    repeated = ids.duplicated(keep=False)
    return ids.where(~repeated, pd.Series(names, dtype=object) + ": " + ids)


def _without_split(table: pd.DataFrame) -> list[str]:
    if "split" not in table or not table["split"].isna().any():
        return []
    number = int(table["split"].isna().sum())
    return [f"{number:,} figures have no split: only a recipe with split.shares or split.train_on=all takes them"]
