"""Tar files of images, read where their members lie; nothing of them is ever unpacked."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import PurePosixPath
from typing import IO, Any, NamedTuple

import pandas as pd

from atypica.core.errors import FigureError, SourceError
from atypica.data.shards.shard import COLUMNS, MOST_BYTES, Rows, ShardFile, Span
from atypica.data.sources.image import IMAGE_SUFFIXES

MOST_JSON = 2**20


class Member(NamedTuple):
    """What lies in a tar file as a figure: the image, and the JSON that gives its columns."""

    offset: int
    """Where the first header of the two begins."""
    image: tarfile.TarInfo
    columns: tarfile.TarInfo | None


@dataclass(frozen=True)
class TarShard(ShardFile):
    """An uncompressed tar file of images, a figure each.

    Beside an image may stand a `.json` of the same stem: an object with columns of the figure table, as WebDataset has
    it. Members of other kinds are passed over.
    """

    def spans(self, size: int) -> Iterator[Span]:
        """See `Shard.spans`."""
        start = 0
        with self._open() as file:
            members = self._members(file, 0)
            while some := [member.offset for member in islice(members, size)]:
                yield Span(start, start + len(some), some[0])
                start += len(some)

    def read(self, span: Span, step: int) -> Iterator[Rows]:
        """See `Shard.read`."""
        with self._open() as file:
            members = list(islice(self._members(file, span.offset), span.stop - span.start))
            if len(members) < span.stop - span.start:
                raise SourceError(f"{self.name} was changed since it was opened", "give the same command again")
            for start in range(0, len(members), step):
                yield self._rows(file, members[start : start + step])

    def _open(self) -> IO[bytes]:
        try:
            return self.path.open("rb")
        except OSError as error:
            raise self.unreadable(error) from error

    def _members(self, file: IO[bytes], offset: int) -> Iterator[Member]:
        """The figures from a header on, one at a time; files of one stem stand together."""
        try:
            for _, together in groupby(_headers(file, offset), key=_stem):
                several = list(together)
                columns = next((info for info in several if _suffix(info) == ".json"), None)
                images = [info for info in several if _suffix(info) in IMAGE_SUFFIXES]
                for number, image in enumerate(images):
                    yield Member((image if number else several[0]).offset, image, columns)
        except (tarfile.TarError, OSError, EOFError, ValueError) as error:
            raise self.unreadable(error) from error

    def _rows(self, file: IO[bytes], members: list[Member]) -> Rows:
        places = [f"{self.name}/{member.image.name}" for member in members]
        columns: list[dict[str, Any]] = []
        images: list[bytes | FigureError] = []
        for member, place in zip(members, places, strict=True):
            try:
                columns.append(_columns(file, member, place))
                images.append(_bytes(file, member.image, place, MOST_BYTES))
            except FigureError as error:
                columns.extend([{}] if len(columns) == len(images) else [])
                images.append(error)
        table = pd.DataFrame(columns, range(len(members)))
        return Rows(self.figures(table, places), images)


def _headers(file: IO[bytes], offset: int) -> Iterator[tarfile.TarInfo]:
    """All members from a header on. None is kept: a tar file may have millions."""
    file.seek(offset)
    # Not 'with': closing would read on to the end.
    archive = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115
    while (info := archive.next()) is not None:
        archive.members.clear()  # pyright: ignore[reportAttributeAccessIssue]
        if archive.offset <= info.offset:
            raise tarfile.ReadError(f"a header says that {info.name} has no end")
        yield info
    # A damaged header is to tarfile the end of the archive.
    file.seek(archive.offset)  # pyright: ignore[reportAttributeAccessIssue]
    if any(file.read(tarfile.BLOCKSIZE)):
        raise tarfile.ReadError(f"no header where there should be one, at byte {archive.offset:,}")  # pyright: ignore[reportAttributeAccessIssue]


def _stem(info: tarfile.TarInfo) -> str:
    return info.name.rpartition(".")[0]


def _suffix(info: tarfile.TarInfo) -> str:
    """Of a file's name; "" for a folder, and for what file managers hide beside an image."""
    path = PurePosixPath(info.name)
    return "" if info.isdir() or path.name.startswith(".") else path.suffix.lower()


def _columns(file: IO[bytes], member: Member, place: str) -> dict[str, Any]:
    """Columns of the figure table from the JSON beside an image; others in it are of no use here."""
    if member.columns is None:
        return {}
    try:
        found: Any = json.loads(_bytes(file, member.columns, f"the .json of {place}", MOST_JSON))
    except (ValueError, RecursionError) as error:
        raise FigureError(f"the .json of {place} is no JSON: {error}", "mend or remove it") from error
    if not isinstance(found, dict):
        raise FigureError(f"the .json of {place} is no JSON object", "mend or remove it")
    known = {name: found[name] for name in COLUMNS if name in found}
    if any(isinstance(value, (dict, list)) for value in known.values()):
        raise FigureError(f"the .json of {place} has a list where a text or number belongs", "mend it")
    return known


def _bytes(file: IO[bytes], info: tarfile.TarInfo, place: str, most: int) -> bytes:
    path = PurePosixPath(info.name)
    if not info.isfile() or info.sparse is not None:
        raise FigureError(f"{place} is a link or no plain file", "pack the file itself")
    if path.is_absolute() or ".." in path.parts:
        raise FigureError(f"{place} has a path that leads out of the archive", "do not trust this archive")
    if info.size > most:
        raise FigureError(f"{place} is a file of {info.size:,} bytes, more than {most:,}", "pack crops")
    file.seek(info.offset_data)
    return file.read(info.size)
