"""Python, the platform, and atypica itself."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import atypica
from atypica.apps.doctor.finding import Finding, Status


def check_environment() -> Iterator[Finding]:
    """What runs where."""
    yield Finding("atypica", *_atypica())
    yield Finding("Python", *_python())
    yield Finding("platform", Status.PASS, f"{platform.platform()} ({platform.machine()})")


def _atypica() -> tuple[Status, str, str]:
    installed, running = version("atypica"), atypica.__version__
    if installed != running:
        return (
            Status.WARN,
            f"{running} runs, but {installed} is what was installed",
            "install the folder again: pip install -e .",
        )
    return Status.PASS, f"{running} in {Path(atypica.__file__).parent}", ""


def _python() -> tuple[Status, str, str]:
    where = f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})"
    if sys.maxsize < 2**32:
        return Status.FAIL, f"{where} is a 32-bit build", "install a 64-bit Python 3.11 or later"
    return Status.PASS, where, ""
