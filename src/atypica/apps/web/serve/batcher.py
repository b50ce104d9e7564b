"""Dynamic batching: a free worker takes what waits, from all callers in turn, up to a batch.

No timer holds a batch back for more to come: on a quiet server a figure starts at once, and batches grow by
themselves as soon as all workers are busy (the default of Triton's dynamic batcher, too).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from atypica.apps.web.serve.refused import busy

Job = TypeVar("Job")
Done = TypeVar("Done")
LONGEST_WAIT = 60
"""Seconds; the largest that a caller is told to wait."""
FIRST_PACE = 0.01
"""Seconds of a worker for one crop, before any was measured."""
LEARNING = 0.1
"""The weight of the newest batch in the running mean of the pace."""


@dataclass(eq=False)
class _Caller(Generic[Job, Done]):
    """One request: its jobs that wait, and what came of the others."""

    views: int
    waiting: deque[tuple[int, Job]]
    results: dict[int, Done]
    left: int
    done: asyncio.Future[None]


class Batcher(Generic[Job, Done]):
    """Works jobs off in batches on threads. Its methods belong to one event loop.

    Args:
        work: does a batch of jobs with this number of views, in order; called from several threads.
        workers: threads.
        batch: the most jobs of a batch.
        capacity: crops (jobs times views) that may wait before further callers are turned away. One caller's jobs are
            taken on together, so a large request may go beyond it once.
        observe: is told the size of each batch.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Job], int], Sequence[Done]],
        workers: int,
        batch: int,
        capacity: int,
        observe: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._work, self._workers, self._batch, self._capacity = work, workers, batch, capacity
        self._observe = observe
        self._pool = self._new_pool()
        self._callers: deque[_Caller[Job, Done]] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._pace = FIRST_PACE

    @property
    def depth(self) -> int:
        """Crops that wait."""
        return sum(len(caller.waiting) * caller.views for caller in self._callers)

    @property
    def full(self) -> bool:
        """Whether further callers are turned away."""
        return self.depth >= self._capacity

    def retry_after(self) -> int:
        """Whole seconds until what waits now may be done."""
        return min(LONGEST_WAIT, max(1, math.ceil(self.depth * self._pace / self._workers)))

    async def run(self, jobs: Sequence[Job], views: int) -> list[Done]:
        """The result of each job, in order. Where the caller is cancelled, jobs that still wait are dropped.

        Raises:
            RefusedError: too much waits already.
        """
        if self.full:
            raise busy(self.retry_after())
        if not jobs:
            return []
        done = asyncio.get_running_loop().create_future()
        caller: _Caller[Job, Done] = _Caller(views, deque(enumerate(jobs)), {}, len(jobs), done)
        self._callers.append(caller)
        self._start()
        try:
            await done
        finally:
            if caller in self._callers:
                self._callers.remove(caller)
        return [caller.results[number] for number in range(len(jobs))]

    def _start(self) -> None:
        """Give every free worker a batch."""
        while self._callers and len(self._running) < self._workers:
            views, batch = self._callers[0].views, self._take()
            task = asyncio.get_running_loop().create_task(self._work_off(batch, views))
            self._running.add(task)
            task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._start()

    def _take(self) -> list[tuple[_Caller[Job, Done], int, Job]]:
        """One job of each caller in turn, of those with the views of the first, until the batch is full."""
        views = self._callers[0].views
        batch: list[tuple[_Caller[Job, Done], int, Job]] = []
        while len(batch) < self._batch and self._callers and self._callers[0].views == views:
            caller = self._callers.popleft()
            batch.append((caller, *caller.waiting.popleft()))
            if caller.waiting:
                self._callers.append(caller)
        return batch

    async def _work_off(self, batch: list[tuple[_Caller[Job, Done], int, Job]], views: int) -> None:
        self._observe(len(batch))
        begun = time.monotonic()
        try:
            loop = asyncio.get_running_loop()
            results = await loop.run_in_executor(self._pool, self._work, [job for _, _, job in batch], views)
        except Exception as error:  # a fault of the work is the fault of every caller's request
            for caller, _, _ in batch:
                self._fail(caller, error)
            return
        self._learn((time.monotonic() - begun) / (len(batch) * views))
        for (caller, number, _), result in zip(batch, results, strict=True):
            self._keep(caller, number, result)

    def _keep(self, caller: _Caller[Job, Done], number: int, result: Done) -> None:
        caller.results[number] = result
        caller.left -= 1
        if not caller.left and not caller.done.done():
            caller.done.set_result(None)

    def _fail(self, caller: _Caller[Job, Done], error: Exception) -> None:
        if not caller.done.done():
            caller.done.set_exception(error)

    def _learn(self, seconds: float) -> None:
        self._pace += LEARNING * (seconds - self._pace)

    async def close(self) -> None:
        """Finish what is under way; what is asked for after that starts new threads."""
        while self._running:
            await asyncio.gather(*self._running, return_exceptions=True)
        self._pool.shutdown()
        self._pool = self._new_pool()

    def _new_pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._workers, thread_name_prefix="atypica")
