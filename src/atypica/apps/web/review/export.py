"""What leaves the page: the figure table with votes, and the votes as they were cast."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from atypica.apps.web.review.ballot import Call, as_vote
from atypica.apps.web.review.catalog import Catalog
from atypica.apps.web.review.storage.votes import Standing, Vote
from atypica.core.vocabulary import Label
from atypica.core.votes import majority
from atypica.data.figures import Figures, numbered

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""With what a cell begins that a spreadsheet takes for a formula, or strips to one (OWASP, CSV Injection)."""
FREE_TEXT = ("comment", "reader", "filters")
EARLIER = "earlier_"
"""Marks the labels and votes that came with the figures."""


def figure_table(
    catalog: Catalog,
    figures: Figures,
    standing: Mapping[int, Standing],
    names: Mapping[int, str],
    *,
    folder: Path | None = None,
    every: bool = False,
) -> pd.DataFrame:
    """The figures with the readers' votes, as `atypica train` reads them.

    `vote_1`, `subtype_1`, `reader_1`... are of this review, `label` the majority of its votes (blank for a tie),
    `subtype` the commonest on that side, `review` what the readers made of the figure. What came with the figures is
    kept as `earlier_label` and so on.

    Args:
        catalog, figures: of the study.
        standing: the votes of each reader as they stand.
        names: the readers, in the order of their columns.
        folder: where the table will lie, so that image paths can be relative to it; None for absolute ones.
        every: keep figures without a label too.
    """
    table = figures.table.copy()
    renamed = [c for c in ("label", "subtype", *numbered(table, "vote_"), *numbered(table, "subtype_")) if c in table]
    table = table.rename(columns={column: EARLIER + column for column in renamed})
    table["image"] = [_place(figures.path(image), folder) for image in catalog.images]
    cast = [standing[who].labeled() if who in standing else {} for who in names]
    rows = [[votes.get(figure) for votes in cast] for figure in catalog.ids]
    votes = np.array([[as_vote(vote.call if vote else None) for vote in row] for row in rows], dtype=np.float64)
    labels = majority(votes.reshape(len(rows), len(names))) if len(names) else np.full(len(rows), np.nan)
    table["label"] = [_side(label) for label in labels]
    table["subtype"] = [_subtype(row, _side(label)) for row, label in zip(rows, labels, strict=True)]
    for number, name in enumerate(names.values(), start=1):
        own = [row[number - 1] for row in rows]
        table[f"vote_{number}"] = [_side(as_vote(vote.call)) if vote else None for vote in own]
        table[f"subtype_{number}"] = [vote.subtype.value if vote and vote.subtype else None for vote in own]
        table[f"reader_{number}"] = [name if vote else None for vote in own]
    table["review"] = [_verdict(row, label) for row, label in zip(rows, labels, strict=True)]
    table["comment"] = [_comments(catalog.ids[row], standing, names) for row in range(len(rows))]
    return table if every else table[table["label"].notna()].reset_index(drop=True)


def slide_predictions(labeled: pd.DataFrame, predictions: pd.DataFrame, figures: Figures, image: str) -> pd.DataFrame:
    """The labeled figures of one slide as predictions, the readers' label and subtype in place of the model's.

    Args:
        labeled: of `figure_table`, those with a label.
        predictions: the model's, row by row those of `figures`.
        figures: of the study.
        image: the slide, as in the column `image` of `figures`.
    """
    known = labeled.set_index("figure_id")
    ids = figures.table["figure_id"]
    here = (figures.table["image"].astype(str) == image) & ids.isin(known.index)
    table = predictions.loc[here.to_numpy()].reset_index(drop=True)
    wanted = known.loc[ids[here]]
    for column, source in (("x", figures.table["x"][here]), ("y", figures.table["y"][here]), ("figure_id", ids[here])):
        table[column] = source.to_numpy()
    return table.assign(prediction=wanted["label"].to_numpy(), subtype=wanted["subtype"].to_numpy())


def _place(path: Path, folder: Path | None) -> str:
    if folder is None:
        return path.absolute().as_posix()
    return Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix()


def _side(vote: float) -> str | None:
    return None if np.isnan(vote) else (Label.AMF if vote else Label.NMF).value


def _subtype(row: list[Vote | None], side: str | None) -> str | None:
    named = Counter(vote.subtype.value for vote in row if vote and vote.subtype and vote.subtype.side.value == side)
    return named.most_common(1)[0][0] if named else None


def _verdict(row: list[Vote | None], label: float) -> str | None:
    calls = [vote.call for vote in row if vote]
    if not calls:
        return None
    if not np.isnan(label):
        return "labeled"
    if calls.count(Call.NOT_MITOSIS) * 2 > len(calls):
        return "not a mitosis"
    return "unsure" if all(call is Call.UNSURE for call in calls) else "undecided"


def _comments(figure: str, standing: Mapping[int, Standing], names: Mapping[int, str]) -> str | None:
    said = [
        f"{name}: {vote.comment}"
        for who, name in names.items()
        if who in standing and (vote := standing[who].votes.get(figure)) and vote.comment
    ]
    return " | ".join(said) or None


def without_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """A table of this module as a spreadsheet may open it: what people typed starts no formula.

    An apostrophe is put before comments, names of readers and, in the table of votes, filters that begin with one of
    `FORMULA`. What `atypica train` reads (ids, images, labels, votes) stays as it is.
    """
    guarded: dict[str, list[Any]] = {
        column: [f"'{text}" if isinstance(text, str) and text.startswith(FORMULA) else text for text in table[column]]
        for column in map(str, table.columns)
        if column in FREE_TEXT or column.startswith("reader_")
    }
    return table.assign(**guarded)


def vote_table(raw: list[dict[str, Any]]) -> pd.DataFrame:
    """Every row ever added, undone votes and undoings too; times in UTC."""
    table = pd.DataFrame(raw)
    if len(table):
        table["cast_at"] = [_utc(value) for value in table["cast_at"]]
        for column in ("undoes",):
            table[column] = table[column].astype("Int64")
        table = table.rename(columns={"id": "vote", "sitting_id": "sitting"})
    return table


def _utc(time: datetime) -> str:
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC).isoformat(timespec="milliseconds")
