"""One command at a time in a folder."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from atypica.core.errors import OutputError

FILE = ".lock"


@contextmanager
def sole_use(folder: Path) -> Generator[None]:
    """Keep other commands out of a folder for the length of the block; the end of a process, even by a kill, frees it.

    On a file system without locks nothing is kept out.

    Args:
        folder: made if it is not there.

    Raises:
        OutputError: another command works there, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / FILE)
        lock.acquire(timeout=0)
    except Timeout:
        raise OutputError(f"another command is at work in {folder}", "wait for it, or choose another --out") from None
    except NotImplementedError:
        yield
        return
    except OSError as error:
        raise OutputError(f"cannot write into {folder}: {error.strerror}", "choose another --out") from error
    try:
        yield
    finally:
        lock.release()
