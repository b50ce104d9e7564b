"""Files written whole or not at all, and checksums."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from atypica.core.errors import OutputError

_NO_ROOM = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
}


@contextmanager
def atomic_path(target: Path) -> Generator[Path]:
    """Yield a temporary path beside `target`; on success it becomes `target`, on any error it is removed.

    Works for a file or a folder that the caller creates under the yielded path. A folder replaces the old one. What
    a kill left of the exchange of two folders is put right first.

    Raises:
        OutputError: the disk is full, or the place is not writable.
    """
    # The suffix stays, because libraries choose a format by it.
    temporary = target.with_name(f".{target.stem}.{uuid.uuid4().hex[:8]}{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _recover(target)
        yield temporary
        _replace(temporary, target)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise OutputError(
                f"cannot write {target}: {error.strerror}", "free some space or choose another --out"
            ) from error
        raise
    finally:
        _remove(temporary)


def _replace(temporary: Path, target: Path) -> None:
    if temporary.is_dir():
        _replace_folder(temporary, target)
        return
    with temporary.open("rb") as handle:
        os.fsync(handle.fileno())
    temporary.replace(target)


def _replace_folder(temporary: Path, target: Path) -> None:
    """A folder cannot be replaced in one step; the old one is kept, hidden, until the new one has its place."""
    old = _aside(target)
    moved = target.is_dir()
    if moved:
        _remove(old)
        target.rename(old)
    try:
        temporary.rename(target)
    except OSError:
        if moved:
            old.rename(target)
        raise
    _remove(old)


def _aside(target: Path) -> Path:
    """Where an old folder stays until the new one has its place."""
    return target.with_name(f".{target.name}.old")


def _recover(target: Path) -> None:
    """After a kill amid an exchange: the old folder goes back where there is no new one, else away."""
    old = _aside(target)
    if not old.is_dir():
        return
    if target.exists():
        _remove(old)
    else:
        old.rename(target)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        # Where not even the folder could be made, there is nothing to remove.
        with suppress(OSError):
            path.unlink(missing_ok=True)


def write_text(target: Path, text: str) -> None:
    """Write `text` (UTF-8) to `target`, whole or not at all."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(target: Path, value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all. NaN is refused: write None for what is undefined."""
    write_text(target, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def sha256_bytes(data: bytes) -> str:
    """The SHA-256 of `data`, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal; reads in pieces."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
