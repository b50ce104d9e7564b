"""The place where jobs are done, and what it sends back."""

from __future__ import annotations

import os
import pickle
import traceback
from dataclasses import dataclass
from typing import Generic

from atypica.core.executor import Done, Job, MakeWorker, Worker


@dataclass(frozen=True)
class Outcome(Generic[Done]):
    """A result, or what the job raised."""

    result: Done | None = None
    error: Exception | None = None


class Station(Generic[Job, Done]):
    """Does jobs in a process of its own; its worker is made with the first.

    Args:
        make: makes the worker.
    """

    def __init__(self, make: MakeWorker[Job, Done]) -> None:
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
