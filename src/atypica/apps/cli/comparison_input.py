"""From tables of predictions, or of fold results, to the arrays of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from atypica.apps.cli.evaluation_input import Scored, scored_figures
from atypica.apps.cli.left_out import LeftOut, copies
from atypica.core.errors import SourceError
from atypica.data.figures import Figures, read_table
from atypica.evaluation.arrays import Floats
from atypica.evaluation.comparison import ModelScores

FOLD_COLUMNS = ("dataset", "model", "backbone", "strategy", "fold", "seed")


@dataclass(frozen=True)
class Compared:
    """Figures that every model has scored.

    Attributes:
        y: labels, shape (figures,).
        models: each with its scores, shape (figures,), in the order of `y`.
        cases: the case of each figure; None where any is unknown.
        sources: what was read for each model, by its name.
        left_out: labeled figures that some model scored, but not all.
        once: which of those that all scored are no second copies; None where copies were not looked for.
    """

    y: Floats
    models: list[ModelScores]
    cases: NDArray[np.object_] | None
    sources: dict[str, Scored]
    left_out: int
    once: LeftOut | None = None

    @property
    def failed(self) -> int:
        """How many predictions had failed, of all models."""
        return sum(scored.counts["failed"] for scored in self.sources.values())

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "models": {name: scored.to_json() for name, scored in self.sources.items()},
            "scored_by_all": len(self.y),
            "not_scored_by_all": self.left_out,
            **(self.once.counts if self.once else {}),
            "notes": list(self.once.notes) if self.once else [],
        }


def common_figures(
    paths: Sequence[Path],
    labels: Figures,
    labels_name: str,
    threshold: float | None,
    *,
    keep_training_figures: bool = False,
    keep_duplicates: bool = False,
) -> Compared:
    """Join each table of predictions to the labels, and keep the figures that all of them scored.

    A figure that any of the models was trained on is left out for all, unless `keep_training_figures`. Of those that
    are left, figures with the same pixels count once, unless `keep_duplicates`; then no image is read.

    Raises:
        SourceError: as `scored_figures`; one table twice; no figure that all have scored.
    """
    sources = {
        name: scored_figures(
            read_table(path),
            labels,
            (str(path), labels_name),
            threshold,
            by=[],
            keep_training_figures=keep_training_figures,
        )
        for name, path in _names(paths).items()
    }
    rows = reduce(np.intersect1d, [scored.rows for scored in sources.values()])
    every = reduce(np.union1d, [scored.rows for scored in sources.values()])
    if not len(rows):
        raise SourceError(
            f"no figure of {labels_name} is scored by all of {', '.join(sources)}",
            "give predictions of the same figures",
        )
    first = next(iter(sources))
    common = len(rows)
    once = None if keep_duplicates else copies(labels, rows, sources[first].y[_places(sources[first], rows)])
    rows = rows[once.kept] if once else rows
    places = {name: _places(scored, rows) for name, scored in sources.items()}
    models = [ModelScores(name, scored.p[places[name]], scored.threshold) for name, scored in sources.items()]
    cased = next((name for name, scored in sources.items() if scored.cases is not None), None)
    cases = None if cased is None else _cases(sources[cased], places[cased])
    return Compared(sources[first].y[places[first]], models, cases, sources, len(every) - common, once)


def _cases(scored: Scored, places: NDArray[np.int64]) -> NDArray[np.object_] | None:
    return None if scored.cases is None else scored.cases[places]


def _places(scored: Scored, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where the rows of the labels stand among the scored figures."""
    order = np.argsort(scored.rows)
    return order[np.searchsorted(scored.rows, rows, sorter=order)].astype(np.int64)


def _names(paths: Sequence[Path]) -> dict[str, Path]:
    """The shortest names that tell the tables apart: the file, its folder, or the whole path."""
    for names in ([path.stem for path in paths], [path.resolve().parent.name for path in paths], map(str, paths)):
        found = dict(zip(names, paths, strict=True))
        if len(found) == len(paths) and "" not in found:
            return found
    raise SourceError(f"a table stands twice among {', '.join(map(str, paths))}", "name each table once")


def fold_columns(
    table: pd.DataFrame, name: str, by: str, metric: str
) -> tuple[Floats, dict[str, list[object]], tuple[str, ...]]:
    """The values of `metric`, the columns that tell runs apart, and notes; runs without a value are left out.

    Raises:
        SourceError: no such column, values that are no numbers, or none at all.
    """
    for column in (metric, by, "fold"):
        if column not in table:
            raise SourceError(
                f"{name} has no column '{column}'",
                f"it has: {', '.join(map(str, table.columns))}; see --by and --metric",
            )
    values = pd.to_numeric(table[metric], errors="coerce").to_numpy(dtype=np.float64)
    strange = ~np.isfinite(values) & table[metric].notna().to_numpy()
    if strange.any():
        row = int(np.argmax(strange))
        raise SourceError(
            f"{name}, row {row + 2}: {metric} '{table[metric].iloc[row]}' is no finite number",
            "leave the cell of a failed run blank",
        )
    present = ~np.isnan(values)
    known = table.loc[present]
    if not len(known):
        raise SourceError(f"{name}: no run has a value in '{metric}'", "give the results of the runs")
    blank = len(table) - len(known)
    notes = (f"{blank} of {len(table)} runs have no {metric} and are left out",) if blank else ()
    columns: dict[str, list[object]] = {
        column: known[column].tolist() for column in dict.fromkeys((*FOLD_COLUMNS, by)) if column in known
    }
    return values[present], columns, notes
