"""What is wrong with figures one by one: images, labels against votes, splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from atypica.core.vocabulary import Label, Subtype
from atypica.core.votes import majority
from atypica.data.audit.finding import Finding, Kind, Severity
from atypica.data.audit.looks import Looks
from atypica.data.figures import Figures, numbered

SMALLEST_PX = 16


def images(pool: pd.DataFrame, looks: Looks) -> Iterator[Finding]:
    """Images that cannot be read, have another size than most of their source, or show nothing."""
    for row in np.flatnonzero(~looks.read):
        message = str(looks.errors[row])
        yield Finding(
            Kind.UNREADABLE, Severity.ERROR, (pool["name"][row],), message, "bring the file again, or drop the row"
        )
    for row in np.flatnonzero(looks.read & looks.blank):
        text = f"{pool['name'][row]} is of one color"
        yield Finding(Kind.BLANK, Severity.WARNING, (pool["name"][row],), text, "look at it, and drop it")
    for source in pool["source"].unique():
        rows = np.flatnonzero(looks.read & (pool["source"] == source).to_numpy())
        yield from _odd_sizes(str(source), pool, looks, rows)


def _odd_sizes(source: str, pool: pd.DataFrame, looks: Looks, rows: NDArray[np.intp]) -> Iterator[Finding]:
    sizes = [(int(width), int(height)) for width, height in looks.sizes[rows]]
    if not sizes:
        return
    usual, count = Counter(sizes).most_common(1)[0]
    for size, found in sorted(Counter(sizes).items()):
        tiny = min(size) < SMALLEST_PX
        if not tiny and (size == usual or count <= len(sizes) / 2):
            continue
        names = tuple(pool["name"][row] for row, other in zip(rows, sizes, strict=True) if other == size)
        wanted = "too small for a figure" if tiny else f"{usual[0]}x{usual[1]} px are usual in {source}"
        yield Finding(
            Kind.ODD_SIZE, Severity.ERROR if tiny else Severity.WARNING, names,
            f"{found} of {len(sizes)} images have {size[0]}x{size[1]} px; {wanted}",
            "cut them like the others, or give their mpp",
        )  # fmt: skip
    if count <= len(sizes) / 2:
        text = f"{source}: images of {len(set(sizes))} sizes, none of them usual"
        yield Finding(Kind.ODD_SIZE, Severity.NOTE, (), text, "make sure that mpp is right for each")


def votes(figures: Figures, names: Sequence[str]) -> Iterator[Finding]:
    """Labels that are not the majority of the votes, and subtypes of the other side than the same expert's vote."""
    labels, expected = figures.labels, majority(figures.votes)
    for row in np.flatnonzero(expected == 1 - labels).tolist():
        cast = figures.votes[row]
        amf, read = int(np.nansum(cast)), int(np.sum(~np.isnan(cast)))
        label = Label.AMF if labels[row] else Label.NMF
        text = f"{names[row]} is labeled {label.value}, but {amf} of {read} votes say AMF"
        yield Finding(Kind.VOTES, Severity.ERROR, (names[row],), text, "correct the label or the votes")
    for column in numbered(figures.table, "subtype_"):
        vote = "vote_" + column.removeprefix("subtype_")
        if vote in figures.table:
            yield from _subtypes(figures.table, column, vote, names)


def _subtypes(table: pd.DataFrame, column: str, vote: str, names: Sequence[str]) -> Iterator[Finding]:
    for name, subtype, cast in zip(names, table[column], table[vote], strict=True):
        if subtype is None or np.isnan(cast) or (Subtype(subtype).side == Label.AMF) == bool(cast):
            continue
        side = Label.AMF if cast else Label.NMF
        text = f"{name}: {column} is {subtype}, but {vote} is {side.value}"
        yield Finding(Kind.SUBTYPES, Severity.WARNING, (name,), text, "correct one of them")


def cut_cases(pool: pd.DataFrame) -> Iterator[Finding]:
    """Cases with figures in two parts (train, val, test…)."""
    known = pool.dropna(subset=["case", "part"])
    parts = known.groupby("case", sort=True)["part"].nunique()
    for case in parts.index[parts > 1]:
        rows = known[known["case"] == case]
        counts = ", ".join(f"{count} in {part}" for part, count in sorted(rows["part"].value_counts().items()))
        yield Finding(
            Kind.CASE_IN_TWO_SPLITS, Severity.ERROR, tuple(rows["name"]), f"case {case} has figures {counts}",
            "put the whole case into one; where these are different patients, give them different names",
        )  # fmt: skip


def unchecked(sources: Sequence[Figures]) -> Iterator[Finding]:
    """What a source does not tell, so that nobody takes silence for a pass."""
    for figures in sources:
        missing = [
            (("case",), "no cases: whether a split cuts a case cannot be checked"),
            (("slide", "x", "y"), "no slide, x and y: figures at the same place cannot be found"),
        ]
        for columns, text in missing:
            if not all(name in figures.table and figures.table[name].notna().any() for name in columns):
                fix = f"fill {', '.join(columns)} if known"
                yield Finding(Kind.UNCHECKED, Severity.NOTE, (), f"{figures.name}: {text}", fix)
