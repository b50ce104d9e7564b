"""The files below a folder, in one order on every machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from atypica.core.errors import SourceError

NOT_HIDDEN = re.compile(r"[^.]")
MACHINE_FILES = {"thumbs.db", "desktop.ini", "__macosx"}
"""What file managers leave behind; never shown and never counted."""
SHOWN = 3


def walk(folder: Path) -> list[str]:
    """The paths of all files below `folder`, relative to it, with forward slashes.

    Hidden files and folders are left out. Links are followed, each folder once. Names are ordered as people count:
    `9.png` before `10.png`.

    Raises:
        SourceError: a name is not UTF-8, so that no table could hold it.
    """
    paths = list(_walk(folder, "", {os.path.realpath(folder)}))
    if bad := [path for path in paths if not _is_text(path)]:
        names = ", ".join(os.fsencode(path).decode("utf-8", "backslashreplace") for path in bad[:SHOWN])
        more = ", ..." if len(bad) > SHOWN else ""
        raise SourceError(f"{folder} has {len(bad)} file names that are not UTF-8: {names}{more}", "rename them")
    return paths


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _walk(folder: Path, prefix: str, seen: set[str]) -> Iterator[str]:
    entries = sorted(os.scandir(folder), key=lambda entry: counting_order(entry.name))
    for entry in entries:
        if not NOT_HIDDEN.match(entry.name) or entry.name.lower() in MACHINE_FILES:
            continue
        path = f"{prefix}{entry.name}"
        if not entry.is_dir():
            yield path
            continue
        real = os.path.realpath(entry.path)
        if real not in seen:
            yield from _walk(Path(entry.path), f"{path}/", seen | {real})


def counting_order(name: str) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts numbers in names by their value and letters without regard to case."""
    parts = re.split(r"(\d+)", name.lower())
    return (*((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part), (2, 0, name))
