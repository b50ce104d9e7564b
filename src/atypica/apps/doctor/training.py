"""Whether PyTorch and what belongs to it work, asked of a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from atypica.apps.doctor.finding import Finding, Status
from atypica.apps.doctor.packages import installed

PATIENCE_S = 120
UNFIT = "torchvision::nms"
"""What the error of a torchvision that does not fit its torch names, for instance of the CPU build of torch 2.13."""


@dataclass(frozen=True)
class Torch:
    """What the probe saw.

    Attributes:
        errors: module to why it cannot be imported.
        gpus: names of those that torch can use.
        threads: those that torch would use; 0 where it was not asked.
    """

    errors: dict[str, str] = field(default_factory=dict)
    gpus: tuple[str, ...] = ()
    threads: int = 0


class TorchProbe:
    """A process that imports PyTorch while other checks go on; none is started where PyTorch is not installed."""

    def __init__(self) -> None:
        self._process = _start() if find_spec("torch") else None
        self._seen: Torch | None = None

    def result(self) -> Torch | None:
        """What it saw; None where PyTorch is not installed."""
        if self._process and self._seen is None:
            self._seen = _read(self._process)
        return self._seen


def _start() -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "atypica.apps.doctor.torch_probe"]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _read(process: subprocess.Popen[str]) -> Torch:
    try:
        output, complaint = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return Torch({"torch": f"the import did not end within {PATIENCE_S} s"})
    if process.returncode:
        last = (complaint.strip().splitlines() or ["no message"])[-1]
        return Torch({"torch": f"the import ended the process with status {process.returncode}: {last}"})
    seen: dict[str, Any] = json.loads(output.splitlines()[-1])
    return Torch(seen["errors"], tuple(seen.get("gpus", ())), seen.get("threads", 0))


def check_training(probe: TorchProbe) -> Iterator[Finding]:
    """Whether what `atypica train` imports can be imported."""
    seen = probe.result()
    if seen is None:
        return
    versions = f"torch {installed('torch')}, torchvision {installed('torchvision') or 'not installed'}"
    if not seen.errors:
        yield Finding("PyTorch", Status.PASS, f"{versions}: imported, {seen.threads} threads")
        return
    module, error = next(iter(seen.errors.items()))
    yield Finding("PyTorch", Status.FAIL, f"{versions}: import {module} fails ({error})", _fix(error))


def _fix(error: str) -> str:
    if UNFIT in error:
        return "this torchvision does not fit this torch: pip install --upgrade 'torch!=2.13.*' torchvision"
    return "pip install --upgrade --force-reinstall 'atypica[train]'"
