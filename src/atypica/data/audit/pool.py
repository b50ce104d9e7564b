"""The figures of all audited sources in one table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from atypica.data.figures import Figures

TRAIN, TEST = "train", "test"
COLUMNS = ("page", "x", "y", "case", "slide", "label", "split")


def pool_figures(sources: Sequence[Figures], tests: Sequence[Figures] = ()) -> pd.DataFrame:
    """Bring figures together, one row each.

    Args:
        sources: in training, if there are `tests`.
        tests: never to be trained on.

    Returns:
        `name` (unique), `source` (name of the source), `path` (str), `page`, `x`, `y`, `case`, `slide`, `label` (blank
        where unknown), and `part`: the split column of a source ("train", "test"…), or "train" and "test" by the list
        that the source is in, if there are two lists.
    """
    names = _distinct([source.name for source in (*sources, *tests)])
    tables = [_rows(figures, name) for figures, name in zip((*sources, *tests), names, strict=True)]
    if tests:
        for index, table in enumerate(tables):
            table["part"] = TRAIN if index < len(sources) else TEST
    if len(tables) > 1:
        for table in tables:
            table["name"] = table["source"] + ": " + table["name"]
    return pd.concat(tables, ignore_index=True)


def only_test(figures: Figures) -> Figures:
    """The test part of figures that have one, else all."""
    part = _split(figures)
    return figures.where(part == TEST) if (part == TEST).any() else figures


def without_test(figures: Figures) -> Figures:
    """What figures have beside a test part."""
    return figures.where(_split(figures) != TEST)


def _split(figures: Figures) -> NDArray[np.object_]:
    if "split" not in figures.table:
        return np.full(len(figures), None, dtype=object)
    return figures.table["split"].to_numpy(dtype=object)


def _rows(figures: Figures, name: str) -> pd.DataFrame:
    table = figures.table
    rows = pd.DataFrame({"name": table["figure_id"].astype(str), "source": name})
    rows["path"] = [str(figures.path(str(image))) for image in table["image"]]
    for column in COLUMNS:
        rows[column] = table[column].astype(object).where(table[column].notna(), None) if column in table else None
    return rows.rename(columns={"split": "part"})


def _distinct(names: list[str]) -> list[str]:
    """The names, those that stand twice numbered."""
    return [f"{n} ({names[: i + 1].count(n)})" if names.count(n) > 1 else n for i, n in enumerate(names)]
