"""Files and folders are written whole or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from atypica.core.files import atomic_path


def write_folder(target: Path, content: str) -> None:
    with atomic_path(target) as temporary:
        temporary.mkdir()
        (temporary / "file").write_text(content)


def test_a_folder_replaces_the_old_and_leaves_nothing_else(tmp_path):
    for content in ("old", "new"):
        write_folder(tmp_path / "set", content)
    assert (tmp_path / "set" / "file").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_the_old_folder_is_whole_until_the_new_one_has_its_place(tmp_path, monkeypatch):
    target = tmp_path / "set"
    write_folder(target, "old")
    rmtree, removed = shutil.rmtree, []

    def watched(path: Path, **options: bool) -> None:
        removed.append((Path(path).name, (target / "file").read_text()))
        rmtree(path, **options)

    monkeypatch.setattr(shutil, "rmtree", watched)
    write_folder(target, "new")
    assert removed == [(".set.old", "new")]


def test_the_old_folder_comes_back_where_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    target = tmp_path / "set"
    write_folder(target, "old")
    rename = Path.rename

    def failing(path: Path, other: Path) -> Path:
        if other == target and (path / "file").read_text() == "new":
            raise OSError("no")
        return rename(path, other)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="no"):
        write_folder(target, "new")
    assert (target / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


class Killed(BaseException):
    """The process ends here."""


def kill_at_the_exchange(target: Path, monkeypatch: pytest.MonkeyPatch, *, before: bool) -> None:
    """Replace a folder, and end before or after the new one takes the name that the old one has left."""
    rename, rmtree = Path.rename, shutil.rmtree

    def dying(path: Path, other: Path) -> Path:
        if other != target:
            return rename(path, other)
        if not before:
            rename(path, other)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", dying)
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(Killed):
            write_folder(target, "new")
    for left in target.parent.glob(".set.????????"):
        rmtree(left)


def test_after_a_kill_before_the_new_folder_has_its_place_the_old_one_comes_back(tmp_path, monkeypatch):
    target = tmp_path / "set"
    write_folder(target, "old")
    kill_at_the_exchange(target, monkeypatch, before=True)
    assert [path.name for path in tmp_path.iterdir()] == [".set.old"]
    with pytest.raises(ValueError, match="no"), atomic_path(target):
        raise ValueError("no")
    assert (target / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_after_a_kill_once_the_new_folder_has_its_place_the_old_one_goes(tmp_path, monkeypatch):
    target = tmp_path / "set"
    write_folder(target, "old")
    kill_at_the_exchange(target, monkeypatch, before=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".set.old", "set"]
    with pytest.raises(ValueError, match="no"), atomic_path(target):
        raise ValueError("no")
    assert (target / "file").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
