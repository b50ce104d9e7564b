"""What a check found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from atypica.core.errors import AtypicaError, ExitCode


class Status(StrEnum):
    """How it stands: works, works with a limit, does not work."""

    PASS = "PASS"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor.

    Attributes:
        name: what was looked at.
        status: how it stands.
        message: what was found, on one line.
        fix: what to do; blank where nothing has to be done.
    """

    name: str
    status: Status
    message: str
    fix: str = ""


Check = Callable[[], Iterable[Finding]]
"""Looks at something; may raise."""


def examine(checks: Sequence[tuple[str, Check]]) -> list[Finding]:
    """The findings of all checks, in order. A check that raises is itself a finding: a FAIL under its name."""
    findings: list[Finding] = []
    for name, check in checks:
        try:
            findings.extend(check())
        except AtypicaError as error:
            findings.append(Finding(name, Status.FAIL, one_line(error.message), one_line(error.fix)))
        except Exception as error:  # whatever is wrong with a machine is what we came to find
            told = f"{type(error).__name__}: {one_line(str(error))}"
            findings.append(Finding(name, Status.FAIL, told, "install atypica again in a new environment"))
    return findings


def one_line(text: str) -> str:
    """`text` with every run of white space as one space."""
    return " ".join(text.split())


def exit_code(findings: Sequence[Finding]) -> ExitCode:
    """OK where nothing failed."""
    failed = any(finding.status is Status.FAIL for finding in findings)
    return ExitCode.SOME_FAILED if failed else ExitCode.OK
