"""`atypica classify` and `atypica data pack` on figures in shards, in parts, killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import imagecodecs
import numpy as np
import pandas as pd
import pytest

from atypica.apps.cli.main import run


@pytest.fixture
def atypica(monkeypatch, capsys):
    """Run a verb; gives the exit code and what the screen said."""

    def call(*arguments: object):
        monkeypatch.setattr("sys.argv", ["atypica", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            run()
        said = capsys.readouterr()
        return left.value.code, said.out + said.err

    return call


@pytest.fixture(scope="module")
def crops(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("crops")
    for number in range(80):
        crop = np.full((96, 96, 3), number * 3, dtype=np.uint8)
        (folder / f"P{number % 6}").mkdir(exist_ok=True)
        (folder / f"P{number % 6}" / f"{number}.png").write_bytes(imagecodecs.png_encode(crop))
    (folder / "P1" / "1.png").write_bytes(b"no image")
    return folder


def test_processes_give_what_one_process_gives(atypica, crops, tiny_bundle, tmp_path):
    arguments = ("classify", crops, "--model", tiny_bundle, "--no-report")
    whole = atypica(*arguments, "--out", tmp_path / "whole")
    spread = atypica(*arguments, "--out", tmp_path / "spread", "--on", "processes", "--workers", 1, "--part-size", 64)
    assert whole[0] == spread[0] == 3
    assert whole[1].replace("whole", "spread") == spread[1]
    names = sorted(file.name for file in (tmp_path / "whole").iterdir())
    assert names == sorted(file.name for file in (tmp_path / "spread").iterdir())
    assert all((tmp_path / "whole" / n).read_bytes() == (tmp_path / "spread" / n).read_bytes() for n in names)


def test_packed_figures_have_the_cases_of_the_folder(atypica, crops, tiny_bundle, tmp_path):
    code, said = atypica("data", "pack", crops, "--out", tmp_path / "shards", "--format", "tar", "--size", 30)
    assert code == 0
    assert "80 figures in 3 shards" in said
    model = ("--model", tiny_bundle)
    atypica("classify", crops, *model, "--out", tmp_path / "whole", "--no-report")
    code, said = atypica("classify", tmp_path / "shards", *model, "--out", tmp_path / "out", "--part-size", 32)
    assert code == 3
    assert "shards: 3 shards" in said
    assert "1 of 80 figures failed" in said
    assert "no report of figures in shards" in said
    assert (tmp_path / "out" / "cases.csv").read_text() == (tmp_path / "whole" / "cases.csv").read_text()
    assert len(pd.read_parquet(tmp_path / "out" / "predictions")) == 80

    code, said = atypica("classify", tmp_path / "shards", *model, "--out", tmp_path / "out", "--part-size", 32)
    assert "80 figures, 3 parts of an earlier run" in said
    code, said = atypica("classify", tmp_path / "shards", *model, "--out", tmp_path / "out", "--views", 8)
    assert code == 2
    assert "part_size was 32, is 8192" in said
    assert "views was 1, is 8" in said
    code, said = atypica("classify", tmp_path / "shards", *model, "--out", tmp_path / "out", "--units", "um")
    assert code == 2
    assert "of detections on slides" in said


def test_a_later_run_of_another_kind_leaves_no_parts_behind(atypica, crops, tiny_bundle, tmp_path):
    atypica("data", "pack", crops, "--out", tmp_path / "shards")
    atypica("classify", tmp_path / "shards", "--model", tiny_bundle, "--out", tmp_path / "out")
    atypica("classify", crops, "--model", tiny_bundle, "--out", tmp_path / "out", "--no-report")
    left = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert left == [".atypica-outputs.json", ".lock", "cases.csv", "predictions.csv"]


def test_a_run_that_was_killed_goes_on(atypica, tiny_bundle, tmp_path):
    crop = imagecodecs.png_encode(np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8))
    pd.DataFrame({"image_bytes": [crop] * 800}).to_parquet(tmp_path / "shard.parquet")
    arguments = ["classify", tmp_path / "shard.parquet", "--model", tiny_bundle, "--out", tmp_path / "out"]
    command = [sys.executable, "-m", "atypica.apps.cli", *map(str, arguments), "--part-size", "32"]
    parts = tmp_path / "out" / "predictions"
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and len(list(parts.glob("part-*"))) < 2:
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
    there = {file.name: file.stat().st_mtime_ns for file in parts.glob("part-*")}
    assert 2 <= len(there) < 25
    code, said = atypica(*arguments, "--part-size", 32)
    assert code == 0
    assert f"800 figures, {len(there)} parts of an earlier run" in said
    assert all((parts / name).stat().st_mtime_ns == when for name, when in there.items())
    table = pd.read_parquet(parts)
    assert len(table) == 800
    assert table["figure_id"].is_unique
