"""Duplicates, however they were found, as groups of rows, and what is wrong with a group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from atypica.data.audit.finding import Finding, Kind, Severity

MOST_NAMED = 3


@dataclass(frozen=True)
class Group:
    """Rows of a pool that show one figure.

    Attributes:
        kind: how that was found.
        rows: two or more.
        why: half a sentence for the person.
    """

    kind: Kind
    rows: tuple[int, ...]
    why: str


def connect(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, ...]]:
    """The groups that pairs link together, each sorted, in the order of their first member."""
    leader: dict[int, int] = {}

    def find(row: int) -> int:
        while leader.setdefault(row, row) != row:
            row = leader[row]
        return row

    for first, second in pairs:
        a, b = sorted((find(first), find(second)))
        leader[b] = a
    groups: dict[int, list[int]] = {}
    for row in sorted(leader):
        groups.setdefault(find(row), []).append(row)
    return [tuple(rows) for _, rows in sorted(groups.items())]


def judge(pool: pd.DataFrame, group: Group) -> Iterator[Finding]:
    """That it is there, and, as errors of their own, what it spoils: labels, cases, or the test."""
    rows = pool.loc[list(group.rows)]
    names = tuple(rows["name"])
    fix = "keep one of them" if rows["source"].nunique() == 1 else "keep one of them where these sources are merged"
    yield Finding(group.kind, Severity.WARNING, names, f"{_listed(names)}: {group.why}", fix)
    labels = sorted(set(rows["label"].dropna()))
    if len(labels) > 1:
        said = ", ".join(f"{name} = {label}" for name, label in zip(names, rows["label"], strict=True))
        yield Finding(
            Kind.CONTRADICTION, Severity.ERROR, names, f"one figure, two labels: {said}", "have an expert decide"
        )
    parts = set(rows["part"].dropna())
    if len(parts) > 1:
        where = ", ".join(f"{name} in {part}" for name, part in zip(names, rows["part"], strict=True) if part)
        yield Finding(
            Kind.LEAK, Severity.ERROR, names, f"the model would be tested on what it has seen: {where}",
            "keep it in one part, with all figures of its case",
        )  # fmt: skip
    yield from _two_cases(rows, names)


def _two_cases(rows: pd.DataFrame, names: tuple[str, ...]) -> Iterator[Finding]:
    known = rows.dropna(subset="case")
    per_source = known.groupby("source")["case"].nunique()
    if bool((per_source > 1).any()):
        cases = ", ".join(sorted(set(known["case"])))
        yield Finding(
            Kind.TWO_CASES, Severity.ERROR, names, f"one figure under the cases {cases}: a split by case can cut it",
            "give both cases one name, or remove the figure from one",
        )  # fmt: skip


def _listed(names: tuple[str, ...]) -> str:
    rest = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def known_pairs(groups: Iterable[Group]) -> set[tuple[int, int]]:
    """All pairs within groups, to report none of them twice."""
    return {(a, b) for group in groups for a in group.rows for b in group.rows if a < b}


def same_values(keys: pd.Series[str]) -> list[tuple[int, ...]]:
    """Groups of rows with the same key; blank keys belong to no group."""
    counted = keys[keys.notna() & (keys != "")]
    repeated = counted[counted.duplicated(keep=False)]
    indices = repeated.groupby(repeated, sort=False).indices
    return sorted(tuple(int(row) for row in np.asarray(repeated.index)[places]) for places in indices.values())
