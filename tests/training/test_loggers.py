"""Loggers by name, what Lightning is told of devices, and what a person sees."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import lightning.fabric.loggers.tensorboard as fabric_tensorboard
import numpy as np
import pytest
from lightning.pytorch.loggers import CSVLogger, mlflow, tensorboard

from atypica.apps.cli import train as verb
from atypica.core.errors import MissingExtraError, SettingsError
from atypica.data.drawn import draw_figures
from atypica.data.sources import open_source
from atypica.training import fit as engine
from atypica.training import hardware, live, loggers, sampling
from atypica.training.crossval import train_fold
from atypica.training.hardware import Hardware
from atypica.training.live import LiveView, numbers_line
from atypica.training.recipe import load_recipe
from atypica.training.run import Run
from atypica.training.sampling import BalancedBatches

TINY = [
    "model.backbone=test_efficientnet", "model.weights=random", "geometry.size_px=32", "split.train_on=all",
    "split.folds=2", "training.epochs=2", "training.batch_size=8", "heads={}", "distill=null",
    "optimizer.warmup_epochs=0", "training.keep=best_auroc",
]  # fmt: skip


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn") / "figures"
    draw_figures(folder, 24, seed=3, amf_rate=0.5)
    return open_source(folder / "figures.csv")


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_a_logger_that_is_not_installed_is_named_before_anything_is_read(figures, tmp_path, name, monkeypatch):
    monkeypatch.setattr(loggers, "find_spec", lambda package: None)
    with pytest.raises(MissingExtraError, match=f"needs the extra '{name}'") as refused:
        Run.open(tmp_path / "run", load_recipe("default", [*TINY, f"training.logger={name}"]), figures)
    assert refused.value.fix == f"pip install 'atypica[{name}]'"
    assert not (tmp_path / "run").exists()


def test_csv_needs_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(loggers, "find_spec", lambda package: None)
    assert isinstance(loggers.new_logger("csv", tmp_path, "default"), CSVLogger)


class Writer:
    """As TensorBoard's SummaryWriter."""

    written: dict[str, list[float]]

    def __init__(self, log_dir, **_):
        self.log_dir = log_dir
        Writer.written = {}

    def add_scalar(self, name, value, step):
        Writer.written.setdefault(name, []).append(float(value))

    def __getattr__(self, name):
        return lambda *_, **__: None


def test_tensorboard_is_given_what_csv_would_hold(figures, tmp_path, monkeypatch):
    """Through a stand-in for tensorboardX, which is not installed with the tests."""
    stand_in = ModuleType("tensorboardX")
    stand_in.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "tensorboardX", stand_in)
    monkeypatch.setattr(fabric_tensorboard, "_TENSORBOARD_AVAILABLE", False)
    monkeypatch.setattr(fabric_tensorboard, "_TENSORBOARDX_AVAILABLE", True)
    monkeypatch.setattr(tensorboard, "_TENSORBOARD_AVAILABLE", False)
    monkeypatch.setattr(loggers, "find_spec", lambda package: package == "tensorboardX" or None)
    run = Run.open(tmp_path, load_recipe("default", [*TINY, "training.logger=tensorboard"]), figures)
    metrics = train_fold(run, run.load_crops(), 0, views=(1,))
    assert {"loss", "val_loss", "val_balanced_accuracy", "val_auroc"} <= Writer.written.keys()
    assert max(Writer.written["val_auroc"]) == pytest.approx(metrics["auroc"], abs=1e-4)
    assert not list(tmp_path.rglob("metrics.csv"))


def test_tensorboard_keeps_a_real_training(figures, tmp_path):
    """Read back from the event file of the real package."""
    pytest.importorskip("tensorboard", reason="the extra 'tensorboard' is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = Run.open(tmp_path, load_recipe("default", [*TINY, "training.logger=tensorboard"]), figures)
    metrics = train_fold(run, run.load_crops(), 0, views=(1,))
    (events,) = (tmp_path / "folds" / "0" / "log").rglob("events.out.tfevents.*")
    kept = EventAccumulator(str(events)).Reload()
    assert {"loss", "val_loss", "val_balanced_accuracy", "val_auroc"} <= set(kept.Tags()["scalars"])
    aurocs = [event.value for event in kept.Scalars("val_auroc")]
    assert len(aurocs) == 2, "one an epoch"
    assert max(aurocs) == pytest.approx(metrics["auroc"], abs=1e-4)
    assert not list(tmp_path.rglob("metrics.csv"))


def test_mlflow_is_told_the_recipe_and_the_fold(tmp_path, monkeypatch):
    clients = []

    def client(uri):
        clients.append(uri)
        return SimpleNamespace()

    package, tracking = ModuleType("mlflow"), ModuleType("mlflow.tracking")
    tracking.MlflowClient = client
    monkeypatch.setitem(sys.modules, "mlflow", package)
    monkeypatch.setitem(sys.modules, "mlflow.tracking", tracking)
    monkeypatch.setattr(mlflow, "_MLFLOW_AVAILABLE", True)
    monkeypatch.setattr(loggers, "find_spec", lambda name: name == "mlflow" or None)
    made = loggers.new_logger("mlflow", tmp_path / "folds" / "3", "kotte2025")
    assert isinstance(made, mlflow.MLFlowLogger)
    assert (made._experiment_name, made._run_name) == ("kotte2025", (tmp_path / "folds" / "3").as_posix())
    assert len(clients) == 1


def test_devices_and_strategy_reach_lightning_from_the_command_line(figures, tmp_path, monkeypatch):
    """What the trainer is told; no second process is started here."""
    told = {}

    class StopError(Exception):
        pass

    def trainer(**arguments):
        told.update(arguments)
        raise StopError

    monkeypatch.setattr(engine.L, "Trainer", trainer)
    with pytest.raises(StopError):
        verb.train("default", *TINY, data=str(figures.root / "figures.csv"), out=tmp_path, devices=2, strategy="ddp")
    assert (told["devices"], told["strategy"]) == (2, "ddp")
    assert told["use_distributed_sampler"] is False, "the batches share themselves out"


@pytest.mark.parametrize(
    "arguments", [(0, "auto"), (-1, "ddp"), ("many", "auto"), (2, "ddp_spawn"), (2, "ddp_notebook")]
)
def test_what_cannot_work_is_refused(arguments):
    with pytest.raises(SettingsError):
        Hardware(*arguments)


def test_processes_share_every_batch_of_one(monkeypatch):
    labels = np.array([0.0, 1.0] * 12)

    def batches(process, processes):
        monkeypatch.setattr(sampling, "place", lambda: (process, processes))
        return list(BalancedBatches(labels, 8, 1.0, seed=4))

    whole, first, second = batches(0, 1), batches(0, 2), batches(1, 2)
    assert [len(batch) for batch in (first[0], second[0])] == [4, 4]
    assert [sorted(a + b) for a, b in zip(first, second, strict=True)] == [sorted(batch) for batch in whole]


@pytest.mark.parametrize(
    ("name", "value", "first"), [("LOCAL_RANK", "0", True), ("LOCAL_RANK", "1", False), ("RANK", "3", False)]
)
def test_a_process_that_was_started_for_others_is_not_the_first(monkeypatch, name, value, first):
    monkeypatch.setenv(name, value)
    assert hardware.is_first() is first
    assert hardware.of_first("mine") == "mine"


def test_a_person_reads_what_is_known():
    numbers = {"loss": 0.41234, "val_loss": 0.5, "val_balanced_accuracy": 0.8125, "val_auroc": 0.9, "lr": 3e-4}
    line = "loss 0.412, validation loss 0.500, BA 0.812, AUROC 0.900, learning rate 3.0e-04, 1:02:05 left"
    assert numbers_line(numbers, 3725) == line
    assert numbers_line({"lr": 1e-5}, 61.4) == "learning rate 1.0e-05, 1:01 left"


def trainer_at(epoch, losses, epochs=4, batches=10):
    return SimpleNamespace(
        current_epoch=epoch, max_epochs=epochs, num_training_batches=batches, is_global_zero=True,
        callback_metrics=losses, optimizers=[SimpleNamespace(param_groups=[{"lr": 1e-4}, {"lr": 5e-5}])],
    )  # fmt: skip


@pytest.mark.parametrize("terminal", [False, True])
def test_a_line_an_epoch_without_a_terminal_and_a_bar_in_one(monkeypatch, capsys, terminal):
    now = [100.0]
    monkeypatch.setattr(live.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(live, "sys", SimpleNamespace(stderr=SimpleNamespace(isatty=lambda: terminal)))
    view = LiveView("fold 2")
    # Resumed in the second of four epochs: 20 seconds for one epoch leave 40 for two.
    view.on_train_start(trainer_at(1, {}), None)
    now[0] = 120.0
    view.on_train_batch_end(trainer_at(1, {}), None, {"loss": 0.7}, None, 9)
    if terminal:
        task = view._bar.tasks[0]
        assert (task.completed, task.total, task.description) == (20, 40, "fold 2, epoch 2 of 4")
        assert task.fields["numbers"] == "loss 0.700, learning rate 1.0e-04, 0:40 left"
    view.on_train_epoch_end(trainer_at(1, {"loss": 0.6}), None)
    view.close()
    plain = "fold 2, epoch 2 of 4: loss 0.600, learning rate 1.0e-04, 0:40 left"
    assert (plain in capsys.readouterr().err) is not terminal
