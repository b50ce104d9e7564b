"""What lies behind a dataset's address: the files, and the checksums that are published with them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

from atypica.core.errors import DownloadError
from atypica.data.sources.dataset import Download

ZENODO_RECORD = re.compile(r"https://zenodo\.org/records/(\d+)/?$")
TIMEOUT_S = (10, 60)


@dataclass(frozen=True)
class Remote:
    """One file to download; `checksum` as "md5:…" or "sha256:…", None where none is published."""

    url: str
    filename: str
    checksum: str | None


def resolve(download: Download, mirror: str | None) -> list[Remote]:
    """The files of a download: all files of a Zenodo record with the MD5 sums that Zenodo states, else the one file.

    Raises:
        DownloadError: the record cannot be read.
    """
    record = ZENODO_RECORD.match(download.url)
    if not record:
        return [Remote(mirrored(download.url, mirror), download.filename, download.checksum)]
    return _zenodo_files(mirrored(f"https://zenodo.org/api/records/{record[1]}", mirror), mirror)


def mirrored(url: str, mirror: str | None) -> str:
    """The address of a file on a mirror: the mirror's, then the host and path of the original.

    >>> mirrored("https://zenodo.org/api/records/1", "http://mirror.local/data")
    'http://mirror.local/data/zenodo.org/api/records/1'
    """
    if not mirror:
        return url
    parts = urlsplit(url)
    return f"{mirror.rstrip('/')}/{parts.netloc}{parts.path}" + (f"?{parts.query}" if parts.query else "")


def _zenodo_files(url: str, mirror: str | None) -> list[Remote]:
    try:
        answer = requests.get(url, timeout=TIMEOUT_S, headers={"Accept": "application/json"})
        answer.raise_for_status()
        files: list[dict[str, Any]] = answer.json()["files"]
        remotes = [Remote(mirrored(f["links"]["self"], mirror), f["key"], f["checksum"]) for f in files]
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        raise DownloadError(
            f"the record {url} cannot be read: {type(error).__name__}",
            "check the connection, or name a mirror (--mirror, ATYPICA_MIRROR)",
        ) from error
    unsafe = [
        remote.filename for remote in remotes if not re.fullmatch(r"[\w+()\[\] -][\w.+()\[\] -]*", remote.filename)
    ]
    if unsafe or not remotes:
        raise DownloadError(f"the record {url} has unusable file names: {unsafe}", "download it by hand")
    return remotes
