"""How many pages a TIFF has, and whether it is whole: a file that was cut off looks like a shorter one."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import tifffile

from atypica.core.errors import SourceError
from atypica.data.readers import is_tiff, read_header

MOST_PAGES = 100_000


class PageChain(NamedTuple):
    """The pages that can be reached, and whether the last of them says that it is the last."""

    pages: int
    whole: bool


class _Layout(NamedTuple):
    """How a directory of tags is written: the format of its count, the bytes of a tag, the format of an offset."""

    number: str
    tag: int
    offset: str


def count_pages(path: Path) -> int:
    """The pages of a TIFF as it was written, those that a damaged file has lost among them.

    A cut file that was written by tifffile still says how many pages it had. Another one does not: answers of a
    guessed length would be worth nothing.

    Raises:
        SourceError: no TIFF, no pages, more than `MOST_PAGES`, or cut off without saying how many pages it had.
    """
    if not is_tiff(read_header(path)):
        raise SourceError(f"{path.name} is not a TIFF", "save the stack as a TIFF of one page a figure")
    chain = page_chain(path)
    if chain.whole and not chain.pages:
        raise SourceError(f"{path.name} has no pages", "give a stack of at least one figure")
    if chain.whole:
        return chain.pages
    written = _written(path)
    if not chain.pages <= written <= MOST_PAGES or not written:
        raise SourceError(
            f"{path.name} is damaged after {chain.pages} pages and does not say how many it had", "copy the file again"
        )
    return written


def page_chain(path: Path) -> PageChain:
    """Follow the chain of a TIFF's pages without decoding any (TIFF 6.0, section 2; BigTIFF).

    Raises:
        SourceError: more than `MOST_PAGES`.
    """
    with path.open("rb") as handle:
        header = handle.read(16)
        order = "<" if header.startswith(b"II") else ">"
        big = header[2:4] in {b"+\0", b"\0+"}
        layout = _Layout("Q", 20, "Q") if big else _Layout("H", 12, "I")
        handle.seek(8 if big else 4)
        offset = _number(handle, order + layout.offset)
        seen: set[int] = set()
        while offset:
            following = _next(handle, order, layout, offset)
            if following is None or offset in seen:
                return PageChain(len(seen), False)
            seen.add(offset)
            if len(seen) > MOST_PAGES:
                raise SourceError(f"{path.name} has more than {MOST_PAGES:,} pages", "split the stack")
            offset = following
    return PageChain(len(seen), offset is not None)


def _next(handle: BinaryIO, order: str, layout: _Layout, offset: int) -> int | None:
    """Where the page after the one at `offset` lies, 0 after the last, None where the file ends before that."""
    try:
        handle.seek(offset)
        tags = _number(handle, order + layout.number)
        if tags is None:
            return None
        handle.seek(tags * layout.tag, 1)
        return _number(handle, order + layout.offset)
    except (OSError, OverflowError, ValueError):  # an offset beyond what a file can have
        return None


def _number(handle: BinaryIO, form: str) -> int | None:
    size = struct.calcsize(form)
    data = handle.read(size)
    return int(struct.unpack(form, data)[0]) if len(data) == size else None


def _written(path: Path) -> int:
    """The number of pages that tifffile noted in the first one; 0 where there is no such note."""
    try:
        with tifffile.TiffFile(path) as file:
            note = json.loads(cast("tifffile.TiffPage", file.pages[0]).description)
        shape = note["shape"]
        return int(shape[0]) if len(shape) == 4 else 0
    except Exception:  # a broken TIFF fails in many ways, and its note may be anything
        return 0
