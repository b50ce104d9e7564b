"""On how many devices a training runs, and what its processes share."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import torch
import torch.distributed as dist

from atypica.core.errors import SettingsError

T = TypeVar("T")
_MEMORY = Path("/proc/meminfo")


@dataclass(frozen=True)
class Hardware:
    """What Lightning is told.

    Attributes:
        devices: how many; "auto" for all.
        strategy: Lightning's name (`ddp`). Each process starts the same command again and takes its share of every
            batch; the first alone writes.

    Raises:
        SettingsError: no such number, or a strategy whose processes give nothing back but weights.
    """

    devices: int | str = 1
    strategy: str = "auto"

    def __post_init__(self) -> None:
        if self.devices != "auto" and not (isinstance(self.devices, int) and self.devices > 0):
            raise SettingsError(f"--devices {self.devices} is no number of devices", "give 1 or more, or 'auto'")
        if any(word in self.strategy for word in ("spawn", "fork", "notebook")):
            raise SettingsError(
                f"--strategy {self.strategy} loses what a training keeps beside its weights", "take --strategy ddp"
            )


ONE_DEVICE = Hardware()


def place() -> tuple[int, int]:
    """Which of how many processes this is: (0, 1) for one alone."""
    return (dist.get_rank(), dist.get_world_size()) if _several() else (0, 1)


def is_first() -> bool:
    """Whether this process writes and speaks; known of one that was started for others before they have met."""
    if _several():
        return dist.get_rank() == 0
    ranks = [os.environ.get(name, "0") for name in ("RANK", "LOCAL_RANK", "NODE_RANK")]
    return set(ranks) == {"0"}


def wait() -> None:
    """Until all processes are here."""
    if _several():
        dist.barrier()


def of_first(value: T) -> T:
    """What the first process has, in all."""
    if not _several():
        return value
    box: list[T | None] = [value]
    dist.broadcast_object_list(box, src=0)
    return cast(T, box[0])


def free_memory() -> int | None:
    """Bytes that are free on the accelerator, or without one in this machine; None where that is not said."""
    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0])
    if torch.accelerator.is_available() or not _MEMORY.is_file():
        return None
    lines = dict(line.split(":", 1) for line in _MEMORY.read_text(encoding="ascii").splitlines() if ":" in line)
    return int(lines["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in lines else None


def _several() -> bool:
    return dist.is_available() and dist.is_initialized()


def precision_here(asked: str) -> str:
    """Lightning's name of a precision; mixed ones need an accelerator, a processor computes in float32."""
    return "32-true" if asked.endswith("-mixed") and not torch.accelerator.is_available() else asked
