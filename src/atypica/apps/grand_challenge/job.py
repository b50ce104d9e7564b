"""One job of the platform: a stack in, a file of answers out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from atypica.apps.grand_challenge.answers import answers_of
from atypica.apps.grand_challenge.interface import ANSWERS
from atypica.apps.grand_challenge.stacks import open_input
from atypica.core.errors import ExitCode, OutputError
from atypica.core.files import write_json
from atypica.inference.model import Model


@dataclass(frozen=True)
class Job:
    """What to type, with what, and where the answers go.

    Attributes:
        model: loaded once, for any number of runs.
        source: the platform's input folder; never written to.
        target: the platform's output folder.
        views: 1 or 8.
        threshold: P(atypical) from which a page is called atypical: a number, or a name from the model's card.
        mpp: micrometers per pixel; None for the stack's resolution tag, else 0.25.
        threads: workers; None for one a core.
    """

    model: Model
    source: Path
    target: Path
    views: int = 8
    threshold: float | str | None = None
    mpp: float | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        file: the answers.
        pages: how many there are.
        threshold: P(atypical) from which a page was called atypical.
        failed: the pages that have a neutral answer, and why.
        notes: what was understood and assumed, as sentences.
    """

    file: Path
    pages: int
    threshold: float
    failed: dict[str, str]
    notes: tuple[str, ...]

    @property
    def exit_code(self) -> ExitCode:
        """Whether every page was typed."""
        return ExitCode.SOME_FAILED if self.failed else ExitCode.OK


def run_job(job: Job) -> Outcome:
    """Type every page and write the answers, whole or not at all.

    Answers of an earlier job are removed first: where this one fails, they must not be taken for its own.

    Raises:
        SourceError: the input cannot be used.
        SettingsError: a setting is not possible.
        OutputError: the answers cannot be written.
    """
    threshold = job.model.threshold(job.threshold)
    file = _empty_place(job.target)
    result = job.model.classify(
        open_input(job.source), mpp=job.mpp, views=job.views, threshold=threshold, threads=job.threads
    )
    table = result.predictions
    write_json(file, answers_of(table, threshold))
    lost = table.loc[table["p_amf"].isna(), ["figure_id", "error"]].itertuples(index=False)
    failed = {str(figure): error or "the model gave no number" for figure, error in lost}
    return Outcome(file, len(table), threshold, failed, result.notes)


def _empty_place(folder: Path) -> Path:
    file = folder / ANSWERS
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {file}: {error.strerror}", "choose another --output") from error
    if not os.access(folder, os.W_OK):
        raise OutputError(f"cannot write into {folder}", "choose another --output, or change its permissions")
    return file
