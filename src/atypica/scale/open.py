"""The executor that a word names."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from atypica.core.errors import SettingsError
from atypica.core.executor import Executor, Serial
from atypica.core.machine import default_threads
from atypica.scale.processes import Processes
from atypica.scale.ray import ray_workers

SERIAL, PROCESSES, RAY = "serial", "processes", "ray"


@contextmanager
def open_executor(
    on: str = SERIAL,
    *,
    workers: int | None = None,
    cpus: int = 1,
    gpus: float = 0.0,
    say: Callable[[str], None] = lambda _: None,
) -> Generator[Executor]:
    """Whatever does the jobs, for the length of the block.

    Args:
        on: `serial`, `processes` (of this machine), `ray` (a cluster that is known here, else a new one on this
            machine), `ray://HOST:PORT` (Ray's client), or `HOST:PORT` of a cluster's head.
        workers: how many jobs at a time; None for as many as there is room for.
        cpus: processor threads of each.
        gpus: of each, with Ray alone; a part of one is shared with others.
        say: called with a line about the cluster.

    Raises:
        SettingsError: no such word, numbers that are not possible, or no such cluster.
        MissingExtraError: Ray is not installed.
    """
    if (workers is not None and workers < 1) or cpus < 1 or gpus < 0:
        raise SettingsError(
            f"{workers} workers of {cpus} CPUs and {gpus:g} GPUs are not possible", "give 1 or more, and no less than 0"
        )
    if gpus and on in {SERIAL, PROCESSES}:
        raise SettingsError(f"--gpus-per-worker needs Ray, not --on {on}", "give --on ray, or leave it out")
    if on == SERIAL:
        yield Serial()
    elif on == PROCESSES:
        yield Processes(workers or max(1, default_threads() // cpus), cpus, say)
    elif on == RAY or ":" in on:
        with ray_workers(None if on == RAY else on, workers, cpus, gpus, say) as executor:
            yield executor
    else:
        raise SettingsError(
            f"--on {on} is no place to work", "give serial, processes, ray, or an address as ray://HOST:10001"
        )
