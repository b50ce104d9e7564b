"""A figure table classified in parts, and put together to what it gives in one go."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from atypica.core.executor import Executor
from atypica.data.figures import Figures
from atypica.inference.counting import LeftOut
from atypica.inference.crop_sources import crops_for
from atypica.inference.model import Asked, Model
from atypica.inference.parts.file import read_part, read_record
from atypica.inference.parts.folder import PartsFolder, job_of
from atypica.inference.parts.part import PART_SIZE, check_part_size, part_of_table, rows_of_parts
from atypica.inference.parts.run import PartsRun, Say, part_worker, run_parts
from atypica.inference.pipeline import BATCH
from atypica.inference.predictions import COLUMNS, tabulate
from atypica.inference.resolution import Resolution
from atypica.inference.resolution_tally import ResolutionTally
from atypica.inference.result import Result

Rows = NDArray[np.int64]


class TableDone(NamedTuple):
    """A table that was typed in parts.

    Attributes:
        result: as `Model.classify` gives it; the figures of a part that could not be done have failed.
        folder: of the parts; to be removed when the result is delivered.
        failed: part to the reason why it could not be done.
    """

    result: Result
    folder: PartsFolder
    failed: dict[str, str]


def classify_table(
    figures: Figures,
    out: Path,
    model: Model,
    asked: Asked,
    executor: Executor,
    *,
    threads: int | None = None,
    batch: int = BATCH,
    part_size: int = PART_SIZE,
    say: Say = lambda _: None,
) -> TableDone:
    """Type a figure table in parts that `executor` does; the result is that of `Model.classify`.

    Args:
        figures: the table.
        out: the folder for the parts.
        model: the model.
        asked: what the predictions depend on.
        executor: where the parts are typed.
        threads: of each worker; None for those that the executor gives it.
        batch: figures a batch.
        part_size: figures a part; whole slides stay together.
        say: called with a line on what is lost, or done again.

    Raises:
        SettingsError: a setting is not possible, or `out` holds parts of a run with other settings.
        OutputError: a part cannot be written.
    """
    check_part_size(part_size)
    folder = PartsFolder(out, job_of(figures.name, model, asked, part_size))
    rows = rows_of_parts(figures, part_size)
    parts = (part_of_table(number, figures, some) for number, some in enumerate(rows))
    make = part_worker(model, asked, folder, threads or executor.cpus, batch)
    run = run_parts(parts, len(figures), folder, make, executor, say)
    predictions = _put_together(figures, model, asked, folder, run, rows)
    resolution = Resolution(figures, asked.mpp)
    notes = (
        *figures.notes,
        *_resolutions(folder, run).notes,
        *LeftOut.of(predictions, asked.limits).notes(asked.limits),
    )
    crops = crops_for(figures, resolution, model.card, asked.max_pixels)
    result = Result(predictions, figures, model.classifier, notes, asked.views, crops, resolution, asked.limits)
    return TableDone(result, folder, run.failed)


def _put_together(
    figures: Figures, model: Model, asked: Asked, folder: PartsFolder, run: PartsRun, rows: list[Rows]
) -> pd.DataFrame:
    """The predictions of all rows: as if none were typed, then each part's laid over its rows."""
    nothing = np.full((len(figures), 1), np.nan, dtype=np.float32)
    errors = np.full(len(figures), None, dtype=object)
    for name, some in zip(run.names, rows, strict=True):
        errors[some] = run.failed.get(name)
    predictions = tabulate(figures, {"amf": nothing}, errors.tolist(), model.card, asked.threshold)
    done = [(some, folder.file(name)) for name, some in zip(run.names, rows, strict=True) if name not in run.failed]
    if not done:
        return predictions
    order = np.concatenate([some for some, _ in done])
    typed = pd.concat([read_part(file, COLUMNS) for _, file in done], ignore_index=True)
    for name in COLUMNS:
        column = predictions[name].astype(object)
        column.iloc[order] = typed[name].to_numpy(dtype=object)
        predictions[name] = column.astype(predictions[name].dtype)
    return predictions


def _resolutions(folder: PartsFolder, run: PartsRun) -> ResolutionTally:
    total = ResolutionTally()
    for name in run.done:
        record = read_record(folder.file(name))
        if record:
            total.add(record.resolutions)
    return total
