"""The options that say where work is done, shared by all verbs that spread it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from cyclopts import Parameter

from atypica.apps.cli.screen import say
from atypica.core.errors import SettingsError
from atypica.core.executor import Executor


@Parameter(name="*")
@dataclass(frozen=True)
class FanOut:
    """Where the work is done.

    Attributes
    ----------
    on
        serial, processes (on this machine), ray (a cluster that is known here, else a new one on this machine),
        ray://HOST:PORT (through Ray's client), or HOST:PORT of a cluster's head.
    workers
        How many jobs at a time; as many as there is room for if not given.
    cpus_per_worker
        Processor threads of each.
    gpus_per_worker
        GPUs of each, with Ray; 0.5 lets two share one.
    """

    on: str = "serial"
    workers: int | None = None
    cpus_per_worker: int = 1
    gpus_per_worker: float = 0.0

    def refuse_threads(self, threads: int) -> None:
        """Refuse an option that this process alone would follow.

        Raises:
            SettingsError: threads of this process are asked for, where others work.
        """
        if threads and self.on != "serial":
            raise SettingsError(f"--threads {threads} is of this process, not of workers", "give --cpus-per-worker")

    @contextmanager
    def open(self) -> Generator[Executor]:
        """What does the jobs, for the length of the block; see `open_executor`."""
        from atypica.scale.open import open_executor

        with open_executor(
            self.on, workers=self.workers, cpus=self.cpus_per_worker, gpus=self.gpus_per_worker, say=say
        ) as executor:
            yield executor


HERE = FanOut()
"""One job after the other, in this process."""
