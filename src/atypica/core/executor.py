"""Independent units of work, done here, by processes beside this one, or by machines: one interface for all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from atypica.core.errors import AtypicaError, ExitCode
from atypica.core.machine import default_threads

Job = TypeVar("Job")
Done = TypeVar("Done")
Worker = Callable[[Job], Done]
"""Does one job. Made once a process, so that it may hold what is dear to load: a model, crops."""
MakeWorker = Callable[[], Worker[Job, Done]]
"""Makes a worker where the work is done. It travels there by pickle, as jobs and results do."""
TRIES = 3
"""A job whose workers vanish so often is given up: it is likely what ends them."""


class LostWorkerError(AtypicaError):
    """The worker of a job vanished (killed, out of memory, its machine gone) every time it was tried."""

    exit_code = ExitCode.SOME_FAILED


@dataclass(frozen=True)
class Finished(Generic[Job, Done]):
    """What became of a job.

    Attributes:
        job: which.
        result: what its worker gave; None where it failed.
        error: what its worker raised, or `LostWorkerError`.
        lost: why earlier tries came to nothing, one line for each worker that vanished.
    """

    job: Job
    result: Done | None = None
    error: Exception | None = None
    lost: tuple[str, ...] = ()

    def value(self) -> Done:
        """The result.

        Raises:
            Exception: what the worker raised.
        """
        if self.error is not None:
            raise self.error
        return self.result  # pyright: ignore[reportReturnType]


class Executor(Protocol):
    """Runs jobs that do not depend on each other."""

    @property
    def workers(self) -> int:
        """How many jobs may run at a time."""
        ...

    @property
    def cpus(self) -> int:
        """Processor threads that each of them may use."""
        ...

    def map(self, make: MakeWorker[Job, Done], jobs: Iterable[Job]) -> Iterator[Finished[Job, Done]]:
        """Every job once, in any order, as they are finished.

        Jobs are taken from the iterable no sooner than a worker is free, so that millions need no memory. A job that
        raises is not tried again; one whose worker vanished is, `TRIES` times in all. Nothing keeps a second worker
        from starting a job whose first one was cut off and lives on: results must be written whole, under a name
        that the job alone decides.

        Args:
            make: makes a worker, once in every process that works.
            jobs: what there is to do.
        """
        ...


class Serial:
    """Does one job after the other, in this process."""

    workers = 1

    @property
    def cpus(self) -> int:
        """See `Executor.cpus`."""
        return default_threads()

    def map(self, make: MakeWorker[Job, Done], jobs: Iterable[Job]) -> Iterator[Finished[Job, Done]]:
        """See `Executor.map`."""
        worker: Worker[Job, Done] | None = None
        for job in jobs:
            try:
                worker = worker or make()
                result = worker(job)
            except Exception as error:  # the job's own fault, whatever it is, must not end the others
                yield Finished(job, error=error)
            else:
                yield Finished(job, result)
