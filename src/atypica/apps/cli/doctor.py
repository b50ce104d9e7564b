"""`atypica doctor`: whether everything that atypica needs is here and works."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

import atypica
from atypica.apps.doctor.datasets import check_data
from atypica.apps.doctor.engine import check_engine
from atypica.apps.doctor.environment import check_environment
from atypica.apps.doctor.finding import Finding, Status, examine, exit_code
from atypica.apps.doctor.machine import check_cores, check_gpu
from atypica.apps.doctor.model import check_model
from atypica.apps.doctor.packages import check_packages
from atypica.apps.doctor.storage import check_storage
from atypica.apps.doctor.training import TorchProbe, check_training

COLORS = {Status.PASS: "green", Status.WARN: "bold yellow", Status.FAIL: "bold red"}


def doctor(*, model: Path | None = None, json_: Annotated[bool, Parameter(name="--json", negative="")] = False) -> int:
    """Check the environment, packages, threads, GPU, data, model and disk; each line PASS, WARN or FAIL, with the fix.

    Exit status: 0 nothing failed, 3 something did.

    Parameters
    ----------
    model
        Check this model bundle (folder or zip) in place of the one that comes with atypica.
    json_
        Print the findings as JSON.
    """
    findings = examine_all(model)
    if json_:
        print(json.dumps(content(findings), indent=2, ensure_ascii=False))  # noqa: T201
    else:
        show(findings)
    return exit_code(findings)


def examine_all(model: Path | None = None) -> list[Finding]:
    """Every check, in the order of the list that people see."""
    probe = TorchProbe()
    return examine(
        [
            ("environment", check_environment),
            ("packages", check_packages),
            ("model bundle", lambda: check_model(model)),
            ("engine", lambda: check_engine(model)),
            ("cores", check_cores),
            ("data", check_data),
            ("storage", check_storage),
            ("PyTorch", lambda: check_training(probe)),
            ("GPU", lambda: check_gpu(probe)),
        ]
    )


def content(findings: Sequence[Finding]) -> dict[str, object]:
    """What `--json` prints."""
    return {
        "atypica": atypica.__version__,
        "ok": exit_code(findings) == 0,
        "findings": [asdict(finding) for finding in findings],
    }


def show(findings: Sequence[Finding]) -> None:
    """The findings as a list on standard output, the counts last."""
    screen = Console(highlight=False)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        color = COLORS[finding.status]
        table.add_row(Text(finding.status, style=color), Text(finding.name), _told(finding))
    screen.print(table)
    counts = Counter(finding.status for finding in findings)
    words = {Status.PASS: "passed", Status.WARN: "with a warning", Status.FAIL: "failed"}
    screen.print("\n" + ", ".join(f"{counts[status]} {words[status]}" for status in Status))


def _told(finding: Finding) -> Text:
    told = Text(finding.message)
    if finding.fix:
        told.append(f"\n-> {finding.fix}", style=COLORS[finding.status] if finding.status is not Status.PASS else "dim")
    return told
