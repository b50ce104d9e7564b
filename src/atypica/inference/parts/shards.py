"""Figures in shards, classified in parts that stay the result: the memory does not grow with the figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from atypica.core.errors import ExitCode, SourceError
from atypica.core.executor import Executor, Serial
from atypica.data.readers import MAX_PIXELS
from atypica.data.shards import Shards, open_shards
from atypica.inference.card import Card
from atypica.inference.cases import summarize_counts
from atypica.inference.counting import Limits
from atypica.inference.model import Asked, Model
from atypica.inference.parts.folder import PartsFolder, job_of
from atypica.inference.parts.part import PART_SIZE, Part, check_part_size, parts_of_shard
from atypica.inference.parts.run import PartsRun, Say, part_worker, run_parts
from atypica.inference.parts.summary import PartsSummary, sum_up
from atypica.inference.pipeline import BATCH


@dataclass(frozen=True)
class ShardsResult:
    """Typed figures of shards.

    Attributes:
        predictions: the folder of the parts, `part-*.parquet`: one table, a row a figure.
        files: the parts and the record of the run.
        card: of the model.
        limits: which typed figures count.
        summary: counts over all parts.
        failed_parts: part to the reason why there is no file of it.
        failed_shards: shard to the reason why it, or what follows in it, was not read.
        kept_parts: how many parts an earlier run had done.
    """

    predictions: Path
    files: tuple[Path, ...]
    card: Card
    limits: Limits
    summary: PartsSummary
    failed_parts: dict[str, str]
    failed_shards: dict[str, str]
    kept_parts: int

    @property
    def exit_code(self) -> ExitCode:
        """All typed, some failed, or none typed."""
        if self.summary.failed == self.summary.figures:
            return ExitCode.UNUSABLE_INPUT
        some = self.summary.failed or self.failed_parts or self.failed_shards
        return ExitCode.SOME_FAILED if some else ExitCode.OK

    @property
    def notes(self) -> tuple[str, ...]:
        """What was understood and assumed, as sentences."""
        twice = self.summary.repeated
        repeated = (f"figure_id: {twice:,} stand for an earlier figure too; 'image' tells them apart",) if twice else ()
        return (*self.summary.resolutions.notes, *self.summary.left_out.notes(self.limits), *repeated)

    def cases(self) -> pd.DataFrame:
        """The AMF rate of each case and of all together, with intervals; see `summarize_cases`."""
        summary = self.summary
        return summarize_counts(summary.counts, self.card.thresholds, grouped=summary.grouped)


def classify_shards(
    source: str | Path | Shards,
    out: str | Path,
    model: Model,
    *,
    mpp: float | None = None,
    views: int = 1,
    threshold: float | str | None = None,
    threads: int | None = None,
    batch: int = BATCH,
    max_pixels: int = MAX_PIXELS,
    min_detection_score: float | None = None,
    max_ood: float | str | None = None,
    part_size: int = PART_SIZE,
    executor: Executor | None = None,
    say: Say = lambda _: None,
) -> ShardsResult:
    """Type the figures of shards into `out`/predictions. Parts that are there from an earlier, stopped call are kept.

    Args:
        source: see `data.shards.open_shards`.
        out: the folder for `predictions` and `job.json`, which says what they are of.
        model: the model.
        mpp, views, threshold, batch, max_pixels, min_detection_score, max_ood: as for `Model.classify`.
        threads: of each worker; None for those that the executor gives it.
        part_size: figures a part.
        executor: where the parts are typed; None for this process.
        say: called with a line on what is lost, or done again.

    Raises:
        SourceError: no such source, or no figures in it. A shard that cannot be read is no such error.
        SettingsError: a setting is not possible, or `out` holds parts of a run with other settings.
        OutputError: a part cannot be written.
    """
    check_part_size(part_size)
    limits = Limits.of(None, model.card, min_detection_score, max_ood)
    asked = Asked(model.threshold(threshold), mpp, views, limits, max_pixels)
    shards = source if isinstance(source, Shards) else open_shards(source)
    if shards is None:
        raise SourceError(f"'{source}' holds no shards of figures", "give it to 'classify' without this")
    executor = executor or Serial()
    folder = PartsFolder(Path(out), job_of(shards.name, model, asked, part_size))
    make = part_worker(model, asked, folder, threads or executor.cpus, batch)
    failed: dict[str, str] = {}
    run = run_parts(_parts(shards, part_size, failed), None, folder, make, executor, say)
    _check_any(run, shards, failed)
    # While a shard cannot be read, nobody knows which parts it would have.
    for file in [] if failed else folder.keep(set(run.names)):
        say(f"{file.name} is of figures that are no longer there: removed")
    summary = sum_up(folder, run.done, limits)
    files = (folder.job, *(folder.file(name) for name in run.done))
    return ShardsResult(folder.predictions, files, model.card, limits, summary, run.failed, failed, run.kept)


def _parts(shards: Shards, size: int, failed: dict[str, str]) -> Iterator[Part]:
    """The parts of all shards; one that cannot be read is noted in `failed`, and the others go on."""
    for number, shard in enumerate(shards.shards):
        try:
            yield from parts_of_shard(number, shard, size)
        except SourceError as error:
            failed[shard.name] = f"{error.message} -> {error.fix}"


def _check_any(run: PartsRun, shards: Shards, failed: dict[str, str]) -> None:
    if run.done:
        return
    reasons = [*failed.values(), *run.failed.values()]
    if reasons:
        raise SourceError(f"nothing of {shards.name} could be typed: {reasons[0]}", "mend its shards")
    raise SourceError(f"{shards.name} has no figures", "check the source")
