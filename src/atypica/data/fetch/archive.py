"""Archives unpacked without trusting them."""

from __future__ import annotations

import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from atypica.core.errors import DownloadError
from atypica.core.progress import track

MAX_BYTES = 50_000_000_000
MAX_RATIO = 200
"""An archive may grow to this many times its size (crops hardly shrink at all), or to `FREE_BYTES`."""
FREE_BYTES = 100_000_000
MAX_FILES = 1_000_000
PIECE = 1 << 20

DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,
    NotImplementedError,
)
"""What the readers raise for archives that are broken, encrypted, or packed in a way they do not know."""

Wanted = Callable[[PurePosixPath], PurePosixPath | None]
"""Where a member of an archive goes, relative to the target folder; None leaves it out."""


@dataclass(frozen=True)
class Member:
    """One file in an archive: its path, its stated size, and how to open it."""

    path: PurePosixPath
    size: int
    open: Callable[[], IO[bytes]]


def is_archive(path: Path) -> bool:
    """Whether a file is a zip or tar archive, by its content."""
    return zipfile.is_zipfile(path) or tarfile.is_tarfile(path)


def unpack(archive: Path, target: Path, wanted: Wanted) -> int:
    """Unpack files of a zip or tar archive below `target`, links and hidden files left out.

    Args:
        archive: the file.
        target: an existing folder.
        wanted: where each member goes.

    Returns:
        how many files were written.

    Raises:
        DownloadError: it is no archive or damaged, a path leads outside `target`, or it grows beyond all measure.
    """
    limit = min(MAX_BYTES, max(FREE_BYTES, MAX_RATIO * archive.stat().st_size))
    try:
        with _opened(archive) as members:
            return _write_all(archive, members, target, wanted, limit)
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DownloadError(
            f"{archive.name} is damaged or cannot be unpacked: {error}", "remove it and fetch it again"
        ) from error


def _write_all(
    archive: Path,
    members: list[Member],
    target: Path,
    wanted: Wanted,
    limit: int,
) -> int:
    places = [(member, place) for member in members if (place := _place(archive, member, wanted))]
    _check_growth(archive, sum(member.size for member, _ in places), len(places), limit)
    left = limit
    for member, place in track(places, f"unpacking {archive.name}", len(places)):
        path = target / place
        path.parent.mkdir(parents=True, exist_ok=True)
        left -= _write(archive, member, path, left)
    return len(places)


def _place(archive: Path, member: Member, wanted: Wanted) -> PurePosixPath | None:
    parts = member.path.parts
    if member.path.is_absolute() or ".." in parts or any("\\" in part or ":" in part for part in parts):
        raise DownloadError(f"{archive.name} holds the unsafe path {member.path}", "do not use this archive")
    if any(part.startswith(".") or part == "__MACOSX" for part in parts):
        return None
    return wanted(member.path)


def _write(archive: Path, member: Member, path: Path, left: int) -> int:
    """Write one member; the stated size is not trusted."""
    written = 0
    with member.open() as source, path.open("wb") as handle:
        while piece := source.read(PIECE):
            written += len(piece)
            _check_growth(archive, written, 1, left)
            handle.write(piece)
    return written


def _check_growth(archive: Path, size: int, files: int, limit: int) -> None:
    if size > limit or files > MAX_FILES:
        raise DownloadError(
            f"{archive.name} unpacks to more than {limit / 1e9:.1f} GB or {MAX_FILES:,} files",
            "do not use this archive, or unpack it by hand",
        )


@contextmanager
def _opened(archive: Path) -> Generator[list[Member]]:
    """The files in an archive, to be read while it is open."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            yield list(_zip_members(file))
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as file:
            yield list(_tar_members(file))
    else:
        raise DownloadError(f"{archive.name} is no zip or tar archive", "remove it and fetch it again")


def _zip_members(file: zipfile.ZipFile) -> Iterator[Member]:
    for info in file.infolist():
        if not info.is_dir() and not stat.S_ISLNK(info.external_attr >> 16):
            yield Member(PurePosixPath(info.filename), info.file_size, lambda info=info: file.open(info))


def _tar_members(file: tarfile.TarFile) -> Iterator[Member]:
    for info in file:
        if info.isfile():
            yield Member(PurePosixPath(info.name), info.size, lambda info=info: cast(IO[bytes], file.extractfile(info)))
