"""The data home and the datasets in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from atypica.apps.doctor.finding import Finding, Status, one_line
from atypica.core.errors import AtypicaError


def check_data() -> Iterator[Finding]:
    """Where datasets lie, and which of them are there and can be read."""
    from atypica.data.sources import ADAPTERS, data_home, find_dataset

    home = data_home()
    found = [name for name in ADAPTERS if find_dataset(name, home)]
    yield _home(home, bool(found))
    for name in found:
        yield _dataset(name)


def _home(home: Path, filled: bool) -> Finding:
    where = f"{home} ({'ATYPICA_DATA' if os.environ.get('ATYPICA_DATA') else 'the default'})"
    fetch = "atypica data fetch NAME, or set ATYPICA_DATA to where the datasets lie"
    if filled:
        return Finding("data home", Status.PASS, where)
    if os.environ.get("ATYPICA_DATA"):
        missing = "holds no dataset" if home.is_dir() else "is not there"
        return Finding("data home", Status.WARN, f"{where} {missing}", fetch)
    return Finding("data home", Status.PASS, f"{where} holds no dataset; typing your own figures needs none", fetch)


def _dataset(name: str) -> Finding:
    from atypica.data.sources import open_source

    try:
        figures = open_source(name)
    except AtypicaError as error:
        return Finding(name, Status.WARN, one_line(error.message), one_line(error.fix))
    sample = "".join(f" ({note})" for note in figures.notes if note.startswith("sample"))
    return Finding(name, Status.PASS, f"{len(figures):,} figure{'' if len(figures) == 1 else 's'}{sample}")
