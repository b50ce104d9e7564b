"""A progress bar that shows itself only when the work takes longer than a second."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

T = TypeVar("T")
DELAY_S = 1.0

console = Console(stderr=True, highlight=False)
"""Where messages to the person go; standard output is kept for results."""


class ProgressBar:
    """Counts finished units; draws on standard error after `DELAY_S` seconds, and only on a terminal; never without a
    description.

    Use as a context manager. `advance(n)` after every n units.
    """

    def __init__(self, description: str | None, total: int | None) -> None:
        self._description = description
        self._total = total
        self._started = time.monotonic()
        self._done = 0
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def advance(self, units: int = 1) -> None:
        """Count `units` more as finished."""
        self._done += units
        if self._bar is None and self._description and time.monotonic() - self._started > DELAY_S:
            self._open(self._description)
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=self._done)

    def _open(self, description: str) -> None:
        if not sys.stderr.isatty():
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=console, transient=True)
        self._task = self._bar.add_task(description, total=self._total)
        self._bar.start()


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield `items`, advancing a progress bar by one for each."""
    if total is None and hasattr(items, "__len__"):
        total = len(items)  # pyright: ignore[reportArgumentType]
    with ProgressBar(description, total) as bar:
        for item in items:
            yield item
            bar.advance()
