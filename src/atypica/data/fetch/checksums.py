"""Checksums that nobody published: recorded at the first download, and held against every later one."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

from atypica.core.files import sha256_file, write_json

FILE = "checksums.json"


def recorded(folder: Path, filename: str) -> str | None:
    """The "sha256:…" that was recorded for a file, None where none was."""
    entry = _all(folder).get(filename)
    return f"sha256:{entry['sha256']}" if entry else None


def record(folder: Path, filename: str, url: str) -> str:
    """Record the SHA-256 of a file in `folder`; returns it."""
    digest = sha256_file(folder / filename)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    entry = {"sha256": digest, "bytes": (folder / filename).stat().st_size, "url": url, "first_fetched": today}
    write_json(folder / FILE, {**_all(folder), filename: entry})
    return digest


def forget(folder: Path, filename: str) -> None:
    """Take back what was recorded for a file."""
    entries = _all(folder)
    if entries.pop(filename, None):
        write_json(folder / FILE, entries)


def _all(folder: Path) -> dict[str, Any]:
    try:
        entries = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return entries if isinstance(entries, dict) else {}
