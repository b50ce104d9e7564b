"""An executor that does all here, yet sends everything through pickle, as one does that works elsewhere."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
from typing import Any

from atypica.core.executor import Done, Finished, Job, MakeWorker, Worker


class Carrying:
    """Jobs are done in turn; what they raise and give comes back as from another process.

    Args:
        lost: of every job, why earlier tries came to nothing.
    """

    workers = 2
    cpus = 1

    def __init__(self, lost: tuple[str, ...] = ()) -> None:
        self._lost = lost
        self.jobs: list[object] = []

    def map(self, make: MakeWorker[Job, Done], jobs: Iterable[Job]) -> Iterator[Finished[Job, Done]]:
        """See `Executor.map`."""
        carried: MakeWorker[Job, Done] = _carry(make)
        worker: Worker[Job, Done] | None = None
        for job in jobs:
            self.jobs.append(job)
            error, result = None, None
            try:
                worker = worker or carried()
                result = _carry(worker(_carry(job)))
            except Exception as caught:  # as any executor
                error = _carry(caught)
            yield Finished(job, result, error, self._lost)


def _carry(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))  # noqa: S301, our own bytes
