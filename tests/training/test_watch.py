"""Watching a training: validation, the best epoch, early stopping, a second attempt; and the same after a kill."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import balanced_accuracy_score, log_loss, roc_auc_score

from atypica.core.errors import SettingsError, SourceError
from atypica.data.drawn import draw_figures
from atypica.data.figures import Figures
from atypica.data.sources import open_source
from atypica.training import crossval
from atypica.training.attempts import Attempts, changed_recipe
from atypica.training.best import BestEpoch
from atypica.training.crossval import cross_validate, train_fold
from atypica.training.fit import fit
from atypica.training.module import FigureModule
from atypica.training.predict import predict
from atypica.training.recipe import load_recipe
from atypica.training.run import Run
from atypica.training.validation import Validation

SMALL = [
    "model.backbone=test_efficientnet", "model.weights=random", "geometry.size_px=32", "split.train_on=all",
    "split.folds=2", "training.epochs=4", "training.batch_size=8", "training.soft_labels=false", "seed=5",
    "optimizer.lr=0.003", "optimizer.warmup_epochs=0", "training.ema_decay=0", "heads={}", "distill=null",
]  # fmt: skip
VALUES = [0.7, 0.8, 0.8, 0.6, 0.75, 0.9]
"""Of balanced accuracy, epoch by epoch: the best before a stop is the second, which the third equals."""


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "figures"
    draw_figures(folder, 32, seed=3, amf_rate=0.5)
    return folder / "figures.csv"


@pytest.fixture(scope="module")
def figures(table) -> Figures:
    return open_source(table)


def recipe(*more: str):
    return load_recipe("default", [*SMALL, *more])


def by_dataset(figures, datasets) -> Figures:
    """The same figures, each a case of its own, of these datasets."""
    return Figures(figures.table.assign(dataset=datasets, case=figures.table["figure_id"]), figures.root, figures.name)


def logged(folder: Path) -> pd.DataFrame:
    """Whole epochs of the log, those of a resumed training too."""
    parts = [pd.read_csv(path) for path in sorted(folder.glob("log/version_*/metrics.csv"))]
    return pd.concat(parts).reset_index(drop=True)


class KilledError(Exception):
    """As a kill in an epoch."""


class Scripted(Validation):
    """Says what it is told, so that it is known which epoch is the best."""

    def __init__(self, values):
        self.values = values
        self.epoch = 0

    def on_train_epoch_end(self, trainer, pl_module):
        self.epoch = trainer.current_epoch
        super().on_train_epoch_end(trainer, pl_module)

    def measure(self, network):
        return {"loss": 1 - self.values[self.epoch], "balanced_accuracy": self.values[self.epoch]}


def trained(figures, folder, *more, values=VALUES, stop_at=None):
    """Six epochs, each validated as told; returns what it left, the epochs it began, and the weights after each."""
    chosen = recipe("training.epochs=6", *more)
    run = Run.open(folder / "run", chosen, figures)
    module = FigureModule(run.new_network(1), run.load_crops(), run.targets, chosen, lr=0.003, epochs=6, seed=0)
    step, begun, after = module.training_step, [], {}

    def watched(batch, batch_idx):
        if (module.current_epoch, batch_idx) == stop_at:
            raise KilledError
        if batch_idx == 0:
            begun.append(module.current_epoch)
            after[module.current_epoch - 1] = {k: v.clone() for k, v in module.averaged.state_dict().items()}
        return step(batch, batch_idx)

    module.training_step = watched
    batches = crossval.batches_of(run.figures, chosen, 0)
    return fit(module, batches, folder / "fold", 6, "key", validation=Scripted(values)), begun, after


def assert_equal(one, other):
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


@pytest.mark.parametrize(("keep", "kept"), [("best_balanced_accuracy", 2), ("best_loss", 2), ("last", None)])
def test_the_earliest_of_the_best_epochs_is_kept_and_without_a_better_one_it_stops(figures, tmp_path, keep, kept):
    patience = ["training.patience=3"] if kept else []
    fitted, begun, after = trained(figures, tmp_path, f"training.keep={keep}", *patience)
    assert (fitted.kept_epoch, begun) == (kept, [0, 1, 2, 3, 4] if kept else [0, 1, 2, 3, 4, 5])
    assert fitted.epochs == len(begun)
    stored = load_file(tmp_path / "fold" / "network.safetensors")
    assert_equal(fitted.network.state_dict(), stored)
    if kept:
        assert_equal(stored, after[1])
    else:
        assert not torch.equal(stored["head.weight"], after[1]["head.weight"])


STOPPING = ["training.keep=best_balanced_accuracy", "training.patience=3"]


@pytest.fixture(scope="module")
def straight(figures, tmp_path_factory):
    return trained(figures, tmp_path_factory.mktemp("straight"), *STOPPING)[0]


@pytest.mark.parametrize("epoch", range(5))
def test_stopped_in_any_epoch_the_same_is_kept(figures, straight, tmp_path, epoch):
    with pytest.raises(KilledError):
        trained(figures, tmp_path, *STOPPING, stop_at=(epoch, 2))
    resumed, begun, _ = trained(figures, tmp_path, *STOPPING)
    assert begun == list(range(epoch, 5))
    assert (resumed.kept_epoch, resumed.epochs) == (straight.kept_epoch, straight.epochs) == (2, 5)
    assert_equal(resumed.network.state_dict(), straight.network.state_dict())


def test_killed_after_the_epoch_that_stops_it_no_further_one_is_trained(figures, straight, tmp_path, monkeypatch):
    def kill(*_):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr("atypica.training.fit.keep_weights", kill)
        with pytest.raises(KilledError):
            trained(figures, tmp_path, *STOPPING)
    resumed, begun, _ = trained(figures, tmp_path, *STOPPING)
    assert (begun, resumed.kept_epoch, resumed.epochs) == ([], 2, 5)
    assert_equal(resumed.network.state_dict(), straight.network.state_dict())


def test_the_epochs_of_the_heads_alone_do_not_count_as_waiting(figures, tmp_path):
    fitted, begun, _ = trained(
        figures, tmp_path, "training.keep=best_auroc", "training.patience=1", "optimizer.head_epochs=3"
    )
    # No AUROC is ever told, so there is never a better epoch: the fourth is the first that could have brought one.
    assert (begun, fitted.kept_epoch) == ([0, 1, 2, 3], None)


def test_what_is_logged_is_what_others_compute_on_the_held_out_figures(figures, tmp_path):
    run = Run.open(tmp_path, recipe("training.keep=best_auroc", "training.epochs=2"), figures)
    store = run.load_crops()
    metrics = train_fold(run, store, 0, views=(1,))
    log = logged(tmp_path / "folds" / "0").dropna(subset=["val_loss"])
    assert {name for name in log if name.startswith("val_")} == {"val_loss", "val_balanced_accuracy", "val_auroc"}
    assert len(log) == 2
    best = log.iloc[metrics["kept_epoch"] - 1]
    assert best["val_auroc"] == log["val_auroc"].max()
    rows = np.flatnonzero(run.folds == 0)
    network = crossval.load_weights(run.new_network(), tmp_path / "folds" / "0")
    p = 1 / (1 + np.exp(-predict(network, store, rows)["amf"][:, 0].astype(np.float64)))
    labels = run.figures.labels[rows]
    assert best["val_auroc"] == pytest.approx(roc_auc_score(labels, p))
    assert best["val_balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, p >= 0.5))
    assert best["val_loss"] == pytest.approx(log_loss(labels, p), abs=1e-5)
    assert (metrics["epochs"], metrics["kept_by"]) == (2, "best_auroc")
    assert metrics["balanced_accuracy"] == pytest.approx(best["val_balanced_accuracy"], abs=1e-4)


def test_validation_changes_no_weight_of_a_training(figures, tmp_path):
    weights = []
    for name, settings in (("plain", []), ("watched", ["training.keep=best_loss"])):
        run = Run.open(tmp_path / name, recipe("training.epochs=2", *settings), figures)
        metrics = train_fold(run, run.load_crops(), 0, views=(1,))
        assert ("kept_epoch" in metrics) == bool(settings)
        log = logged(run.folder / "folds" / "0")
        assert ("val_loss" in log) == bool(settings)
        weights.append(log["loss"].dropna().tolist())
    assert weights[0] == weights[1]


def test_one_of_the_processes_of_a_slurm_job_trains_alone(figures, tmp_path, monkeypatch):
    job = {"JOB_ID": "7", "JOB_NAME": "ray", "NTASKS": "2", "NNODES": "2", "NODELIST": "node[1-2]", "PROCID": "1"}
    for name, value in job.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    run = Run.open(tmp_path, recipe("training.epochs=1"), figures)
    assert train_fold(run, run.load_crops(), 0, views=(1,))["figures"] > 0


def test_figures_of_one_class_can_be_watched_by_their_loss_alone(figures, tmp_path):
    mixed = by_dataset(figures, np.where(figures.labels == 1, "a", "b"))
    run = Run.open(tmp_path / "auroc", recipe("split.by=dataset", "training.keep=best_auroc"), mixed)
    store = run.load_crops()
    with pytest.raises(SourceError, match=r"all AMF.*auroc") as refused:
        train_fold(run, store, 0)
    assert "best_loss" in refused.value.fix
    run = Run.open(tmp_path / "loss", recipe("split.by=dataset", "training.keep=best_loss", "training.epochs=1"), mixed)
    metrics = train_fold(run, store, 0, views=(1,))
    assert (metrics["auroc"], metrics["balanced_accuracy"], metrics["kept_epoch"]) == (None, None, 1)


def test_a_value_that_is_not_a_number_is_never_the_best():
    best = BestEpoch("loss", 0)
    assert not best._is_better(float("nan"))
    assert best._is_better(3.0)
    best.value = 3.0
    assert not best._is_better(3.0)
    assert best._is_better(2.9)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.patience=3", r"training\.keep is 'last'"),
        ("training.keep=best", "best_balanced_accuracy"),
        ("training.retry={}", "lr_factor"),
        ("training.retry={lr: 0.1}", "unknown setting"),
        ("training.logger=wandb", "tensorboard"),
    ],
)
def test_a_wrong_setting_is_one_readable_line(override, words):
    with pytest.raises(SettingsError, match=words):
        recipe(override)


def test_a_retry_below_the_lowest_learning_rate_is_refused():
    with pytest.raises(SettingsError, match=r"0\.0003, and schedule\.min_lr"):
        recipe("schedule.min_lr=0.001", "training.retry={lr_factor: 0.1}")


def test_what_is_new_leaves_the_hash_of_the_default_recipe():
    plain = load_recipe("default")
    assert plain.hash == "9e6ab3eb2261"
    assert load_recipe("default", ["training.logger=mlflow"]).hash == plain.hash
    assert load_recipe("default", ["training.keep=best_loss"]).hash != plain.hash


def test_the_second_attempt_has_the_stated_change_and_the_same_folds():
    chosen = recipe(
        "training.retry={lr_factor: 0.1, seed_offset: 2}", "optimizer.head_epochs=1", "optimizer.head_lr=0.2"
    )
    again, changed = changed_recipe(chosen, chosen.training.retry)
    assert changed == pytest.approx({"optimizer.lr": 0.0003, "optimizer.head_lr": 0.02, "seed": 7})
    assert (again.optimizer.lr, again.seed) == (changed["optimizer.lr"], 7)
    assert again.split == chosen.split


AUROC = {"good": {"auroc": 0.9}, "poor": {"auroc": 0.6}, "broken": {"auroc": 0.5, "collapse": "called NMF"}}


def attempted(figures, folder, plan, *more, kill_after=99):
    """Go through the folds; `plan` says what each attempt at each fold comes to. Returns the attempts and the lines."""
    run = Run.open(folder, recipe(f"split.folds={len(plan)}", *more), figures)
    done, said = [], []

    def work(fold, chosen):
        if len(done) == kill_after:
            raise KilledError
        done.append((fold, chosen.optimizer.lr))
        second = chosen.optimizer.lr != run.recipe.optimizer.lr
        return dict(AUROC[plan[fold][int(second)]])

    attempts = Attempts(run, range(len(plan)), said.append)
    attempts.complete(lambda pending: attempts.keep(pending[0], work(pending[0].fold, pending[0].recipe), 1.0))
    return done, said, run.ledger


def test_without_a_retry_a_collapsed_fold_is_trained_once_and_named(figures, tmp_path):
    done, said, ledger = attempted(figures, tmp_path, [["good"], ["broken"], ["good"]])
    assert [fold for fold, _ in done] == [0, 1, 2]
    assert ledger.collapses() == {1: "called NMF"}
    assert "fold 1 collapsed: called NMF" in said


def test_a_fold_far_from_the_others_is_noted_in_a_line_of_its_own(figures, tmp_path):
    plan = [["good"], ["poor"], ["good"]]
    _, _, ledger = attempted(figures, tmp_path, plan)
    assert list(ledger.collapses()) == [1]
    assert "median" in ledger.collapses()[1]
    lines = len(ledger.entries())
    again, said, ledger = attempted(figures, tmp_path, plan)
    assert (again, len(ledger.entries())) == ([], lines)
    assert any("fold 1 collapsed" in line for line in said), "a finished run says it again"


def test_values_of_a_column_may_differ(figures, tmp_path):
    mixed = by_dataset(figures, np.array(["a", "b", "c"])[np.arange(len(figures)) % 3])
    _, _, ledger = attempted(mixed, tmp_path, [["good"], ["poor"], ["good"]], "split.by=dataset")
    assert ledger.collapses() == {}


RETRY = "training.retry={lr_factor: 0.1}"


@pytest.mark.parametrize(
    ("plan", "collapsed"),
    [
        ([["good"], ["broken", "good"], ["good"]], []),
        ([["good"], ["broken", "broken"], ["good"]], [1]),
        ([["good"], ["poor", "good"], ["good"]], []),
        ([["good"], ["broken", "poor"], ["poor", "good"], ["good"], ["good"]], [1]),
    ],
)
def test_a_collapsed_fold_is_trained_once_more_and_both_attempts_stand_in_the_ledger(
    figures, tmp_path, plan, collapsed
):
    straight, _, ledger = attempted(figures, tmp_path / "straight", plan, RETRY)
    assert list(ledger.collapses()) == collapsed
    tries = [entry["metrics"] for entry in ledger.entries() if entry["step"] == "fold 1"]
    assert "collapse" in [first for first in tries if "attempt" not in first][-1]
    second = tries[-1]
    assert second["attempt"] == 2
    assert second["changed"] == pytest.approx({"optimizer.lr": 0.0003})
    assert second["auroc"] == AUROC[plan[1][1]]["auroc"]
    for kill_after in range(1, len(straight)):
        folder = tmp_path / f"killed {kill_after}"
        with pytest.raises(KilledError):
            attempted(figures, folder, plan, RETRY, kill_after=kill_after)
        rest, _, resumed = attempted(figures, folder, plan, RETRY)
        assert rest == straight[kill_after:]
        assert [(e["step"], e["metrics"]) for e in resumed.entries()] == [
            (e["step"], e["metrics"]) for e in ledger.entries()
        ]


def test_the_best_epoch_outlasts_a_loss_that_is_not_a_number(figures, tmp_path, monkeypatch):
    run = Run.open(tmp_path, recipe("training.keep=best_loss"), figures)
    step, states = FigureModule.training_step, []

    def diverging(module, batch, batch_idx):
        if (module.current_epoch, batch_idx) == (1, 0):
            states.append({name: values.clone() for name, values in module.averaged.state_dict().items()})
        return step(module, batch, batch_idx) * (float("nan") if module.current_epoch and batch_idx else 1)

    monkeypatch.setattr(FigureModule, "training_step", diverging)
    metrics = train_fold(run, run.load_crops(), 0, views=(1,))
    assert metrics["collapse"] == "the loss is not a number in epoch 2"
    assert metrics["kept_epoch"] == 1
    assert_equal(load_file(tmp_path / "folds" / "0" / "network.safetensors"), states[0])


def test_a_loss_that_is_not_a_number_collapses_the_fold_and_not_the_run(figures, tmp_path, monkeypatch):
    """Really trained: the first attempt at fold 0 diverges, the second, with another learning rate, does not."""
    run = Run.open(tmp_path, recipe("training.epochs=1", "training.retry={lr_factor: 0.5}"), figures)
    step = FigureModule.training_step

    def diverging(module, batch, batch_idx):
        loss = step(module, batch, batch_idx)
        return loss * float("nan") if module.rates.lr == 0.003 and batch_idx == 1 else loss

    monkeypatch.setattr(FigureModule, "training_step", diverging)
    found = cross_validate(run, run.load_crops, views=(1,), only=[0])
    first, second = [entry["metrics"] for entry in run.ledger.entries() if entry["step"] == "fold 0"]
    assert first["collapse"] == "the loss is not a number in epoch 1"
    assert (second["attempt"], second["changed"]) == (2, {"optimizer.lr": 0.0015})
    assert found == [second]
    weights = load_file(tmp_path / "folds" / "0" / "network.safetensors")
    assert all(bool(torch.isfinite(values).all()) for values in weights.values())
    assert not list((tmp_path / "folds" / "0").glob("*.ckpt"))
