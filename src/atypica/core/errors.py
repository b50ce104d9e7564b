"""Every error that a user can meet, and the one table of exit codes."""

from __future__ import annotations

from enum import IntEnum
from typing import Any


class ExitCode(IntEnum):
    """What the exit status of every verb means."""

    OK = 0
    """All done: every figure typed, every check passed."""
    INTERNAL = 1
    """A fault of atypica itself; worth a report."""
    UNUSABLE_INPUT = 2
    """Nothing could be done with what was given: bad arguments, source, table, bundle or recipe."""
    SOME_FAILED = 3
    """Done, but some figures (or checks, or runs) failed; the output says which and why."""
    NO_ROOM = 4
    """The output could not be written: disk full or not writable."""
    COLLAPSED = 5
    """Done and written, but a fold of the training collapsed; the output, the ledger and the card say which and why."""
    INTERRUPTED = 130
    """Stopped by Ctrl-C; nothing half-written is left under a final name."""


class AtypicaError(Exception):
    """A mistake that a user can mend. The message says what is wrong, `fix` what to do.

    Args:
        message: what is wrong, naming the file, row or setting.
        fix: what to do about it, as an imperative sentence.
    """

    exit_code = ExitCode.UNUSABLE_INPUT

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message}\n  -> {self.fix}" if self.fix else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without calling `__init__` again, whose arguments a subclass may have changed."""
        return _revived, (type(self), self.args, self.__dict__)


def _revived(kind: type[AtypicaError], args: tuple[Any, ...], state: dict[str, Any]) -> AtypicaError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class SourceError(AtypicaError):
    """A source of figures (folder, table, dataset) that cannot be used at all."""


class FigureError(AtypicaError):
    """One figure that cannot be read; its row keeps the message, the others go on."""

    exit_code = ExitCode.SOME_FAILED


class BundleError(AtypicaError):
    """A model bundle that is missing, incomplete, altered, or of an unknown version."""


class SettingsError(AtypicaError):
    """A recipe or setting that is not allowed."""


class EvaluationError(AtypicaError):
    """Labels and scores that cannot be evaluated together."""


class DownloadError(AtypicaError):
    """A download that failed, was cut, or whose checksum is wrong."""


class DetectorError(AtypicaError):
    """A detector of others that failed, or gave out what cannot be read."""


class MissingExtraError(AtypicaError):
    """A verb that needs an extra which is not installed."""

    def __init__(self, verb: str, extra: str) -> None:
        super().__init__(f"{verb} needs the extra '{extra}'", f"pip install 'atypica[{extra}]'")


class OutputError(AtypicaError):
    """The output cannot be written (disk full, no permission)."""

    exit_code = ExitCode.NO_ROOM


class TrainingError(AtypicaError):
    """A training that cannot go on (collapsed, NaN loss, data changed under a run)."""

    exit_code = ExitCode.SOME_FAILED
