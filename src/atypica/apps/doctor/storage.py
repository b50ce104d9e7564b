"""Folders that must be writable, and the room on their disks."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from atypica.apps.doctor.finding import Finding, Status

LITTLE_BYTES = 2_000_000_000
"""Below this a training or a download is likely to stop."""
NOTHING_BYTES = 50_000_000
"""Below this even a report may not fit."""


def check_storage() -> Iterator[Finding]:
    """The temporary folder, the folder of datasets, and this one."""
    from atypica.data.sources import data_home

    yield _writable("temporary folder", Path(tempfile.gettempdir()), Status.FAIL, "set TMPDIR to a writable folder")
    yield _writable("data folder", nearest(data_home()), Status.WARN, "set ATYPICA_DATA to a writable folder to fetch")
    yield _writable("this folder", Path.cwd(), Status.WARN, "give --out a folder that you may write to")


def nearest(folder: Path) -> Path:
    """The folder itself, or the nearest above it that exists."""
    return next(place for place in (folder, *folder.resolve().parents) if place.is_dir())


def _writable(name: str, folder: Path, otherwise: Status, fix: str) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=folder) as handle:
            handle.write(b"atypica")
    except OSError as error:
        return Finding(name, otherwise, f"{folder} cannot be written to: {error.strerror}", fix)
    return _room(name, folder)


def _room(name: str, folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    told = f"{folder} is writable, {free / 1e9:.1f} GB free"
    if free < LITTLE_BYTES:
        status = Status.FAIL if free < NOTHING_BYTES else Status.WARN
        return Finding(name, status, told, "free some space")
    return Finding(name, Status.PASS, told)
