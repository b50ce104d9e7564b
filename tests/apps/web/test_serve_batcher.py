"""Batches from several callers: shared, in order, bounded, fair, and not broken by one who leaves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from atypica.apps.web.serve.batcher import LONGEST_WAIT, Batcher
from atypica.apps.web.serve.refused import RefusedError


class Work:
    """Doubles numbers, when it is let; remembers its batches."""

    def __init__(self) -> None:
        self.go, self.begun = threading.Event(), threading.Event()
        self.batches: list[tuple[list[int], int]] = []

    def __call__(self, jobs: Sequence[int], views: int) -> list[int]:
        self.batches.append((list(jobs), views))
        self.begun.set()
        assert self.go.wait(60)
        if 13 in jobs:
            raise ValueError("thirteen")
        return [2 * job for job in jobs]


def batcher(work: Work, **settings) -> Batcher[int, int]:
    return Batcher(work, **({"workers": 1, "batch": 4, "capacity": 100} | settings))


async def occupied(work: Work, found: Batcher[int, int]) -> asyncio.Task[list[int]]:
    """A caller whose job keeps the only worker busy."""
    first = asyncio.create_task(found.run([0], 1))
    await asyncio.to_thread(work.begun.wait, 60)
    return first


async def waiting(found: Batcher[int, int], jobs: list[int], views: int = 1) -> asyncio.Task[list[int]]:
    """A caller who has entered."""
    task = asyncio.create_task(found.run(jobs, views))
    await asyncio.sleep(0)
    return task


def test_callers_who_wait_share_a_batch_and_get_their_own():
    work, sizes = Work(), []

    async def go():
        found = batcher(work, observe=sizes.append)
        tasks = [await occupied(work, found), *[await waiting(found, [n]) for n in (1, 2, 3)]]
        assert found.depth == 3
        work.go.set()
        results = await asyncio.gather(*tasks)
        await found.close()
        return results

    assert asyncio.run(go()) == [[0], [2], [4], [6]]
    assert work.batches == [([0], 1), ([1, 2, 3], 1)]
    assert sizes == [1, 3]


def test_a_large_request_does_not_keep_small_ones_waiting():
    work = Work()

    async def go():
        found = batcher(work)
        tasks = [await occupied(work, found), await waiting(found, [1, 2, 3, 4, 5, 6]), await waiting(found, [9])]
        work.go.set()
        results = await asyncio.gather(*tasks)
        await found.close()
        return results

    assert asyncio.run(go()) == [[0], [2, 4, 6, 8, 10, 12], [18]]
    assert work.batches[1:] == [([1, 9, 2, 3], 1), ([4, 5, 6], 1)]


def test_jobs_with_other_views_are_never_in_one_batch_and_none_starves():
    work = Work()

    async def go():
        found = batcher(work)
        tasks = [
            await occupied(work, found),
            *[await waiting(found, [n], views) for n, views in ((1, 1), (2, 8), (3, 1), (4, 8))],
        ]
        assert found.depth == 1 + 8 + 1 + 8
        work.go.set()
        await asyncio.gather(*tasks)
        await found.close()

    asyncio.run(go())
    assert sorted(work.batches) == [([0], 1), ([1], 1), ([2], 8), ([3], 1), ([4], 8)]


def test_one_too_many_is_refused_with_a_time_to_wait():
    work = Work()

    async def go():
        found = batcher(work, capacity=3)
        first, second = await occupied(work, found), await waiting(found, [1, 2, 3, 4, 5])
        assert found.full
        with pytest.raises(RefusedError) as caught:
            await found.run([6], 1)
        work.go.set()
        await asyncio.gather(first, second)
        assert not found.full
        assert await found.run([6], 1) == [12]
        await found.close()
        return caught.value

    error = asyncio.run(go())
    assert error.status == 429
    assert 1 <= error.retry_after <= LONGEST_WAIT
    assert error.response().headers["Retry-After"] == str(error.retry_after)


def test_who_leaves_takes_what_waits_along_and_the_others_are_served():
    work = Work()

    async def go():
        found = batcher(work)
        first, gone = await occupied(work, found), await waiting(found, [1, 2])
        other = await waiting(found, [3])
        gone.cancel()
        await asyncio.sleep(0)
        assert found.depth == 1
        work.go.set()
        assert await other == [6]
        assert await first == [0]
        await found.close()

    asyncio.run(go())
    assert work.batches == [([0], 1), ([3], 1)]


def test_a_fault_reaches_its_callers_and_the_next_batch_runs():
    work = Work()
    work.go.set()

    async def go():
        found = batcher(work)
        with pytest.raises(ValueError, match="thirteen"):
            await found.run([13], 1)
        assert await found.run([1], 1) == [2]
        assert await found.run([], 1) == []
        await found.close()

    asyncio.run(go())


def test_closing_finishes_what_is_under_way():
    work = Work()

    async def go():
        found = batcher(work)
        first, second = await occupied(work, found), await waiting(found, [1])
        closing = asyncio.create_task(found.close())
        await asyncio.sleep(0)
        assert not closing.done()
        work.go.set()
        await closing
        return await asyncio.gather(first, second)

    assert asyncio.run(go()) == [[0], [2]]
