"""The figures of a request: its files, archives and stacks, on disk under limits."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, NamedTuple, TypeVar

import pandas as pd
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from atypica.apps.grand_challenge.page_chain import page_chain
from atypica.apps.web.serve.limits import Limits
from atypica.apps.web.serve.refused import RefusedError
from atypica.apps.web.serve.zips import is_zip, place_for, unpack_zip
from atypica.core.errors import FigureError, SourceError
from atypica.data.figures import Figures
from atypica.data.readers import is_tiff, read_header
from atypica.data.stack import Stack
from atypica.inference.crops import FileCrops

Done = TypeVar("Done")
MULTIPART = "multipart/form-data"
RAW = (
    "application/zip",
    "application/octet-stream",
    "image/bmp",
    "image/gif",
    "image/jp2",
    "image/jpeg",
    "image/png",
    "image/tiff",
    "image/webp",
)
"""What a body may be that is one file itself; its content tells the kind, not this type."""
BODY = "body"
"""What a body that is one file itself is called in the answer."""


class Source(NamedTuple):
    """A file of an upload: what the sender calls it, and where it lies."""

    name: str
    file: Path


class Place(NamedTuple):
    """One figure of an upload: the name of its file, its page in a stack (from 0), and where the file lies."""

    name: str
    page: int | None
    file: Path


@dataclass(frozen=True)
class Upload:
    """The figures of a request, readable as long as it lasts.

    Attributes:
        places: where each came from, in order.
        crops: their pixels.
        figures: their table.
        notes: what was left out or is damaged, as sentences.
    """

    places: list[Place]
    crops: FileCrops
    figures: Figures
    notes: list[str]


@asynccontextmanager
async def receive_upload(request: Request, limits: Limits) -> AsyncGenerator[Upload]:
    """Take a request's body in and find its figures; all is removed at the end.

    Raises:
        RefusedError: no figures, too many of them, an archive that is not to be trusted, or a body of another kind.
    """
    folder = await _in_thread(partial(TemporaryDirectory, prefix="atypica-", ignore_cleanup_errors=True))
    try:
        root = Path(folder.name)
        sources = await _receive(request, root, limits)
        upload = await _in_thread(partial(_open, sources, root, limits))
        try:
            yield upload
        finally:
            upload.crops.close()
    finally:
        await _in_thread(folder.cleanup)


async def _in_thread(work: Callable[[], Done]) -> Done:
    """`work` on a thread. Where the request is given up meanwhile, its end is awaited first, so that no file appears
    after the folder was removed.
    """
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def _receive(request: Request, root: Path, limits: Limits) -> list[Source]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == MULTIPART:
        return await _receive_form(request, root, limits)
    if kind not in RAW:
        raise RefusedError(
            415, f"a body of type '{kind}' is not taken", f"send {MULTIPART} with files, or {', '.join(RAW)}"
        )
    place = place_for(root, 0, BODY)
    with place.open("xb") as handle:
        async for piece in request.stream():
            handle.write(piece)
    return [Source(BODY, place)] if place.stat().st_size else []


async def _receive_form(request: Request, root: Path, limits: Limits) -> list[Source]:
    try:
        form = await request.form(max_files=limits.figures, max_fields=0)
    except HTTPException as error:  # what Starlette makes of a form that cannot be parsed
        many = "Too many files" in error.detail
        fix = _parts(limits) if many else "send one or more files, and nothing else"
        raise RefusedError(413 if many else 400, error.detail, fix) from error
    try:
        files = [part for _, part in form.multi_items() if isinstance(part, UploadFile)]
        return await _in_thread(partial(_store, files, root))
    finally:
        await form.close()


def _store(files: Sequence[UploadFile], root: Path) -> list[Source]:
    return [
        _copy(part.file, place_for(root, number, part.filename or ""), part.filename or f"file {number + 1}")
        for number, part in enumerate(files)
    ]


def _copy(content: BinaryIO, place: Path, name: str) -> Source:
    with place.open("xb") as handle:
        shutil.copyfileobj(content, handle)
    return Source(name, place)


def _open(sources: Sequence[Source], root: Path, limits: Limits) -> Upload:
    """Find the figures in the files; stacks and archives give more than one."""
    notes: list[str] = []
    places = [place for source in _unpacked(sources, root, limits, notes) for place in _pages(source, limits, notes)]
    if not places:
        raise RefusedError(
            422, "there are no figures in the request", "send one or more images, a zip, or a TIFF stack"
        )
    if len(places) > limits.figures:
        raise RefusedError(413, f"the request has more than {limits.figures:,} figures", _parts(limits))
    table = pd.DataFrame(
        {"image": [str(place.file.relative_to(root)) for place in places], "page": [place.page for place in places]},
    ).astype({"page": float})
    figures = Figures(table, root, "the request")
    return Upload(places, FileCrops(figures, limits.pixels), figures, notes)


def _parts(limits: Limits) -> str:
    return f"send at most {limits.figures:,} figures at once"


def _unpacked(sources: Sequence[Source], root: Path, limits: Limits, notes: list[str]) -> list[Source]:
    found: list[Source] = []
    left = limits.upload_bytes
    for source in sources:
        if not is_zip(_header(source)):
            found.append(source)
            continue
        target = source.file.parent / "unpacked"
        target.mkdir()
        members, hidden = unpack_zip(source.file, target, limits.figures, left)
        left -= sum(member.file.stat().st_size for member in members)
        found.extend(Source(member.name, member.file) for member in members)
        notes.extend([f"{source.name}: {hidden} hidden files were left out"] if hidden else [])
    return found


def _header(source: Source) -> bytes:
    try:
        return read_header(source.file)
    except FigureError:  # an empty file is told when it is read
        return b""


def _pages(source: Source, limits: Limits, notes: list[str]) -> list[Place]:
    """One figure, or one for each page of a stack. A broken file is a figure too, and fails when it is read."""
    single = [Place(source.name, None, source.file)]
    if not is_tiff(_header(source)):
        return single
    try:
        chain = page_chain(source.file)
        if chain.pages > limits.figures:
            raise RefusedError(413, f"a TIFF has more than {limits.figures:,} pages", _parts(limits))
        with Stack(source.file) as stack:
            pages = len(stack)
    except SourceError as error:
        raise RefusedError(413, "a TIFF has too many pages", _parts(limits)) from error
    except FigureError:
        return single
    if pages and not chain.whole:
        notes.append(f"{source.name} is damaged after {pages} pages; what followed is lost")
    return single if pages < 2 else [Place(source.name, page, source.file) for page in range(pages)]
