"""Jobs done by Ray's actors, on this machine or on many."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from atypica.core.errors import MissingExtraError, SettingsError
from atypica.core.executor import Done, Finished, Job, MakeWorker
from atypica.scale.dispatch import Dispatch, Hand
from atypica.scale.station import Outcome, Station, Surroundings

CONNECT_S = 5.0
LOOK_S = 10.0
"""How long what was found of the cluster holds."""


@dataclass(frozen=True)
class RayWorkers:
    """Does jobs by actors of the cluster that this process is connected to; see `Executor`.

    Attributes:
        room: says how many actors there are to be, now.
        cpus: processor threads of each.
        gpus: of each; those that have a part of one share it.
        say: called with a line where there is nothing to do but to wait.
    """

    room: Callable[[], int]
    cpus: int
    gpus: float
    say: Callable[[str], None]

    @property
    def workers(self) -> int:
        """See `Executor.workers`."""
        return self.room()

    def map(self, make: MakeWorker[Job, Done], jobs: Iterable[Job]) -> Iterator[Finished[Job, Done]]:
        """See `Executor.map`."""
        import ray

        kind: Any = ray.remote(Station).options(num_cpus=self.cpus, num_gpus=self.gpus, max_restarts=0)
        carried, here = ray.put(make), Surroundings()

        def hire() -> Hand[Job, Done]:
            return _Actor(kind.remote(carried, here))

        return Dispatch(hire, self.room, _vanished, self.say).run(jobs)


def _vanished(error: BaseException) -> bool:
    """Ray's own errors, but for what the process itself raised."""
    from ray.exceptions import RayError, RayTaskError

    return isinstance(error, RayError) and not isinstance(error, RayTaskError)


class _Actor(Hand[Job, Done]):
    """One actor."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor
        self.ready = actor.ready.remote().future()

    def do(self, job: Job) -> Future[Outcome[Done]]:
        return self._actor.run.remote(job).future()

    def dismiss(self) -> None:
        import ray

        with suppress(Exception):  # one that is gone already cannot be killed, and Ray says so in many ways
            ray.kill(self._actor)


@contextmanager
def ray_workers(
    address: str | None, workers: int | None, cpus: int, gpus: float, say: Callable[[str], None]
) -> Generator[RayWorkers]:
    """Workers of a cluster: that of an address, else one that runs here or that RAY_ADDRESS names, else a new one.

    Args:
        address: `ray://HOST:PORT` (Ray's client) or `HOST:PORT` (of the head, from a machine of the cluster).
        workers: how many; None for as many as the cluster has room for.
        cpus, gpus: of each.
        say: called with a line about the cluster.

    Raises:
        MissingExtraError: Ray is not installed.
        SettingsError: the cluster cannot be reached, or has no room for a worker.
    """
    # Ray reports to its maker unless told otherwise before it is loaded.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("--on ray", "ray") from error
    if address:
        _check_reachable(address)
    try:
        ray.init(address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray's ways of not being there share no base
        raise _not_there(address or os.environ.get("RAY_ADDRESS", "this machine"), error) from error
    try:
        machines = _machines()
        room = sum(_room(machine, cpus, gpus) for machine in machines)
        if not room and workers is None:
            raise SettingsError(
                f"no machine of the cluster can give a worker {cpus} CPUs and {gpus:g} GPUs",
                "ask for less by --cpus-per-worker and --gpus-per-worker, or say by --workers how many will come",
            )
        say(f"Ray: machines {len(machines)}, room for workers {room}, wanted {workers or room}")
        yield RayWorkers(_Room(workers, cpus, gpus), cpus, gpus, say)
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Within seconds; Ray itself tries for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), CONNECT_S).close()
    except (OSError, ValueError) as error:
        raise _not_there(address, error) from error


def _not_there(address: str, error: Exception) -> SettingsError:
    reason = next(iter(str(error).splitlines()), type(error).__name__)
    return SettingsError(
        f"there is no Ray cluster at {address}: {reason}",
        "start one with 'ray start --head', of the same versions of Ray and Python, and give its address",
    )


class _Room:
    """How many workers there are to be: so many as were asked for, else what the cluster has room for as it stands."""

    def __init__(self, workers: int | None, cpus: int, gpus: float) -> None:
        self._workers, self._cpus, self._gpus = workers, cpus, gpus
        self._counted, self._looked = 0, -LOOK_S

    def __call__(self) -> int:
        if self._workers:
            return self._workers
        if time.monotonic() - self._looked > LOOK_S:
            self._counted = sum(_room(machine, self._cpus, self._gpus) for machine in _machines())
            self._looked = time.monotonic()
        return max(1, self._counted)


def _machines() -> list[Mapping[str, float]]:
    """The resources of every machine of the cluster that lives."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _room(resources: Mapping[str, float], cpus: int, gpus: float) -> int:
    """How many workers fit a machine."""
    by_gpu = resources.get("GPU", 0.0) / gpus if gpus else float("inf")
    return int(min(resources.get("CPU", 0.0) / cpus, by_gpu))
