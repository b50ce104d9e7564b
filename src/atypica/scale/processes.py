"""Jobs done by processes on this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any

from atypica.core.executor import Done, Finished, Job, MakeWorker
from atypica.core.progress import console
from atypica.scale.dispatch import Dispatch, Hand
from atypica.scale.station import Outcome, Station

THREADS = "OMP_NUM_THREADS"
_STATIONS: list[Station[Any, Any]] = []
"""The one of a process that works; none elsewhere."""


@dataclass(frozen=True)
class Processes:
    """Does jobs in processes on this machine, which do not outlive this one; see `Executor`.

    Attributes:
        workers: how many.
        cpus: processor threads that each may use.
        say: called with a line where there is nothing to do but to wait.
    """

    workers: int
    cpus: int
    say: Callable[[str], None]

    def map(self, make: MakeWorker[Job, Done], jobs: Iterable[Job]) -> Iterator[Finished[Job, Done]]:
        """See `Executor.map`."""
        return Dispatch(lambda: _Process(make, self.cpus), lambda: self.workers, _vanished, self.say).run(jobs)


def _vanished(error: BaseException) -> bool:
    return isinstance(error, BrokenProcessPool)


class _Process(Hand[Job, Done]):
    """A pool of one, so that it is known which process a killed one was."""

    def __init__(self, make: MakeWorker[Job, Done], cpus: int) -> None:
        self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _start, (make,))
        with _threads(cpus):
            self.ready = self._pool.submit(os.getpid)
        self._last: Future[Any] = self.ready

    def do(self, job: Job) -> Future[Outcome[Done]]:
        try:
            self._last = self._pool.submit(_run, job)
        except BrokenProcessPool as error:  # it was killed while it had nothing to do
            self._last = Future()
            self._last.set_exception(error)
        return self._last

    def dismiss(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self.ready.done() and not self._is_gone:
            os.kill(self.ready.result(), signal.SIGTERM)

    @property
    def _is_gone(self) -> bool:
        """Whether its number may be another process's by now."""
        return any(one.cancelled() or (one.done() and one.exception()) for one in (self.ready, self._last))


@contextmanager
def _threads(count: int) -> Generator[None]:
    """Libraries read the setting when they are loaded: it must be there when the process starts."""
    before = os.environ.get(THREADS)
    os.environ[THREADS] = str(count)
    try:
        yield
    finally:
        if before is None:
            del os.environ[THREADS]
        else:
            os.environ[THREADS] = before


def _start(make: MakeWorker[Any, Any]) -> None:
    console.quiet = True  # several would write over each other's lines
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal; the parent ends this one
    _STATIONS.append(Station(make))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A process whose parent was killed would go on and write what its successor writes."""
    parent = multiprocessing.parent_process()
    assert parent
    wait([parent.sentinel])
    os._exit(1)


def _run(job: Any) -> Outcome[Any]:
    (station,) = _STATIONS
    return station.run(job)
