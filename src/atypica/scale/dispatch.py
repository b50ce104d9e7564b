"""Jobs given to hands as they become free, and given again where a hand vanished."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any, Generic

from atypica.core.executor import TRIES, Done, Finished, Job, LostWorkerError
from atypica.scale.station import Outcome

PATIENCE_S = 30.0
"""Without any worker for so long, the person is told what is waited for."""


class Hand(ABC, Generic[Job, Done]):
    """One process somewhere that does one job at a time.

    Attributes:
        ready: done as soon as the process is there.
    """

    ready: Future[int]

    @abstractmethod
    def do(self, job: Job) -> Future[Outcome[Done]]:
        """Begin a job."""

    @abstractmethod
    def dismiss(self) -> None:
        """End the process, whatever it does."""


@dataclass(frozen=True)
class Task(Generic[Job]):
    """A job, and why earlier tries at it came to nothing."""

    job: Job
    lost: tuple[str, ...] = ()


class Dispatch(Generic[Job, Done]):
    """Gives jobs to hands; see `Executor.map`.

    Args:
        hire: starts a new hand.
        hands: how many there are to be at a time; asked whenever jobs are given, for machines come and go.
        vanished: whether the error of a future says that its process is no longer there.
        say: called with a line where there is nothing to do but to wait.
    """

    def __init__(
        self,
        hire: Callable[[], Hand[Job, Done]],
        hands: Callable[[], int],
        vanished: Callable[[BaseException], bool],
        say: Callable[[str], None],
    ) -> None:
        self._hire, self._hands, self._vanished, self._say = hire, hands, vanished, say
        self._waiting: deque[Task[Job]] = deque()
        self._free: list[Hand[Job, Done]] = []
        self._coming: dict[Future[int], Hand[Job, Done]] = {}
        self._busy: dict[Future[Outcome[Done]], tuple[Hand[Job, Done], Task[Job]]] = {}
        self._stillborn = 0

    def run(self, jobs: Iterable[Job]) -> Iterator[Finished[Job, Done]]:
        """Every job once, in any order, as they are finished.

        Raises:
            LostWorkerError: process after process ends before it has begun.
        """
        source = iter(jobs)
        try:
            while self._give(source):
                yield from self._receive()
        finally:
            for hand in [*self._free, *self._coming.values(), *(hand for hand, _ in self._busy.values())]:
                hand.dismiss()

    def _give(self, source: Iterator[Job]) -> bool:
        """Bring jobs and hands together; whether there is anything to wait for."""
        hands = self._hands()
        while len(self._waiting) < hands and (task := next((Task(job) for job in source), None)):
            self._waiting.append(task)
        while self._free and self._waiting:
            hand, task = self._free.pop(), self._waiting.popleft()
            self._busy[hand.do(task.job)] = hand, task
        while len(self._coming) < min(len(self._waiting), hands - len(self._busy)):
            hand = self._hire()
            self._coming[hand.ready] = hand
        return bool(self._waiting or self._busy)

    def _receive(self) -> Iterator[Finished[Job, Done]]:
        """Wait until a hand is ready or has done its job."""
        awaited: list[Future[Any]] = [*self._coming, *self._busy]
        done = wait(awaited, PATIENCE_S, FIRST_COMPLETED).done
        if not done and not self._busy:
            self._say("waiting for a worker: none is free, or none can be started with these --cpus and --gpus")
        for ready in [future for future in self._coming if future in done]:
            self._welcome(self._coming.pop(ready), ready)
        for future in [future for future in self._busy if future in done]:
            hand, task = self._busy.pop(future)
            finished = self._outcome(hand, task, future)
            if finished:
                yield finished

    def _welcome(self, hand: Hand[Job, Done], ready: Future[int]) -> None:
        error = ready.exception()
        if error is None:
            self._free.append(hand)
            self._stillborn = 0
            return
        hand.dismiss()
        self._stillborn += 1
        if self._stillborn >= TRIES * self._hands():
            raise LostWorkerError(
                f"{self._stillborn} workers ended before they had begun: {_line(error)}",
                "see that atypica is installed alike wherever it is to work, and that there is memory for so many",
            ) from error

    def _outcome(
        self, hand: Hand[Job, Done], task: Task[Job], future: Future[Outcome[Done]]
    ) -> Finished[Job, Done] | None:
        """What became of a job; None where it is to be tried again."""
        error = future.exception()
        if error is not None and self._vanished(error):
            hand.dismiss()
            return self._again(Task(task.job, (*task.lost, _line(error))))
        self._free.append(hand)
        outcome = Outcome[Done](error=error) if isinstance(error, Exception) else future.result()
        return Finished(task.job, outcome.result, outcome.error, task.lost)

    def _again(self, task: Task[Job]) -> Finished[Job, Done] | None:
        if len(task.lost) < TRIES:
            self._waiting.appendleft(task)
            return None
        error = LostWorkerError(
            f"its worker vanished {TRIES} times: {task.lost[-1]}", "give workers more memory, or have fewer of them"
        )
        return Finished(task.job, error=error, lost=task.lost)


def _line(error: BaseException) -> str:
    """An error as a line: how it begins, and where it is long how it ends, which is the cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
    return f"{type(error).__name__}: {' ... '.join(dict.fromkeys([lines[0], lines[-1]]))}"
