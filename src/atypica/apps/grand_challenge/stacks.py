"""The stacks of an input folder as a figure table, in the order in which the answers are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from atypica.apps.grand_challenge.interface import STACK, Socket, read_sockets
from atypica.apps.grand_challenge.page_chain import count_pages
from atypica.core.errors import FigureError, SourceError
from atypica.data.figures import Figures, figures_from

SUFFIXES = {".tif", ".tiff"}


def open_input(folder: Path) -> Figures:
    """One figure a page of the stack that `inputs.json` announces.

    Raises:
        SourceError: `inputs.json` or the stack is missing, of another kind, empty or cut off.
    """
    files, notes = stack_files(folder, read_sockets(folder))
    rows = [(str(path.relative_to(folder)), page) for path in files for page in range(_pages(path))]
    return figures_from(pd.DataFrame(rows, columns=["image", "page"]), folder, STACK, notes)


def stack_files(folder: Path, sockets: Sequence[Socket]) -> tuple[list[Path], tuple[str, ...]]:
    """The TIFF files to type, and what had to be decided about them, as sentences.

    The platform gives one. Of several, the one that `inputs.json` names is taken, else all, by name.

    Raises:
        SourceError: there is none.
    """
    place = folder / "images" / STACK
    try:
        inside = sorted(path for path in place.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise SourceError(f"cannot list {place}: {error.strerror}", f"put the stack under images/{STACK}") from error
    files = [path for path in inside if path.suffix.lower() in SUFFIXES and path.is_file()]
    if not files:
        found = ", ".join(path.name for path in inside[:5]) or "nothing"
        raise SourceError(f"there is no TIFF in {place} (there is: {found})", "put the stack there, as .tif or .tiff")
    if len(files) == 1:
        return files, ()
    names = {socket.image for socket in sockets}
    named = [path for path in files if path.name in names]
    if len(named) == 1:
        return named, (f"{len(files)} stacks: only {named[0].name} is typed, the one that inputs.json names.",)
    listed = ", ".join(path.name for path in files)
    return files, (f"{len(files)} stacks, where one is expected: all are typed, in this order: {listed}.",)


def _pages(path: Path) -> int:
    try:
        return count_pages(path)
    except FigureError as error:
        raise SourceError(error.message, error.fix) from error
    except OSError as error:
        raise SourceError(f"{path.name} cannot be read: {error.strerror}", "check its permissions") from error
