"""Which row of one table is the same figure as which row of another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from atypica.core.errors import SourceError

_PLACE = ("page", "x", "y")
_DIFFERENT_NAMES = 0.5


@dataclass(frozen=True)
class Match:
    """Rows of two tables that are the same figures.

    Attributes:
        key: what they were matched on: "figure_id", "image" (with page, x and y where there are such), "file name".
        left, right: row numbers in the two tables, pair by pair, in the left table's order.
        doubt: why the match may be wrong, as a sentence; empty where nothing speaks against it.
    """

    key: str
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    doubt: str = ""

    def __len__(self) -> int:
        return len(self.left)


def match_figures(left: pd.DataFrame, right: pd.DataFrame, names: tuple[str, str]) -> Match:
    """Match the rows of two figure tables (or predictions) by the key of `Match.key` that matches most.

    Of equally good ones the first is taken. A key that stands twice in either table matches nothing.

    Args:
        left, right: tables with the columns `figure_id` or `image`.
        names: what to call the two tables in messages.

    Raises:
        SourceError: a `figure_id` stands twice in `left`, or nothing matches; the message shows a key of each.
    """
    _refuse_repeats(left, names[0])
    found = [_match(key, one, two) for key, one, two in _keys(left, right)]
    best = max(found, key=len, default=None)
    if best is None or not len(best):
        raise SourceError(
            f"no figure of {names[0]} is in {names[1]} (for example {_example(left)} there, {_example(right)} here)",
            "give both tables the same figure_id, or the same image file names",
        )
    return Match(best.key, best.left, best.right, _doubt(best, left, right))


def _refuse_repeats(table: pd.DataFrame, name: str) -> None:
    ids = _texts(table, "figure_id").dropna()
    repeated = ids[ids.duplicated()]
    if len(repeated):
        raise SourceError(
            f"{name}: {len(repeated)} rows repeat a figure_id (such as {repeated.iloc[0]!r})",
            "keep one row a figure: one model's predictions at a time",
        )


def _keys(left: pd.DataFrame, right: pd.DataFrame) -> Iterator[tuple[str, pd.Series, pd.Series]]:
    yield "figure_id", _texts(left, "figure_id"), _texts(right, "figure_id")
    place = [column for column in _PLACE if column in left and column in right]
    one, two = (_texts(table, "image").map(_path, na_action="ignore") for table in (left, right))
    yield "image", _placed(one, left, place), _placed(two, right, place)
    one, two = (image.map(_file_name, na_action="ignore") for image in (one, two))
    yield "file name", _placed(one, left, place), _placed(two, right, place)


def _match(key: str, left: pd.Series, right: pd.Series) -> Match:
    places = {value: row for row, value in enumerate(right) if isinstance(value, str)}
    ambiguous = {value for side in (left, right) for value in side[side.duplicated() & side.notna()]}
    pairs = [
        (row, places[value])
        for row, value in enumerate(left)
        if isinstance(value, str) and value in places and value not in ambiguous
    ]
    rows = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return Match(key, rows[:, 0], rows[:, 1])


def _doubt(match: Match, left: pd.DataFrame, right: pd.DataFrame) -> str:
    """Ids that are mere numbers may fit by chance; then the files have other names."""
    if match.key != "figure_id" or "image" not in left or "image" not in right:
        return ""
    files = [
        _texts(table, "image").map(_file_name, na_action="ignore").to_numpy()[rows]
        for table, rows in ((left, match.left), (right, match.right))
    ]
    different = int(np.sum(files[0] != files[1]))
    if different <= _DIFFERENT_NAMES * len(match):
        return ""
    return (
        f"{different} of {len(match)} figures that share a figure_id have different image files: are the ids the same?"
    )


def _texts(table: pd.DataFrame, column: str) -> pd.Series:
    if column not in table:
        return pd.Series([None] * len(table), dtype=object)
    return pd.Series([None if pd.isna(value) else str(value).strip() for value in table[column]], dtype=object)


def _path(text: str) -> str:
    return str(PurePosixPath(text.replace("\\", "/")))


def _file_name(text: str) -> str:
    return PurePosixPath(_path(text)).name


def _placed(names: pd.Series, table: pd.DataFrame, columns: list[str]) -> pd.Series:
    values = [pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64) for column in columns]
    rows = zip(names, *values, strict=True)
    return pd.Series([None if row[0] is None else "#".join(map(str, row)) for row in rows], dtype=object)


def _example(table: pd.DataFrame) -> str:
    parts = [
        f"{column} {table[column].iloc[0]!r}" for column in ("figure_id", "image") if column in table and len(table)
    ]
    return ", ".join(parts) or "no rows with figure_id or image"
