"""What a new run removes of an earlier one, and what it never touches."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from atypica.core.outputs import RECORD, OutputFolder


def run(folder: Path, *names: str, text: str = "ours") -> list[Path]:
    outputs = OutputFolder(folder)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    outputs.add(folder / name for name in names)
    return outputs.remove_earlier()


def left(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {RECORD}


def test_only_what_earlier_runs_wrote_goes(tmp_path: Path):
    run(tmp_path, "report.html", "slides/a.png", "slides/b.png")
    (tmp_path / "slides" / "notes.txt").write_text("mine")
    (tmp_path / "overview.png").write_text("mine")
    assert run(tmp_path, "predictions.csv", "slides/b.png") == []
    assert left(tmp_path) == {"predictions.csv", "slides/b.png", "slides/notes.txt", "overview.png"}
    assert run(tmp_path, "cases.csv") == []
    assert left(tmp_path) == {"cases.csv", "slides/notes.txt", "overview.png"}


def test_a_folder_that_gets_empty_goes_too(tmp_path: Path):
    run(tmp_path, "slides/a.png")
    run(tmp_path, "overview.png")
    assert not (tmp_path / "slides").exists()


def test_what_somebody_changed_stays_and_is_named(tmp_path: Path):
    run(tmp_path, "report.html")
    (tmp_path / "report.html").write_text("with my remarks")
    assert run(tmp_path, "predictions.csv") == [tmp_path / "report.html"]
    assert (tmp_path / "report.html").read_text() == "with my remarks"
    # It is nobody's business from now on.
    assert run(tmp_path, "predictions.csv") == []


def test_a_run_that_was_killed_leaves_no_file_unknown(tmp_path: Path):
    run(tmp_path, "a.csv")
    killed = OutputFolder(tmp_path)
    (tmp_path / "b.csv").write_text("ours")
    killed.add([tmp_path / "b.csv"])
    assert left(tmp_path) == {"a.csv", "b.csv"}
    run(tmp_path, "c.csv")
    assert left(tmp_path) == {"c.csv"}


@pytest.mark.parametrize("name", ["../outside.txt", "inner/../../outside.txt", "linked/outside.txt", "{absolute}", ""])
def test_a_record_cannot_reach_out_of_the_folder(tmp_path: Path, name: str):
    folder, outside = tmp_path / "out", tmp_path / "outside.txt"
    outside.write_text("ours")
    run(folder, "inner/a.csv")
    (folder / "linked").symlink_to(tmp_path)
    record = json.loads((folder / RECORD).read_text())
    record["files"] = {name.format(absolute=outside): record["files"]["inner/a.csv"]}
    (folder / RECORD).write_text(json.dumps(record))
    run(folder, "b.csv")
    assert outside.read_text() == "ours"


@pytest.mark.parametrize("content", ["", "[]", "{", '{"files": 3}', '{"files": {"a.csv": 3}}', "\udcff"])
def test_a_damaged_record_removes_nothing(tmp_path: Path, content: str):
    (tmp_path / "a.csv").write_text("ours")
    (tmp_path / RECORD).write_bytes(content.encode(errors="surrogateescape"))
    run(tmp_path, "b.csv")
    assert left(tmp_path) == {"a.csv", "b.csv"}
