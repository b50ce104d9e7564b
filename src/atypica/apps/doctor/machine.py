"""Cores, threads and GPU."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from atypica.apps.doctor.finding import Finding, Status
from atypica.apps.doctor.training import TorchProbe

CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
LIMITS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
CUDA = "CUDAExecutionProvider"


def check_cores() -> Iterator[Finding]:
    """The cores that may be used, and what else limits the threads."""
    from atypica.core.machine import default_threads

    threads, quota = default_threads(), cpu_quota(CPU_QUOTA)
    told = f"{threads} of {os.cpu_count()} may be used; 'atypica classify' takes a thread for each"
    if quota is not None and quota < threads:
        limit = max(1, round(quota))
        yield Finding("cores", Status.WARN, f"{told}, but the container has {quota:g}", f"give --threads {limit}")
    else:
        yield Finding("cores", Status.PASS, told)
    yield _limits(threads)


def cpu_quota(path: Path) -> float | None:
    """The cores that a container may use (cgroup v2's `cpu.max`); None for no limit."""
    try:
        quota, period = path.read_text(encoding="ascii").split()
        return int(quota) / int(period)
    except (OSError, ValueError):
        return None


def _limits(threads: int) -> Finding:
    given = {name: value for name in LIMITS if (value := os.environ.get(name))}
    if not given:
        return Finding("thread settings", Status.PASS, f"none of {', '.join(LIMITS)} is set")
    told = ", ".join(f"{name}={value}" for name, value in given.items())
    low = any(value.isdigit() and int(value) < threads for value in given.values())
    if not low or not find_spec("torch"):
        return Finding("thread settings", Status.PASS, told)
    message = f"{told} limits 'atypica train' (not 'atypica classify')"
    return Finding("thread settings", Status.WARN, message, f"unset {' '.join(given)} before training")


def check_gpu(probe: TorchProbe) -> Iterator[Finding]:
    """What could train on a GPU; typing figures needs none."""
    import onnxruntime

    seen, card = probe.result(), shutil.which("nvidia-smi") is not None
    providers: list[str] = onnxruntime.get_available_providers()
    typing = "figures can be typed on it (ATYPICA_DEVICE=cuda)" if CUDA in providers else "figures are typed on the CPU"
    if seen and seen.gpus:
        yield Finding("GPU", Status.PASS, f"{', '.join(seen.gpus)} for training; {typing}")
    elif card and seen:
        fix = "install the CUDA build of torch, and look at nvidia-smi"
        yield Finding("GPU", Status.WARN, f"nvidia-smi is here, but torch sees no GPU; {typing}", fix)
    else:
        yield Finding("GPU", Status.PASS, f"none for training; {typing}")
