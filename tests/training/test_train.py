"""The whole engine on drawn figures: trained, killed, resumed, released, used."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_table import write_drawn_table
from safetensors.torch import load_file

import atypica
from atypica.core.errors import SettingsError, SourceError
from atypica.core.vocabulary import Subtype
from atypica.data.figures import Figures
from atypica.data.sources import open_source
from atypica.inference.bundle import read_bundle
from atypica.training.distill import own_teachers, round_key, student_folder, student_network
from atypica.training.fit import fit, load_weights
from atypica.training.ledger import Ledger
from atypica.training.module import FigureModule, mixup
from atypica.training.recipe import Recipe, load_recipe
from atypica.training.release import released_networks
from atypica.training.run import Run
from atypica.training.sampling import BalancedBatches
from atypica.training.train import train

SETTINGS = [
    "model.backbone=test_efficientnet", "model.weights=random", "geometry.size_px=48", "split.train_on=train",
    "split.folds=2", "training.epochs=6", "training.batch_size=8", "training.ema_decay=0.5", "optimizer.lr=0.003",
    "distill.epochs=2", "distill.rounds=2",
]  # fmt: skip

STUDENTS = ("student", "student-2", "student-3")


def recipe(*more: str) -> Recipe:
    return load_recipe("default", [*SETTINGS, *more])


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    return write_drawn_table(tmp_path_factory.mktemp("drawn") / "figures", 120, tested=4)


@pytest.fixture(scope="module")
def figures(table) -> Figures:
    return open_source(table)


@pytest.fixture(scope="module")
def finished(figures, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train(recipe(), figures, folder)
    return folder


def test_the_bundle_types_figures_and_its_card_says_how_it_was_made(finished, figures):
    model = atypica.load_model(finished / "bundle")
    result = model.classify(figures)
    assert result.failed == 0
    assert result.predictions["ood"].notna().all()
    subtypes = result.predictions[[f"p_{subtype.value}" for subtype in Subtype]].to_numpy()
    np.testing.assert_allclose(subtypes.sum(axis=1), 1, atol=1e-5)
    card = model.card
    assert card.training_data["figures"] == int((figures.table["split"] == "train").sum())
    assert card.recipe["hash"] == recipe().hash
    assert {name.split(", ")[1] for name in card.metrics} == {"out of fold (the folds' networks)", "test split"}


def test_a_finished_run_is_not_done_again(finished, figures):
    before = (finished / "ledger.jsonl").read_text()
    weights = (finished / "student" / "network.safetensors").stat().st_mtime_ns
    train(recipe(), figures, finished)
    assert (finished / "ledger.jsonl").read_text() == before
    assert (finished / "student" / "network.safetensors").stat().st_mtime_ns == weights


def test_folds_are_kept_when_only_the_distillation_changes(finished, figures):
    run = Run.open(finished, recipe("distill.teacher=0.5"), figures)
    assert run.ledger.find("fold 0", run.recipe.fold_hash)
    assert not run.ledger.find("student", round_key(run.recipe, 1))


def test_a_further_round_goes_on_from_the_student_and_is_what_is_released(finished, figures):
    run = Run.open(finished, recipe(), figures)
    assert [entry["step"] for entry in run.ledger.entries()] == ["fold 0", "fold 1", "student", "student-2", "bundle"]
    first = load_weights(run.new_network(), student_folder(run, 1)).head.weight
    second = student_network(run).head.weight
    assert 0 < (second - first).norm() < 0.5 * (run.new_network(1).head.weight - first).norm()
    torch.testing.assert_close(released_networks(run)[0].head.weight, second)


def test_rounds_are_kept_when_only_more_are_asked_for(finished, figures):
    more = Run.open(finished, recipe("distill.rounds=3"), figures)
    kept = [bool(more.ledger.find(step, round_key(more.recipe, number))) for number, step in enumerate(STUDENTS, 1)]
    assert kept == [True, True, False]


def test_a_student_that_teaches_itself_is_asked_in_all_quarter_turns(figures, tmp_path):
    run = Run.open(tmp_path / "run", recipe(), figures)
    store, student = run.load_crops(), run.new_network(3).eval()
    teachers = own_teachers(student)
    module = FigureModule(student, store, run.targets, run.recipe, lr=1e-3, epochs=1, seed=0, teachers=teachers)
    crops = store.plain(np.arange(3))
    taught = module._teach(crops)["amf"]
    with torch.no_grad():
        turns = [student.eval()(torch.rot90(crops, turn, (2, 3)))["amf"].sigmoid() for turn in range(4)]
    torch.testing.assert_close(taught, torch.stack(turns).mean(0))
    assert not any(weight.requires_grad for weight in teachers[0].parameters())
    assert all(weight.requires_grad for weight in student.parameters())


def test_a_run_of_another_recipe_is_not_overwritten(finished, figures):
    with pytest.raises(SettingsError, match="another recipe"):
        train(recipe("training.epochs=7"), figures, finished)


def test_no_test_figure_is_trained_on(finished, figures):
    run = Run.open(finished, recipe(), figures)
    assert set(run.figures.table["split"]) == {"train"}
    assert not set(run.figures.cases) & set(run.tested.cases)


def test_folds_can_be_the_values_of_a_column(figures, tmp_path):
    run = Run.open(tmp_path / "run", recipe("split.by=scanner"), figures)
    scanners = run.figures.table["scanner"].to_numpy()
    assert run.fold_count == len(set(scanners))
    assert all(len(set(scanners[run.folds == fold])) == 1 for fold in range(run.fold_count))


def test_mixup_blends_crops_and_targets_alike_and_keeps_what_is_unknown():
    crops = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 2, 2)
    targets = {"amf": torch.arange(4.0).view(4, 1), "votes": torch.tensor([[0.0], [float("nan")], [1.0], [1.0]])}
    mixed, blended = mixup(crops, targets, 1.0, seed=2)
    torch.testing.assert_close(mixed[:, 0, 0, :1], blended["amf"])
    assert not torch.equal(blended["amf"], targets["amf"])
    assert blended["votes"][1].isnan()


def test_the_teachers_see_a_crop_turned_otherwise_and_their_mean_is_taught(figures, tmp_path):
    run = Run.open(tmp_path / "run", recipe(), figures)
    store, teachers = run.load_crops(), [run.new_network(seed).eval() for seed in (1, 2)]
    module = FigureModule(
        run.new_network(3), store, run.targets, run.recipe, lr=1e-3, epochs=1, seed=0, teachers=teachers
    )
    crops = store.plain(np.arange(3))
    taught = module._teach(crops)["amf"]
    with torch.no_grad():
        expected = (
            teachers[0](crops)["amf"].sigmoid() + teachers[1](torch.rot90(crops, 1, (2, 3)))["amf"].sigmoid()
        ) / 2
    torch.testing.assert_close(taught, expected)


def test_figures_without_a_split_need_to_be_told(figures, tmp_path):
    bare = Figures(figures.table.drop(columns="split"), figures.root, "bare")
    with pytest.raises(SourceError, match=r"split\.train_on=all"):
        Run.open(tmp_path / "run", recipe(), bare)


def test_a_run_killed_in_the_middle_ends_as_if_it_had_not_been(finished, table, tmp_path):
    folder = tmp_path / "run"
    command = [
        sys.executable, "-m", "atypica.apps.cli", "train", "default", *SETTINGS,
        "--data", str(table), "--out", str(folder), "--threads", "1",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _wait_for(folder / "folds" / "0", process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (folder / "folds" / "0" / "network.safetensors").exists()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for part in ("folds/0", "folds/1", "student", "student-2"):
        resumed = load_file(folder / part / "network.safetensors")
        straight = load_file(finished / part / "network.safetensors")
        for name, values in straight.items():
            torch.testing.assert_close(resumed[name], values, atol=1e-6, rtol=1e-5)
    assert read_bundle(folder / "bundle").card.thresholds == read_bundle(finished / "bundle").card.thresholds


def _wait_for(path: Path, process: subprocess.Popen, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not any(path.glob("[!.]*.ckpt")):
        assert process.poll() is None, "the training ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_every_epoch_draws_other_figures_and_keeps_its_state(figures, tmp_path):
    run = Run.open(tmp_path / "run", recipe(), figures)
    store = run.load_crops()
    module = FigureModule(run.new_network(), store, run.targets, run.recipe, lr=1e-3, epochs=3, seed=0)
    seen: list[list[int]] = []
    kept: list[int] = []
    step = module.training_step

    def watched(batch, batch_idx):
        kept.append(len(list(tmp_path.glob("[!.]*.ckpt"))))
        seen.append(batch.tolist())
        return step(batch, batch_idx)

    module.training_step = watched
    fit(module, BalancedBatches(run.figures.labels, 16, 1.0, 0), tmp_path, 3, "key")
    length = len(seen) // 3
    assert seen[:length] != seen[length : 2 * length] != seen[2 * length :]
    assert kept == [0] * length + [1] * (2 * length)


def test_an_older_line_of_the_ledger_does_not_count(tmp_path):
    ledger = Ledger(tmp_path / "ledger.jsonl", "data")
    for settings in ("a", "b"):
        ledger.add("student", settings, seed=0, seconds=0, metrics={})
    assert ledger.find("student", "b")
    assert not ledger.find("student", "a")


def test_a_case_in_training_and_test_is_refused(figures, tmp_path):
    table = figures.table.copy()
    table.loc[0, "split"] = "test" if table.loc[0, "split"] == "train" else "train"
    with pytest.raises(SourceError, match="in training and in test"):
        Run.open(tmp_path / "run", recipe(), Figures(table, figures.root, "leaky"))
