"""What a set of figures consists of: the dataset tables of the papers."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from atypica.core.vocabulary import Subtype
from atypica.core.votes import disagreement, readers
from atypica.data.figures import Figures, numbered
from atypica.evaluation.agreement import Agreement, agreement

DOMAINS = ("dataset", "source", "split", "tumor", "species", "scanner", "lab")
"""The columns that figures are counted by, where they are filled."""


@dataclass(frozen=True)
class Part:
    """Some of the figures.

    Attributes:
        name: the domain's value; None for the figures that have none.
        figures: all; `amf` and `nmf` of them are labeled so, the rest is unlabeled.
        rate: AMF over labeled figures, 0 to 1; None without labels.
        cases: None where no cases are known.
    """

    name: str | None
    figures: int
    amf: int
    nmf: int
    rate: float | None
    cases: int | None


@dataclass(frozen=True)
class Expert:
    """What one expert called.

    Attributes:
        column: `vote_1`, …
        read: figures that this expert read.
        amf: those called AMF.
        rate: AMF over read.
    """

    column: str
    read: int
    amf: int
    rate: float | None


@dataclass(frozen=True)
class PerCase:
    """How figures spread over cases: figures a case (least, median, most) and cases with at least one AMF."""

    least: int
    median: float
    most: int
    with_amf: int


@dataclass(frozen=True)
class Description:
    """The dataset tables of a source.

    Attributes:
        name: the source.
        notes: what was understood of it.
        all: every figure.
        domains: column to parts, largest first; only columns with two or more values.
        per_case: None without cases.
        experts: one for each vote column.
        readers: number of experts who read a figure, to number of figures.
        agreement: of the votes, missing ones left out; None without two experts.
        subtypes: `subtype` (the one taken), `subtype_1`… to counts by subtype, in the order of `Subtype`.
    """

    name: str
    notes: tuple[str, ...]
    all: Part
    domains: dict[str, tuple[Part, ...]]
    per_case: PerCase | None
    experts: tuple[Expert, ...]
    readers: dict[int, int]
    agreement: Agreement | None
    subtypes: dict[str, dict[str, int]]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def describe(figures: Figures) -> Description:
    """Count figures, labels, cases, domains, votes and subtypes. No image is read."""
    votes = figures.votes
    return Description(
        name=figures.name,
        notes=(*figures.notes, *_selective_readers(figures)),
        all=_part("all", figures.table),
        domains={column: parts for column in DOMAINS if len(parts := _parts(figures.table, column)) > 1},
        per_case=_per_case(figures.table),
        experts=_experts(figures),
        readers={int(n): int(c) for n, c in sorted(Counter(readers(votes).tolist()).items())} if votes.size else {},
        agreement=agreement(votes) if votes.shape[1] > 1 else None,
        subtypes=_subtypes(figures.table),
    )


def _part(name: str | None, table: pd.DataFrame) -> Part:
    labels = table["label"] if "label" in table else pd.Series(dtype=object)
    amf, nmf = int((labels == "AMF").sum()), int((labels == "NMF").sum())
    known = "case" in table and bool(table["case"].notna().any())
    cases = int(table["case"].nunique()) if known else None
    return Part(name, len(table), amf, nmf, amf / (amf + nmf) if amf + nmf else None, cases)


def _parts(table: pd.DataFrame, column: str) -> tuple[Part, ...]:
    if column not in table:
        return ()
    groups = table.groupby(table[column].astype(object), dropna=False, sort=True)
    parts = [_part(None if pd.isna(name) else str(name), group) for name, group in groups]
    return tuple(sorted(parts, key=lambda part: (part.name is None, -part.figures)))


def _per_case(table: pd.DataFrame) -> PerCase | None:
    if "case" not in table or not table["case"].notna().any():
        return None
    sizes = table.groupby("case").size().to_numpy()
    with_amf = table.loc[table["label"] == "AMF", "case"].nunique() if "label" in table else 0
    return PerCase(int(sizes.min()), float(np.median(sizes)), int(sizes.max()), int(with_amf))


def _experts(figures: Figures) -> tuple[Expert, ...]:
    experts: list[Expert] = []
    for column in numbered(figures.table, "vote_"):
        cast = figures.table[column].dropna()
        experts.append(Expert(column, len(cast), int(cast.sum()), float(cast.mean()) if len(cast) else None))
    return tuple(experts)


def _selective_readers(figures: Figures) -> list[str]:
    """Notes on experts whose missing votes are not missing at random: on all of them the others agree."""
    notes: list[str] = []
    for index, column in enumerate(numbered(figures.table, "vote_")):
        missing = np.isnan(figures.votes[:, index])
        split = disagreement(np.delete(figures.votes, index, axis=1)) == 1
        if missing.any() and split.any() and not split[missing].any():
            expert = column.replace("vote_", "expert ")
            notes.append(
                f"{expert} is missing only where the others agree: agreement with {expert} is of harder figures"
            )
    return notes


def _subtypes(table: pd.DataFrame) -> dict[str, dict[str, int]]:
    columns = [column for column in ("subtype", *numbered(table, "subtype_")) if column in table]
    counts = {column: table[column].value_counts() for column in columns}
    return {
        column: {subtype.value: int(found.get(subtype.value, 0)) for subtype in Subtype}
        for column, found in counts.items()
        if len(found)
    }
