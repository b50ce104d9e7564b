"""Workers for the tests: importable where the work is done."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from atypica.core.errors import FigureError, MissingExtraError


@dataclass(frozen=True)
class Make:
    """Makes a worker that doubles, and leaves a file each time that one is made and each time that a job begins."""

    folder: Path

    def __call__(self) -> Doubles:
        (self.folder / f"made-{os.getpid()}").touch()
        return Doubles(self.folder)


@dataclass(frozen=True)
class Doubles:
    """A job is a number, or a word for what is to happen."""

    folder: Path

    def __call__(self, job: int | str) -> int:
        with (self.folder / f"job-{job}").open("a") as file:
            file.write(f"{os.getpid()}\n")
        if isinstance(job, int):
            time.sleep(0.05)
            return 2 * job
        if job == "refused":
            raise FigureError("it cannot be read", "mend it")
        if job == "extra":
            raise MissingExtraError("a verb", "extra")
        if job == "odd":
            raise OddError(1, 2)
        first = len(begun(self.folder, job)) == 1
        if job == "dies always" or (job == "dies once" and first):
            os.kill(os.getpid(), signal.SIGKILL)
        if job.startswith("waits"):
            while first and not (self.folder / "go on").exists():
                time.sleep(0.02)
        return 0


class OddError(Exception):
    """Cannot be unpickled."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def begun(folder: Path, job: int | str) -> list[str]:
    """The processes that began a job, in turn."""
    file = folder / f"job-{job}"
    return file.read_text().split() if file.is_file() else []


def unmakable() -> Doubles:
    """A worker that cannot be made."""
    raise FigureError("there is no model", "bring it")
