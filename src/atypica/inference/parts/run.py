"""Parts given to workers, except those that are there already."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from atypica.core.errors import AtypicaError, BundleError, MissingExtraError, OutputError, SettingsError
from atypica.core.executor import Executor, Finished
from atypica.core.progress import ProgressBar
from atypica.inference.model import Asked, Model
from atypica.inference.parts.folder import PartsFolder, device
from atypica.inference.parts.part import Part
from atypica.inference.parts.worker import MakePartWorker

FATAL = (BundleError, MissingExtraError, OutputError, SettingsError)
"""What keeps one part from being typed in this way keeps all of them."""
LOG_S = 60.0
Say = Callable[[str], None]


@dataclass
class PartsRun:
    """What became of a run.

    Attributes:
        names: of all parts, in order.
        failed: part name to the reason; there is no file of these.
        kept: how many were there already.
    """

    names: list[str] = field(default_factory=list[str])
    failed: dict[str, str] = field(default_factory=dict[str, str])
    kept: int = 0

    @property
    def done(self) -> list[str]:
        """Those that are there, in order."""
        return [name for name in self.names if name not in self.failed]


def part_worker(model: Model, asked: Asked, folder: PartsFolder, threads: int, batch: int) -> MakePartWorker:
    """What makes the workers of a run."""
    place = folder.predictions.resolve()
    return MakePartWorker(model.path.resolve(), model.card.onnx_sha256, asked, threads, batch, place, device())


def run_parts(
    parts: Iterable[Part],
    total: int | None,
    folder: PartsFolder,
    make: MakePartWorker,
    executor: Executor,
    say: Say,
) -> PartsRun:
    """Type what is not there yet, and wait for it.

    Args:
        parts: taken one by one, as workers are free.
        total: figures of all parts, if known.
        folder: where they go.
        make: makes the workers.
        executor: where they work.
        say: called with a line on a worker that vanished, and on parts that are done again.

    Raises:
        BundleError, MissingExtraError, OutputError, SettingsError: no part can be done, or written.
    """
    run, pace = PartsRun(), _Pace(say)
    with ProgressBar("typing", total) as bar:
        for finished in executor.map(make, _missing(parts, folder, run, bar, say)):
            _note(finished, run, say)
            bar.advance(finished.job.size)
            pace.advance(finished.job.size)
    return run


class _Pace:
    """Says every `LOG_S` seconds how far the work is, where no progress bar can be drawn: in the log of a cluster."""

    def __init__(self, say: Say) -> None:
        self._say, self._typed = say, 0
        self._started = self._said = time.monotonic()

    def advance(self, figures: int) -> None:
        """Count `figures` more as typed."""
        self._typed += figures
        now = time.monotonic()
        if now - self._said > LOG_S and not sys.stderr.isatty():
            self._say(f"{self._typed:,} figures typed, {self._typed / (now - self._started):.0f} a second")
            self._said = now


def _missing(parts: Iterable[Part], folder: PartsFolder, run: PartsRun, bar: ProgressBar, say: Say) -> Iterator[Part]:
    for part in parts:
        run.names.append(part.name)
        if folder.record(part):
            run.kept += 1
            bar.advance(part.size)
            continue
        if folder.file(part.name).exists():
            say(f"{part.name} is of figures that were changed since, or is damaged: it is done again")
            folder.file(part.name).unlink()
        yield part


def _note(finished: Finished[Part, None], run: PartsRun, say: Say) -> None:
    name, error = finished.job.name, finished.error
    for reason in finished.lost:
        say(f"{name}: its worker vanished ({reason})" + ("" if error else "; another did it"))
    if isinstance(error, FATAL):
        raise error
    if error is not None:
        known = isinstance(error, AtypicaError)
        run.failed[name] = " -> ".join(str(error).split("\n  -> ")) if known else f"{type(error).__name__}: {error}"
