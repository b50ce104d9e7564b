"""Tuning for real: trials of a tiny network on drawn figures, killed, ended early, failed; and what is written."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
import yaml
from carrying import Carrying
from drawn_table import write_drawn_table
from sklearn.metrics import roc_auc_score

from atypica.apps.cli import tune as verb
from atypica.core.errors import ExitCode, MissingExtraError, OutputError, SettingsError
from atypica.core.executor import Finished, LostWorkerError
from atypica.data.sources import open_source
from atypica.training.crossval import cross_validate
from atypica.training.recipe import load_recipe
from atypica.training.settings.tune import SearchSpace
from atypica.training.tune import trial as trials
from atypica.training.tune.space import load_space
from atypica.training.tune.study import _pruner
from atypica.training.tune.trial import CollapsedError, Judge
from atypica.training.tune.tune import MakeTuner, Tuning
from atypica.training.tune.tune import tune as tune_by

SETTINGS = [
    "model.backbone=test_efficientnet", "model.weights=random", "geometry.size_px=32", "split.folds=2",
    "training.epochs=2", "training.batch_size=8", "heads={}", "optimizer.warmup_epochs=0",
]  # fmt: skip
SPACE = {
    "name": "mine",
    "pruner": "none",
    "parameters": {"optimizer.lr": {"range": [1e-3, 1e-2], "log": True}, "loss.name": {"choices": ["bce", "focal"]}},
}


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """Figures whose test split cannot be read: the images are gone."""
    path = write_drawn_table(tmp_path_factory.mktemp("drawn") / "figures", 44, tested=3)
    figures = pd.read_csv(path)
    for image in figures.loc[figures["split"] == "test", "image"]:
        (path.parent / image).unlink()
    return path


@pytest.fixture(scope="module")
def space(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("space") / "mine.yaml"
    path.write_text(yaml.safe_dump(SPACE), encoding="utf-8")
    return str(path)


def run(table, space, out, *settings, total=4, **options) -> int:
    return verb.tune("default", *SETTINGS, *settings, data=str(table), trials=total, out=out, space=space, **options)


@pytest.fixture(scope="module")
def tuned(table, space, tmp_path_factory) -> tuple[Path, int]:
    """Four trials, none of which counts as collapsed; and the exit code."""
    out = tmp_path_factory.mktemp("tuned")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trials, "cross_validate", as_if_sound)
        return out, run(table, space, out)


def as_if_sound(*arguments, **options) -> list[dict]:
    return [{**metrics, "collapse": None} for metrics in cross_validate(*arguments, **options)]


def test_every_trial_is_judged_by_figures_that_its_networks_never_saw_and_the_test_split_is_never_read(tuned, table):
    out, status = tuned
    assert status == ExitCode.OK
    found = pd.read_csv(out / "trials.csv")
    assert list(found["outcome"]) == ["finished"] * 4
    figures = pd.read_csv(table).set_index("figure_id")
    for row in found.itertuples():
        folds = []
        for fold in (out / "trials" / str(row.trial) / "folds").iterdir():
            said = pd.read_parquet(fold / "predictions.parquet")
            of_fold = figures.loc[said["figure_id"]]
            assert set(of_fold["split"]) == {"train"}
            folds.append(roc_auc_score(of_fold["label"] == "AMF", said["amf_0_views1"]))
        assert row.auroc == pytest.approx(np.mean(folds), abs=1e-4)


def test_trials_done_elsewhere_try_what_those_done_here_do(tuned, table, space, tmp_path):
    tuning = Tuning("default", tuple(SETTINGS), load_space(space), open_source(str(table)), tmp_path)
    said, executor = [], Carrying(lost=("it was killed",))
    study = tune_by(tuning, 2, say=said.append, executor=executor)
    here = pd.read_csv(tuned[0] / "trials.csv")
    assert [trial.params["optimizer.lr"] for trial in study.trials] == pytest.approx(here["optimizer.lr"][:2].tolist())
    assert [line for line in said if line.startswith("trial 1:")]
    assert sum("it was killed" in line for line in said) == len(executor.jobs) == 2
    assert len(pd.read_csv(tmp_path / "trials.csv")) == 2


class Gone(BaseException):
    """A worker was killed."""


class Vanishing(Carrying):
    """Every job ends every worker."""

    def map(self, make, jobs):
        for job in jobs:
            for _ in range(3):
                with pytest.raises(Gone):
                    make()(job)
            yield Finished(job, error=LostWorkerError("its worker vanished 3 times"), lost=("killed",) * 3)


def test_a_trial_that_ends_every_worker_fails_and_the_rest_goes_on(table, space, tmp_path, monkeypatch):
    def vanish(*_) -> None:
        raise Gone

    monkeypatch.setattr("atypica.training.tune.tune._work", vanish)
    tuning, said = Tuning("default", tuple(SETTINGS), load_space(space), open_source(str(table)), tmp_path), []
    study = tune_by(tuning, 2, say=said.append, executor=Vanishing())
    assert [trial.state for trial in study.trials] == [optuna.trial.TrialState.FAIL] * 2
    assert {trial.user_attrs["reason"] for trial in study.trials} == {"its worker vanished 3 times"}
    assert [line for line in said if "a worker was lost" not in line] == [
        f"trial {number}: failed, its worker vanished 3 times" for number in (0, 1)
    ]


def test_a_worker_that_does_not_see_the_folder_begins_no_study(table, space, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tuning = Tuning("default", tuple(SETTINGS), load_space(space), open_source(str(table)), Path("out")).rooted
    with pytest.raises(OutputError, match="does not see the folder"):
        MakeTuner(tuning, 1, "", "", None)()
    assert tuning.folder == tmp_path / "out"
    assert not tuning.folder.exists()


def test_the_best_recipe_is_that_of_its_trial_and_goes_on_from_the_recipe(tuned):
    out, _ = tuned
    found = pd.read_csv(out / "trials.csv").set_index("trial")
    number = int(found["auroc"].idxmax())
    best, tried = load_recipe(str(out / "best.yaml")), load_recipe(str(out / "trials" / str(number) / "recipe.yaml"))
    assert best == tried
    assert best.optimizer.lr == pytest.approx(found.loc[number, "optimizer.lr"], rel=1e-12)
    assert best.loss.name == found.loc[number, "loss.name"]
    assert (best.training.epochs, best.model.backbone) == (2, "test_efficientnet")
    assert f"Trial {number}, the best of 4" in (out / "best.yaml").read_text()


def test_pictures_are_there_and_weights_are_not(tuned):
    out, _ = tuned
    assert {path.name for path in out.glob("*.png")} == {"history.png", "importances.png"}
    assert not [path for path in out.rglob("*") if path.suffix in {".safetensors", ".ckpt"}]


def test_given_again_it_does_nothing_twice_and_says_what_it_found(tuned, table, space, capsys):
    out, _ = tuned
    assert run(table, space, out) == ExitCode.OK
    said = capsys.readouterr().err
    assert "4 trials: 4 finished" in said
    assert "epoch" not in said
    assert "it flatters" in said
    with pytest.raises(SettingsError, match="begun with another recipe"):
        run(table, space, out, "training.epochs=3")


@pytest.mark.slow
def test_a_trial_that_was_killed_goes_on_from_its_last_epoch(table, space, tmp_path, capsys):
    """A real process, really killed."""
    command = [
        sys.executable, "-m", "atypica.apps.cli", "tune", "default", *SETTINGS, "training.epochs=9", "--space", space,
        "--data", str(table), "--trials", "1", "--out", str(tmp_path), "--threads", "1",
    ]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any("fold 0, epoch 3 of 9" in line for line in process.stderr)
        os.kill(process.pid, signal.SIGKILL)
    run(table, space, tmp_path, "training.epochs=9", total=1)
    said = capsys.readouterr().err
    assert "trial 0 goes on: " in said
    assert "fold 0, epoch 1 of 9" not in said
    assert "fold 0, epoch 9 of 9" in said
    assert len(pd.read_csv(tmp_path / "trials.csv")) == 1


def test_a_trial_is_ended_after_an_epoch_where_the_study_says_so(table, space, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(optuna.trial.Trial, "should_prune", lambda trial: True)
    assert run(table, space, tmp_path, total=1, pruner="median") == ExitCode.SOME_FAILED, "none was finished"
    (row,) = pd.read_csv(tmp_path / "trials.csv").to_dict("records")
    assert row["outcome"] == "pruned"
    assert re.fullmatch(r"after epoch 1 of fold 0: AUROC [\d.]+", row["reason"])
    assert not (tmp_path / "best.yaml").exists()
    assert "no trial was finished" in capsys.readouterr().err


def test_what_fails_or_collapses_stays_in_the_study_with_its_reason_and_the_rest_goes_on(
    table, space, tmp_path, monkeypatch, capsys
):
    ends = [RuntimeError("out of memory"), CollapsedError("fold 1 collapsed: one class"), [0.7, 0.9], [0.6, 0.7]]

    def worked(self, recipe, folder, trial, space):
        trial.report(0.5, 1)
        end = ends[trial.number]
        if isinstance(end, Exception):
            raise end
        return end

    monkeypatch.setattr(trials.Trials, "run", worked)
    assert run(table, space, tmp_path) == ExitCode.SOME_FAILED
    found = pd.read_csv(tmp_path / "trials.csv", keep_default_na=False)
    assert list(found["outcome"]) == ["failed", "collapsed", "finished", "finished"]
    assert list(found["reason"])[:2] == ["RuntimeError: out of memory", "fold 1 collapsed: one class"]
    assert list(found["auroc"])[:2] == ["", ""]
    assert [float(value) for value in found["auroc"][2:]] == pytest.approx([0.8, 0.65])
    assert "RuntimeError" in (tmp_path / "trials" / "0" / "error.txt").read_text()
    assert "best, trial 2: AUROC 0.8000, mean of 2 folds" in capsys.readouterr().err


class Told:
    """A trial of a study that would end it at once."""

    def __init__(self):
        self.values = {}

    def report(self, value, step):
        self.values[step] = value

    def should_prune(self):
        return True


def judge(**changes) -> Judge:
    space = SearchSpace.parse({**SPACE, "pruner": "median", "first_step": 9, **changes}, "")
    return Judge(Told(), space, folds=2, epochs=3)


def test_the_value_of_an_epoch_is_the_mean_over_it_and_the_folds_before():
    found = judge()
    found.after_epoch(0, 0, {"auroc": 0.6})
    found.after_fold(0, {"auroc": 0.8})
    found.after_epoch(1, 1, {"auroc": 0.5})
    found.after_epoch(1, 2, {"auroc": 0.7})
    assert found.trial.values == pytest.approx({1: 0.6, 5: 0.65, 6: 0.75})


def test_a_trial_that_is_through_is_not_ended_any_more():
    found = judge(first_step=1)
    with pytest.raises(optuna.TrialPruned, match=r"after epoch 2 of fold 1: AUROC 0\.500"):
        found.after_epoch(1, 1, {"auroc": 0.5})
    found.after_epoch(1, 2, {"auroc": 0.5})
    by_fold = judge(prune_by="fold", first_step=1, metric="balanced_accuracy")
    with pytest.raises(optuna.TrialPruned, match=r"after fold 0: BA 0\.600"):
        by_fold.after_fold(0, {"auroc": 0.9, "balanced_accuracy": 0.6})
    by_fold.after_fold(1, {"auroc": 0.9, "balanced_accuracy": 0.7})
    assert by_fold.trial.values == pytest.approx({1: 0.6, 2: 0.65})


@pytest.mark.parametrize(
    ("name", "kind"), [("median", "MedianPruner"), ("halving", "SuccessiveHalvingPruner"), ("none", "NopPruner")]
)
def test_the_pruner_is_the_one_that_the_space_names(name, kind):
    assert type(_pruner(SearchSpace.parse({**SPACE, "pruner": name}, ""))).__name__ == kind


def test_without_optuna_the_extra_is_named(table, space, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.startswith(("optuna", "atypica.training.tune"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match="tune needs the extra 'tune'"):
        run(table, space, tmp_path / "out")
    assert not (tmp_path / "out").exists()
