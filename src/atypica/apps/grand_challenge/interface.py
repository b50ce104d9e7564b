"""What the platform puts into the input folder, and where the answers go: MIDOG 2025, track 2."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from atypica.core.errors import SourceError

INPUTS = "inputs.json"
STACK = "stacked-histopathology-roi-cropouts"
"""The slug of the one socket that is understood: a TIFF stack, a mitotic figure a page."""
ANSWERS = "multiple-mitotic-figure-classification.json"
CLASSES = ("normal", "atypical")
"""The challenge's names of NMF and AMF."""
SUPPORTED = ((STACK,),)
"""The sorted slugs of every set of inputs that is understood."""
NAMED_BY = ("interface", "socket")
"""Where an entry has its slug: in the templates of 2025, and in newer ones."""
MOST_BYTES = 1_000_000


@dataclass(frozen=True)
class Socket:
    """One input: what it is, and the name of its image on the platform, where it is one."""

    slug: str
    image: str | None


def read_sockets(folder: Path) -> list[Socket]:
    """The inputs that `inputs.json` lists, one of the `SUPPORTED` sets.

    Raises:
        SourceError: it is missing, is not of this form, or lists other inputs.
    """
    path = folder / INPUTS
    entries = _entries(path)
    sockets = [_socket(entry, number) for number, entry in enumerate(entries, 1)]
    slugs = tuple(sorted(socket.slug for socket in sockets))
    if slugs not in SUPPORTED:
        supported = " or ".join(_shown(known) for known in SUPPORTED)
        raise SourceError(f"{INPUTS} lists {_shown(slugs)}, not {supported}", "give the inputs of MIDOG 2025, track 2")
    return sockets


def _entries(path: Path) -> list[Any]:
    try:
        with path.open("rb") as handle:
            text = handle.read(MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise SourceError(f"there is no {INPUTS} in {path.parent}", "check --input") from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}", "check --input and its permissions") from error
    if len(text) > MOST_BYTES:
        raise SourceError(f"{path} is larger than {MOST_BYTES:,} bytes", "check that it is the platform's file")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path} is not JSON: {error}", "copy it again") from error
    if not isinstance(content, list):
        raise SourceError(f"{path} is not a list of inputs", "check that it is the platform's file")
    return cast("list[Any]", content)


def _socket(entry: Any, number: int) -> Socket:
    named = next((part for key in NAMED_BY if "slug" in (part := _mapping(entry, key))), None)
    if named is None or not isinstance(named["slug"], str):
        raise SourceError(f"entry {number} of {INPUTS} has no interface.slug or socket.slug", "give it one")
    image = _mapping(entry, "image").get("name")
    return Socket(named["slug"], image if isinstance(image, str) else None)


def _mapping(value: Any, key: str) -> dict[str, Any]:
    inner = cast("dict[str, Any]", value).get(key) if isinstance(value, dict) else None
    return cast("dict[str, Any]", inner) if isinstance(inner, dict) else {}


def _shown(slugs: Iterable[str]) -> str:
    return f"({', '.join(repr(slug[:80]) for slug in slugs)})"
