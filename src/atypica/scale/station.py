"""The place where jobs are done, and what it sends back."""

from __future__ import annotations

import os
import pickle
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic

from atypica.core.executor import Done, Job, MakeWorker, Worker

SETTINGS = ("ATYPICA_DATA", "ATYPICA_DEVICE", "ATYPICA_EMBEDDINGS")
"""Settings of the environment that decide what a job comes to."""


@dataclass(frozen=True)
class Surroundings:
    """Where a command was started: what relative paths start from, and its settings of the environment.

    Attributes:
        folder: the working directory.
        settings: those of `SETTINGS` that are set.
    """

    folder: Path = field(default_factory=Path.cwd)
    settings: dict[str, str] = field(
        default_factory=lambda: {name: os.environ[name] for name in SETTINGS if name in os.environ}
    )

    def enter(self) -> None:
        """Make them those of this process; its working directory stays where the folder is not to be seen from here."""
        os.environ.update(self.settings)
        with suppress(OSError):
            os.chdir(self.folder)


@dataclass(frozen=True)
class Outcome(Generic[Done]):
    """A result, or what the job raised."""

    result: Done | None = None
    error: Exception | None = None


class Station(Generic[Job, Done]):
    """Does jobs in a process of its own; its worker is made with the first.

    Args:
        make: makes the worker.
        surroundings: of the command; None for a process that has them from its parent.
    """

    def __init__(self, make: MakeWorker[Job, Done], surroundings: Surroundings | None = None) -> None:
        if surroundings:
            surroundings.enter()
        self._make = make
        self._worker: Worker[Job, Done] | None = None

    def ready(self) -> int:
        """The number of the process, as a sign that it is there."""
        return os.getpid()

    def run(self, job: Job) -> Outcome[Done]:
        """Do one job; what it raises is sent back too."""
        try:
            self._worker = self._worker or self._make()
            return Outcome(self._worker(job))
        except Exception as error:  # the job's own fault, whatever it is, must not end the process
            return Outcome(error=_portable(error))


def _portable(error: Exception) -> Exception:
    """The error with its traceback as a note; where it does not survive pickling, one that says the same."""
    where = "in a worker:\n" + "".join(traceback.format_exception(error))
    try:
        error = pickle.loads(pickle.dumps(error))  # noqa: S301, our own bytes
    except Exception:  # whatever the pickling of a foreign error raises
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(where)
    return error
