"""The place where jobs are done: it reads paths and settings as the command does that sent the jobs."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from atypica.scale.station import Station, Surroundings


def where() -> tuple[Path, str | None]:
    return Path("out").absolute(), os.environ.get("ATYPICA_EMBEDDINGS")


def test_relative_paths_and_settings_are_those_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "command").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "command")
    monkeypatch.setenv("ATYPICA_EMBEDDINGS", "/shared/cache")
    monkeypatch.setenv("ATYPICA_TOKEN", "secret")
    sent = pickle.dumps(Surroundings())
    assert b"secret" not in sent
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("ATYPICA_EMBEDDINGS", "/other")
    station = Station(lambda: lambda _: where(), pickle.loads(sent))  # noqa: S301  as Ray sends it
    assert station.run(0).result == (tmp_path / "command" / "out", "/shared/cache")


def test_a_folder_that_is_not_to_be_seen_from_here_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    station = Station(lambda: lambda _: where(), Surroundings(tmp_path / "not here", {}))
    assert station.run(0).result == where()
