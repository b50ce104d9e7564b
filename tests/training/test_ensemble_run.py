"""A recipe without distillation: the networks of its folds are released as one bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drawn_table import write_drawn_table
from scipy.special import expit
from tiny_suite import SETTINGS, suite_values

from atypica.apps.cli.classify import classify
from atypica.benchmark.engine import Options, run_suite
from atypica.benchmark.suite import Suite
from atypica.core.errors import SettingsError
from atypica.data.figures import Figures
from atypica.data.sources import open_source
from atypica.evaluation.bootstrap import BootstrapSettings
from atypica.inference.bundle import read_bundle
from atypica.inference.predictions import calibrated, subtype_probabilities
from atypica.training.crossval import fold_networks
from atypica.training.predict import predict
from atypica.training.recipe import load_recipe
from atypica.training.run import Run
from atypica.training.train import train

PLAIN = [setting for setting in SETTINGS if not setting.startswith("distill")] + ["distill=null"]


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    return write_drawn_table(tmp_path_factory.mktemp("drawn") / "figures", 100, tested=4)


@pytest.fixture(scope="module")
def figures(table) -> Figures:
    return open_source(table)


@pytest.fixture(scope="module")
def run(figures, tmp_path_factory) -> Run:
    folder, recipe = tmp_path_factory.mktemp("run"), load_recipe("default", [*PLAIN, "seed=3"])
    train(recipe, figures, folder)
    return Run.open(folder, recipe, figures)


def test_the_bundle_says_what_the_folds_networks_say_on_average(run, table, tmp_path):
    """From the command line to the table: the networks' own probabilities, meaned here, then calibrated."""
    classify(str(table), out=tmp_path, model=run.folder / "bundle")
    typed = pd.read_csv(tmp_path / "predictions.csv")
    store = run.read_crops(open_source(table))
    said = [predict(network, store, np.arange(len(store))) for network in fold_networks(run)]
    assert len(said) == 2
    each = np.stack([one["amf"][:, 0] for one in said]).astype(np.float64)
    assert np.abs(each[0] - each[1]).max() > 0.05, "folds that agree would prove nothing"
    p = expit(each).mean(axis=0)
    card = read_bundle(run.folder / "bundle").card
    expected = calibrated(np.log(p / (1 - p)).astype(np.float32), card.calibration)
    np.testing.assert_allclose(typed["p_amf"], expected, atol=0.02)
    columns = [subtype_probabilities(expit(a), one["subtype"]) for a, one in zip(each, said, strict=True)]
    mean = np.mean(columns, axis=0)
    within = mean / np.repeat(np.stack([mean[:, :4].sum(1), mean[:, 4:].sum(1)], axis=1), 4, axis=1)
    sides = np.repeat(np.stack([1 - typed["p_amf"], typed["p_amf"]], axis=1), 4, axis=1)
    names = ["prometaphase", "metaphase", "anaphase_telophase", "ring_shape"]
    np.testing.assert_allclose(typed[[f"p_{name}" for name in names]], (within * sides)[:, :4], atol=0.02)
    assert typed["ood"].notna().all()


def test_nothing_is_distilled_and_the_card_says_how_the_folds_became_one(run):
    assert not (run.folder / "student").exists()
    assert [entry["step"] for entry in run.ledger.entries()] == ["fold 0", "fold 1", "bundle"]
    card = read_bundle(run.folder / "bundle").card
    assert card.recipe["distill"] is None
    assert card.recipe["ensemble"] == "mean_probability"


@pytest.mark.slow
def test_another_ensemble_of_the_same_folds_trains_nothing_again(run, figures):
    stamp = (run.folder / "folds/0/network.safetensors").stat().st_mtime_ns
    both = (run.folder / "bundle/model.onnx").stat().st_size
    recipe = load_recipe("default", [*PLAIN, "seed=3", "ensemble=first"])
    train(recipe, figures, run.folder)
    assert (run.folder / "folds/0/network.safetensors").stat().st_mtime_ns == stamp
    assert (run.folder / "bundle/model.onnx").stat().st_size < 0.7 * both
    going_on = load_recipe("default", [*PLAIN, f"model.start_from={run.folder / 'bundle'}"])
    assert Run.open(run.folder.parent / "on", going_on, figures).start is not None
    train(run.recipe, figures, run.folder)


def test_a_training_does_not_go_on_from_an_ensemble_and_says_what_to_do(run, figures, tmp_path):
    recipe = load_recipe("default", [*PLAIN, f"model.start_from={run.folder / 'bundle'}"])
    with pytest.raises(SettingsError, match="an ensemble of networks") as raised:
        Run.open(tmp_path / "run", recipe, figures)
    assert "distill" in raised.value.fix


def test_an_ensemble_beside_a_distilled_network_is_refused():
    with pytest.raises(SettingsError, match="distilled into one network"):
        load_recipe("default", ["ensemble=mean_logit"])
    assert load_recipe("default", ["distill=null"]).fold_hash == load_recipe("default").fold_hash
    with pytest.raises(SettingsError, match="did you mean 'teacher'"):
        load_recipe("default", ["distill.teachr=0.5"])


def test_a_benchmark_scores_the_same_ensemble_and_no_student(run, table, tmp_path):
    entry = {"label": "plain", "recipe": "default", "settings": ["distill=null"]}
    settings = [setting for setting in SETTINGS if not setting.startswith("distill")]
    values = suite_values(
        data=str(table), settings=settings, entries=[entry], tests=[{"name": "Inner", "split": "test"}]
    )
    place = tmp_path / "runs/plain/seed-3"
    place.parent.mkdir(parents=True)
    place.symlink_to(run.folder, target_is_directory=True)
    board = run_suite(Suite.parse(values, "suite"), tmp_path, Options(bootstrap=BootstrapSettings(replicates=50)))
    assert board is not None
    assert board.failures == ()
    assert [one.kind for one in board.scored] == ["ensemble"]
    kept = pd.read_parquet(tmp_path / "predictions/plain/seed-3/Inner.parquet")
    p = expit(kept[["amf_0", "amf_1"]].to_numpy()).mean(axis=1)
    called, amf = p >= 0.5, (kept["label"] == "AMF").to_numpy()
    sensitivity = board.scored[0].evaluations["0.5"].overall.metrics["sensitivity"].value
    assert sensitivity == pytest.approx(called[amf].mean())
    brier = board.scored[0].evaluations["0.5"].overall.metrics["brier"].value
    assert brier == pytest.approx(((p - amf) ** 2).mean(), abs=1e-6)
