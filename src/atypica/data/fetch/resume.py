"""A download that goes on where it was cut."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Self

import requests

from atypica.core.errors import DownloadError
from atypica.core.files import write_text
from atypica.core.progress import ProgressBar

ATTEMPTS = 6
PAUSE_S = 0.5
"""Before the second attempt; doubled after each."""
TIMEOUT_S = (10, 60)
MEGABYTE = 1 << 20
PIECE = 1 << 14
"""What is lost at most when a connection is cut."""
FINAL = {400, 401, 403, 404, 405, 410, 451}


class ResumingDownloader:
    """Downloads a file piece by piece; usable as the `downloader` of `pooch.retrieve`.

    What has arrived is kept in `part` with the server's name for the version (ETag or date). After a cut connection,
    or in a later call, the rest is asked for by a Range request that the server only honors for the same version;
    where it does not, the file is taken from the start.

    Args:
        part: where to keep what has arrived.
        title: what to call the file in the progress bar.
        pause: seconds before the second attempt.
    """

    def __init__(self, part: Path, title: str, pause: float = PAUSE_S) -> None:
        self._part = part
        self._title = title
        self._version = part.with_name(part.name + ".json")
        self._pause = pause

    def __call__(self, fname: str, action: Any, pooch: Any, *, check_only: bool | None = None) -> None:
        """Download the address `fname` to the file `action`; pooch chose the names.

        Raises:
            DownloadError: the server refuses, or the connection was cut too often; what has arrived is kept.
        """
        url, target = fname, Path(action)
        self._part.parent.mkdir(parents=True, exist_ok=True)
        reason = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(self._pause * 2 ** (attempt - 1))
            try:
                self._try(url)
            except requests.RequestException as error:
                reason = _reason(error)
                continue
            self._part.replace(target)
            self._version.unlink(missing_ok=True)
            return
        raise DownloadError(
            f"{url}: {reason}, {ATTEMPTS} times ({_megabytes(self._size)} kept)",
            "run the same command again to go on from there, or name a mirror (--mirror, ATYPICA_MIRROR)",
        )

    @property
    def _size(self) -> int:
        return self._part.stat().st_size if self._part.is_file() else 0

    def _try(self, url: str) -> None:
        headers = {"Accept-Encoding": "identity"}
        version = self._known_version(url)
        if self._size and version:
            headers |= {"Range": f"bytes={self._size}-", "If-Range": version}
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as answer:
            if answer.status_code in FINAL:
                raise DownloadError(
                    f"{url}: the server answers {answer.status_code} {answer.reason}",
                    "check the address in a browser; if the data has moved, name a mirror (--mirror, ATYPICA_MIRROR)",
                )
            if answer.status_code == 416:  # no more bytes than are here: of this version there is nothing to resume
                self._part.unlink(missing_ok=True)
            answer.raise_for_status()
            self._receive(url, answer)

    def _receive(self, url: str, answer: requests.Response) -> None:
        resumed = answer.status_code == 206 and _starts_at(answer) == self._size
        if answer.status_code == 206 and not resumed:
            self._part.unlink(missing_ok=True)
            raise requests.ConnectionError("the server sent another part than asked for")
        start = self._size if resumed else 0
        self._remember_version(url, answer)
        expected = _length(answer)
        with self._part.open("ab" if resumed else "wb") as handle, MegabyteBar(self._title, start, expected) as bar:
            for piece in answer.iter_content(PIECE):
                handle.write(piece)
                bar.add(len(piece))
        if expected is not None and self._size < start + expected:
            raise requests.ConnectionError("the connection was cut")

    def _known_version(self, url: str) -> str:
        try:
            known = json.loads(self._version.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return ""
        return str(known.get("version", "")) if known.get("url") == url else ""

    def _remember_version(self, url: str, answer: requests.Response) -> None:
        tag = answer.headers.get("ETag", "")
        version = tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")
        write_text(self._version, json.dumps({"url": url, "version": version}))


class MegabyteBar:
    """A progress bar for bytes that counts whole megabytes.

    Args:
        title: what is being received.
        start: bytes that were there before.
        expected: bytes still to come, None if unknown.
    """

    def __init__(self, title: str, start: int, expected: int | None) -> None:
        total = None if expected is None else -(-(start + expected) // MEGABYTE)
        self._bar = ProgressBar(f"{title} (MB)", total)
        self._bytes, self._shown = start, 0

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.__exit__(*error)

    def add(self, size: int) -> None:
        """Count `size` more bytes."""
        self._bytes += size
        self._bar.advance(self._bytes // MEGABYTE - self._shown)
        self._shown = self._bytes // MEGABYTE


def _starts_at(answer: requests.Response) -> int:
    """The first byte of a partial answer; -1 where it does not say."""
    words = answer.headers.get("Content-Range", "").removeprefix("bytes ").split("-")
    return int(words[0]) if words[0].isdecimal() else -1


def _length(answer: requests.Response) -> int | None:
    text = answer.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() else None


def _reason(error: requests.RequestException) -> str:
    if error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection was cut"
    if isinstance(error, requests.exceptions.Timeout):
        return "the server does not answer"
    return str(error) if str(error).startswith("the ") else "no connection"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
