"""JSON files of any size, an element at a time: never more than one element is in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from atypica.core.errors import SourceError

CHUNK = 2**18
LARGEST = 2**23
"""Characters of one element (a feature, an annotation); 400,000 corners of an outline."""
FIRST = 1000
"""Elements that are looked at to tell the format."""
TELLING = {"", "features", "annotations", "images"}


def elements(path: Path) -> Iterator[tuple[str, Any]]:
    """The elements of every array at the top of a JSON file, each with the key of its array ("" if the file is one
    array), and every other value with its key. NaN and infinities are read as such.

    Raises:
        SourceError: damaged, not UTF-8, nested too deeply, or an element is larger than `LARGEST`.
    """
    try:
        with path.open(encoding="utf-8-sig") as handle:
            yield from _Reader(path.name, handle).top()
    except UnicodeDecodeError as error:
        raise SourceError(f"{path.name} is not UTF-8", "export it again") from error
    except RecursionError as error:
        raise SourceError(f"{path.name} is nested too deeply", "export it again") from error


def first_keys(path: Path) -> set[str]:
    """The keys at the top of a JSON file up to those that tell its format; for an array, the keys of its first
    elements, each with a point before it."""
    keys: set[str] = set()
    for count, (key, value) in enumerate(elements(path)):
        keys |= {key} if key else {f".{name}" for name in value} if isinstance(value, dict) else set()
        if (key, value) == ("type", "FeatureCollection"):
            keys.add("features")  # which may be empty, and then has no element that would show it
        if count >= FIRST or key in TELLING:
            break
    return keys


class _Reader:
    def __init__(self, name: str, handle: TextIO) -> None:
        self._name, self._handle = name, handle
        self._text, self._at, self._ended = "", 0, False
        self._decoder = json.JSONDecoder()

    def top(self) -> Iterator[tuple[str, Any]]:
        match self._next():
            case "[":
                self._at += 1
                yield from (("", value) for value in self._array())
            case "{":
                self._at += 1
                yield from self._object()
            case _:
                raise self._broken("it begins with neither { nor [")

    def _object(self) -> Iterator[tuple[str, Any]]:
        while self._next() != "}":
            key = str(self._value())
            self._take(":")
            if self._next() == "[":
                self._at += 1
                yield from ((key, value) for value in self._array())
            else:
                yield key, self._value()
            if self._next() == ",":
                self._at += 1
            elif self._next() != "}":
                raise self._broken("a comma is missing")

    def _array(self) -> Iterator[Any]:
        while self._next() != "]":
            yield self._value()
            if self._next() == ",":
                self._at += 1
            elif self._next() != "]":
                raise self._broken("a comma is missing")
        self._at += 1

    def _take(self, mark: str) -> None:
        if self._next() != mark:
            raise self._broken(f"'{mark}' is missing")
        self._at += 1

    def _next(self) -> str:
        """The next character that is no space."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in " \t\r\n":
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._fill():
                raise self._broken("it ends too early")

    def _value(self) -> Any:
        self._next()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except ValueError as error:
                self._need_more(str(error))
                continue
            if end < len(self._text) or not self._fill():  # a number that ends with the text may go on
                self._at = min(end, len(self._text))
                return value

    def _need_more(self, why: str) -> None:
        if len(self._text) - self._at > LARGEST:
            raise SourceError(
                f"{self._name} is damaged, or has an element of more than {LARGEST:,} characters",
                "export each detection as an object of its own",
            )
        if not self._fill():
            raise self._broken(why)

    def _fill(self) -> bool:
        """Read more, as much again as is waiting; False at the end of the file."""
        waiting = self._text[self._at :]
        more = self._handle.read(max(CHUNK, len(waiting)))
        self._text, self._at, self._ended = waiting + more, 0, not more
        return bool(more)

    def _broken(self, why: str) -> SourceError:
        return SourceError(f"{self._name} is no valid JSON: {why}", "export it again")
