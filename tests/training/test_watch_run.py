"""A watched training from the command line: killed, resumed, and what it says of a collapsed fold."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from drawn_table import write_drawn_table
from safetensors.torch import load_file

from atypica.apps.cli import train as verb
from atypica.core.errors import ExitCode
from atypica.inference.bundle import read_bundle
from atypica.training import fold as folds_module

SETTINGS = [
    "model.backbone=test_efficientnet", "model.weights=random", "geometry.size_px=48", "split.train_on=all",
    "split.folds=2", "training.epochs=4", "training.batch_size=8", "training.ema_decay=0.5", "optimizer.lr=0.003",
    "training.keep=best_auroc", "training.patience=3", "distill=null", "seed=3",
]  # fmt: skip


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    return write_drawn_table(tmp_path_factory.mktemp("drawn") / "figures", 80)


@pytest.fixture(scope="module")
def straight(table, tmp_path_factory) -> tuple[Path, int]:
    """A run that nothing interrupts, told that its second fold collapsed; and its exit code."""
    folder, said = tmp_path_factory.mktemp("straight"), iter(["", "it was told so"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folds_module, "one_class", lambda labels, logits: next(said))
        status = verb.train("default", *SETTINGS, data=str(table), out=folder)
    return folder, status


def fold_metrics(folder: Path) -> list[dict]:
    lines = [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]
    return [line["metrics"] for line in lines if line["step"].startswith("fold")]


def without_verdict(folds: list[dict]) -> list[dict]:
    return [{key: value for key, value in fold.items() if key != "collapse"} for fold in folds]


def test_a_collapsed_fold_is_in_the_exit_code_the_ledger_and_the_card_and_the_bundle_is_there(straight):
    folder, status = straight
    assert status == ExitCode.COLLAPSED == 5
    assert [fold.get("collapse") for fold in fold_metrics(folder)] == [None, "it was told so"]
    notes = read_bundle(folder / "bundle").card.training_data["notes"]
    assert notes[0] == "fold 1 collapsed: it was told so"
    assert "flatter" in notes[1], "the figures of a fold chose its epoch"


def test_a_finished_run_says_it_again(straight, table, capsys):
    folder, _ = straight
    assert verb.train("default", *SETTINGS, data=str(table), out=folder) == ExitCode.COLLAPSED
    assert "fold 1 collapsed: it was told so" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.slow
def test_killed_again_and_again_it_keeps_the_same_best_epochs(straight, table, tmp_path):
    """Real processes, really killed."""
    command = [
        sys.executable, "-m", "atypica.apps.cli", "train", "default", *SETTINGS,
        "--data", str(table), "--out", str(tmp_path), "--threads", "1",
    ]  # fmt: skip
    for _ in range(2):
        kill_after_an_epoch(command, tmp_path)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = fold_metrics(tmp_path)
    collapsed = any("collapse" in fold for fold in found)
    assert done.returncode == (ExitCode.COLLAPSED if collapsed else ExitCode.OK), done.stderr
    assert "\x1b" not in done.stderr, "not a terminal: plain lines"
    assert "fold 1, epoch 4 of 4: loss " in done.stderr
    assert without_verdict(found) == without_verdict(fold_metrics(straight[0]))
    assert all(1 <= fold["kept_epoch"] <= fold["epochs"] for fold in found)
    assert any(fold["kept_epoch"] < fold["epochs"] for fold in found), "else the last epoch would do as well"
    for fold in "01":
        one, other = (load_file(folder / "folds" / fold / "network.safetensors") for folder in (tmp_path, straight[0]))
        for name, values in one.items():
            torch.testing.assert_close(values, other[name], atol=1e-6, rtol=1e-5)


def kill_after_an_epoch(command: list[str], run: Path, seconds: float = 900) -> None:
    """Kill a training once it has written another checkpoint than it found."""
    before = checkpoints(run)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + seconds
    while checkpoints(run) in (before, {}):
        assert process.poll() is None, "the training ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def checkpoints(run: Path) -> dict[Path, int]:
    found: dict[Path, int] = {}
    for path in run.glob("folds/*/[!.]*.ckpt"):
        try:
            found[path] = path.stat().st_mtime_ns
        except FileNotFoundError:  # removed in this very moment
            continue
    return found


@pytest.mark.slow
def test_two_processes_train_as_one(table, tmp_path):
    """On the CPU; each starts the command again, and one of them writes."""
    command = [
        sys.executable, "-m", "atypica.apps.cli", "train", "default", *SETTINGS, "training.epochs=2",
        "--data", str(table), "--out", str(tmp_path), "--threads", "1", "--devices", "2", "--strategy", "ddp",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert "MEMBER: 2/2" in done.stderr
    assert done.returncode in (ExitCode.OK, ExitCode.COLLAPSED), done.stderr
    assert done.stderr.count("epoch 2 of 2") == 2, "one line a fold, from the first process"
    steps = [json.loads(line)["step"] for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    assert steps == ["fold 0", "fold 1", "bundle"]
    assert read_bundle(tmp_path / "bundle").card.heads
