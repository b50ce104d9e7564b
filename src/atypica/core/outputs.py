"""The files of a run in its output folder, so that the next run there leaves none of an earlier one behind."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, cast

from atypica.core.files import sha256_file, write_json

RECORD = ".atypica-outputs.json"
VERSION = 1


class OutputFolder:
    """Knows which files atypica wrote into a folder, by name and content, in a file `RECORD` there.

    Only such files are ever removed, and only while they are as atypica wrote them.

    Args:
        folder: of the results.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._earlier = _read(folder / RECORD)
        self._written: dict[str, str] = {}

    def add(self, files: Iterable[Path]) -> None:
        """Note files of this run, in the folder or below it. A run that is killed later has them noted already.

        Raises:
            OutputError: the record cannot be written.
        """
        for file in files:
            self._written[file.relative_to(self._folder).as_posix()] = sha256_file(file)
        write_json(self._folder / RECORD, {"version": VERSION, "files": self._earlier | self._written})

    def remove_earlier(self) -> list[Path]:
        """Remove what earlier runs wrote and this one did not; to be called when all is written.

        Returns:
            Those that were changed since, by somebody else, and therefore stay.

        Raises:
            OutputError: the record cannot be written.
        """
        stale = {name: checksum for name, checksum in self._earlier.items() if name not in self._written}
        changed = [path for name, checksum in stale.items() if (path := _left(self._folder, name, checksum))]
        self._earlier = {}
        self.add(())
        return changed


def _left(folder: Path, name: str, checksum: str) -> Path | None:
    """Remove a file that is as it was written; gives its path where it was changed."""
    path = folder / name
    if not _is_own_place(folder, name) or not path.is_file():
        return None
    with suppress(OSError):
        if sha256_file(path) != checksum:
            return path
        path.unlink()
        if path.parent != folder:
            path.parent.rmdir()  # fails, as it should, where anything else is in it
    return None


def _is_own_place(folder: Path, name: str) -> bool:
    """Whether a name stays in the folder, through no link."""
    parts = PurePosixPath(name).parts
    if not parts or PurePosixPath(name).is_absolute() or ".." in parts:
        return False
    places = [folder.joinpath(*parts[:count]) for count in range(1, len(parts) + 1)]
    return not any(place.is_symlink() for place in places)


def _read(record: Path) -> dict[str, str]:
    """Names and checksums; nothing where there is no record, or a damaged one."""
    try:
        found: Any = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    files = cast("dict[str, Any]", found).get("files") if isinstance(found, dict) else None
    if not isinstance(files, dict):
        return {}
    named = cast("dict[str, Any]", files)
    return {name: checksum for name, checksum in named.items() if isinstance(checksum, str)}
