"""Zip archives from strangers, unpacked under limits."""

from __future__ import annotations

import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from atypica.apps.web.serve.refused import RefusedError

MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
MAX_RATIO = 200
"""A member may grow to this many times its packed size (crops hardly shrink at all), or to `FREE_BYTES`."""
FREE_BYTES = 1 << 20
PIECE = 1 << 18
KNOWN_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
ENCRYPTED = 0x1
ENTRY_BYTES = 512
"""Of the archive's directory, for each figure allowed: what zipfile reads of it at once is bounded by that."""
END, END64 = b"PK\x05\x06", b"PK\x06\x07"
TAIL = 66_000
"""The end record, with the longest comment, lies in the last so many bytes."""
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError, OSError)


class Unpacked(NamedTuple):
    """A member of an archive: its path in it, and where it lies now."""

    name: str
    file: Path


def is_zip(header: bytes) -> bool:
    """Whether a file that starts with `header` is a zip archive."""
    return header.startswith(MAGIC)


def unpack_zip(archive: Path, target: Path, most_files: int, most_bytes: int) -> tuple[list[Unpacked], int]:
    """Unpack every file of an archive as `target/<number>/<its name>`, in the archive's order.

    No member chooses where it is written. An archive within the archive is a file like any other. Hidden files and
    those of `__MACOSX` are left out, and counted.

    Args:
        archive: the file.
        target: an existing folder.
        most_files: more are refused.
        most_bytes: of all files together; more are refused.

    Returns:
        The files, and how many were left out.

    Raises:
        RefusedError: damaged, encrypted, packed in a rare way, too much in it, a path that leads elsewhere, or a link.
    """
    _check_directory(archive, most_files)
    try:
        with zipfile.ZipFile(archive) as file:
            members = [_checked(info) for info in file.infolist() if not info.is_dir()]
            shown = [info for info in members if not _hidden(info.filename)]
            _check_growth(shown, most_files, most_bytes)
            return list(_write_all(file, shown, target, most_bytes)), len(members) - len(shown)
    except DAMAGE as error:
        raise RefusedError(422, f"the zip archive cannot be unpacked: {_reason(error)}", "pack it again") from error


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) and not isinstance(error, OSError) else type(error).__name__


def _check_directory(archive: Path, most_files: int) -> None:
    """Refuse an archive whose directory alone would fill the memory; zip64 has no use below 4 GB."""
    with archive.open("rb") as handle:
        handle.seek(max(0, archive.stat().st_size - TAIL))
        tail = handle.read()
    at = tail.rfind(END)
    if at < 0:
        raise RefusedError(422, "the zip archive cannot be unpacked: it was cut off", "send it again")
    size = int.from_bytes(tail[at + 12 : at + 16], "little")
    if tail[max(0, at - 20) : at].startswith(END64) or size > ENTRY_BYTES * (most_files + 100):
        raise _too_much(most_files)


def _checked(info: zipfile.ZipInfo) -> zipfile.ZipInfo:
    path = PurePosixPath(info.filename)
    tricky = path.is_absolute() or ".." in path.parts or re.search(r"[\\:\x00-\x1f]", info.orig_filename)
    mode = info.external_attr >> 16
    if tricky or (mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode)):
        raise RefusedError(422, "the zip archive holds a link, or a path that leads elsewhere", "pack plain files only")
    if info.flag_bits & ENCRYPTED:
        raise RefusedError(422, "the zip archive is encrypted", "pack it without a password")
    if info.compress_type not in KNOWN_METHODS:
        raise RefusedError(
            422, "the zip archive is packed in a rare way", "pack it with deflate, or without compression"
        )
    if info.file_size > max(FREE_BYTES, MAX_RATIO * info.compress_size):
        raise RefusedError(
            413, f"a file of the zip archive grows to more than {MAX_RATIO} times its size", "send images"
        )
    return info


def _hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def _check_growth(members: list[zipfile.ZipInfo], most_files: int, most_bytes: int) -> None:
    if len(members) > most_files:
        raise _too_much(most_files)
    if sum(info.file_size for info in members) > most_bytes:
        raise _too_large(most_bytes)


def _write_all(file: zipfile.ZipFile, members: list[zipfile.ZipInfo], target: Path, left: int) -> Iterator[Unpacked]:
    most = left
    for number, info in enumerate(members):
        place = place_for(target, number, info.filename)
        with file.open(info) as source, place.open("xb") as handle:
            while piece := source.read(PIECE):
                left -= len(piece)
                if left < 0:  # the stated size is not trusted
                    raise _too_large(most)
                handle.write(piece)
        yield Unpacked(info.filename, place)


def place_for(target: Path, number: int, name: str) -> Path:
    """A new file's path `target/<number>/<the last part of name>`, of harmless characters; its folder is made."""
    folder = target / str(number)
    folder.mkdir()
    plain = re.sub(r"[^\w.\- ]", "_", re.split(r"[\\/]", name)[-1])[-80:].strip(". ")
    return folder / (plain or "image")


def _too_much(most_files: int) -> RefusedError:
    return RefusedError(413, f"the zip archive holds more than {most_files:,} files", "send it in parts")


def _too_large(most_bytes: int) -> RefusedError:
    return RefusedError(413, f"the zip archive unpacks to more than {most_bytes >> 20} MiB", "send it in parts")
