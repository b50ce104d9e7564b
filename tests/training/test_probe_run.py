"""A probe as a run: frozen features, solved folds, and a bundle like any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from drawn_table import write_drawn_table
from safetensors import safe_open
from safetensors.torch import load_file

from atypica.core.errors import SettingsError
from atypica.data.figures import Figures
from atypica.data.sources import open_source
from atypica.inference.bundle import read_bundle
from atypica.inference.model import Model
from atypica.training.crossval import cross_validate, fold_networks, out_of_fold
from atypica.training.fold import PREDICTIONS, fold_folder
from atypica.training.predict import predict
from atypica.training.probe import folds as probe_folds
from atypica.training.probe.features import FrozenFeatures, probe_outputs
from atypica.training.probe.folds import fold_probes, inner_folds, joined_network
from atypica.training.recipe import load_recipe
from atypica.training.run import Run
from atypica.training.sampling import derive_seed
from atypica.training.train import train

SMALL = [
    "model.backbone=test_efficientnet", "model.weights=random", "geometry.fraction=0.5", "geometry.size_px=48",
    "split.folds=3", "probe.inner_folds=2", "probe.grid=[0.01,0.1]",
]  # fmt: skip
SUBTYPE = ["heads.kind=softmax"]
HIDDEN = ["probe.kind=mlp", "heads.hidden=6"]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    return write_drawn_table(tmp_path_factory.mktemp("drawn"), 90, tested=3)


def recipe_of(*settings: str):
    return load_recipe("banerjee2026-virchow2-probe", [*SMALL, *settings])


def run_of(folder: Path, table: Path, *settings: str) -> Run:
    return Run.open(folder, recipe_of(*settings), open_source(table))


def once_resampled(figures: Figures) -> np.ndarray:
    """Those of whom a training's larger crops are kept as they are: the others are resampled twice for it."""
    return figures.table["mpp"].to_numpy() == 0.25


def no_crops():
    raise AssertionError("a probe reads embeddings, not crops")


@pytest.mark.parametrize("settings", [(), SUBTYPE, HIDDEN, (*SUBTYPE, *HIDDEN), ("probe.kind=lda",)])
def test_the_folds_networks_say_what_the_probes_said(settings, table, tmp_path):
    run = run_of(tmp_path, table, *settings)
    metrics = cross_validate(run, no_crops, views=(1, 8))
    assert [one["figures"] for one in metrics] == np.bincount(run.folds).tolist()
    assert all(one["penalty"] in (0.01, 0.1) for one in metrics)
    said, store = out_of_fold(run).set_index("figure_id"), run.load_crops()
    for fold, network in enumerate(fold_networks(run)):
        rows = np.flatnonzero((run.folds == fold) & once_resampled(run.figures))
        expected = predict(network, store, rows)
        found = said.loc[run.figures.table["figure_id"].to_numpy()[rows]]
        assert np.allclose(found["amf_0_views1"], expected["amf"][:, 0], atol=2e-3)
        if "subtype" in expected:
            columns = [f"subtype_{index}_views1" for index in range(8)]
            assert np.allclose(found[columns], expected["subtype"], atol=2e-3)


def test_the_networks_share_one_backbone_and_the_folds_keep_the_head_alone(table, tmp_path):
    run = run_of(tmp_path, table)
    cross_validate(run, no_crops, views=(1,))
    networks = fold_networks(run)
    assert networks[0].backbone is networks[1].backbone
    assert networks[0].head is not networks[1].head
    with safe_open(tmp_path / "folds" / "0" / "probe.safetensors", "pt") as file:
        assert sorted(file.keys()) == ["head.bias", "head.weight"]


@pytest.mark.parametrize("settings", [(), HIDDEN])
def test_the_joined_network_says_the_mean_logit(settings, table, tmp_path):
    run = run_of(tmp_path, table, *settings)
    cross_validate(run, no_crops, views=(1,))
    features = FrozenFeatures(run).of(run.tested)
    mean = np.mean([probe_outputs(run, probe, features)["amf"] for probe in fold_probes(run)], axis=0)
    store = run.read_crops(run.tested)
    same = once_resampled(run.tested)
    assert same.sum() > 3
    assert np.allclose(predict(joined_network(run), store, np.flatnonzero(same))["amf"], mean[same], atol=2e-3)


def test_a_bundle_of_a_probe_types_figures(table, tmp_path):
    lines: list[str] = []
    bundle = train(recipe_of(), open_source(table), tmp_path / "run", lines.append)
    run = run_of(tmp_path / "run", table)
    result = Model(read_bundle(bundle)).classify(run.tested)
    features = FrozenFeatures(run).of(run.tested)
    logits = np.mean([probe_outputs(run, probe, features)["amf"][:, 0] for probe in fold_probes(run)], axis=0)
    card = read_bundle(bundle).card
    expected = 1 / (1 + np.exp(-(logits - card.calibration.bias) / card.calibration.temperature))
    assert np.allclose(result.predictions["p_amf"], expected, atol=0.02)
    assert "flatter" not in str(card.training_data.get("notes", ""))
    again: list[str] = []
    train(recipe_of(), open_source(table), tmp_path / "run", again.append)
    assert [line for line in again if line.startswith("fold")] == [line for line in lines if line.startswith("fold")]


def head_of(run: Run) -> torch.Tensor:
    return load_file(fold_folder(run, 0) / probe_folds.FILE)["head.weight"]


def test_what_is_finished_is_not_solved_again(table, tmp_path, monkeypatch):
    run = run_of(tmp_path, table)
    cross_validate(run, no_crops, views=(1,))
    monkeypatch.setattr(probe_folds, "solve_folds", None)
    cross_validate(run, no_crops, views=(1,))


def test_turned_crops_train_as_well(table, tmp_path):
    one, eight = run_of(tmp_path / "1", table), run_of(tmp_path / "8", table, "probe.views=8")
    for run in (one, eight):
        cross_validate(run, no_crops, views=(1, 8), only=[0])
    assert FrozenFeatures(eight).of(eight.figures, 8).shape[:2] == (len(eight.figures), 8)
    assert not torch.allclose(head_of(one), head_of(eight), atol=1e-3)
    assert "amf_0_views8" in pd.read_parquet(fold_folder(eight, 0) / PREDICTIONS)


def test_no_case_is_cut_to_choose_a_penalty(table, tmp_path):
    run = run_of(tmp_path, table)
    fold = inner_folds(run, 1)
    assert not (fold.trained & (run.folds == 1)).any()
    assert np.array_equal(np.any(fold.inner, axis=0), fold.trained)
    cases = np.array(run.figures.cases)
    for part in fold.inner:
        assert not set(cases[part]) & set(cases[fold.trained & ~part])


def test_as_published_moves_a_linear_layer_by_small_steps(table, tmp_path):
    run = run_of(tmp_path, table, "probe.as_published=true", "training.epochs=3", "training.patience=1")
    (metrics,) = cross_validate(run, no_crops, views=(1,), only=[0])
    assert 1 <= metrics["kept_epoch"] <= metrics["epochs"] <= 3
    width = run.new_network().width
    torch.manual_seed(derive_seed(run.recipe.seed, 0))
    first = torch.nn.Linear(width, 1).weight.detach()
    moved = (head_of(run) - first).abs().max()
    steps = metrics["epochs"] * (run.folds != 0).sum() // 8
    assert 0 < moved <= 2 * steps * run.recipe.optimizer.lr  # Adam moves no weight much faster than its rate


def test_neighbors_are_scored_and_make_no_bundle(table, tmp_path):
    with pytest.raises(SettingsError, match="nearest neighbors"):
        train(recipe_of("probe.kind=knn", "probe.grid=[3,9]"), open_source(table), tmp_path)
    assert not any(tmp_path.iterdir())
    run = run_of(tmp_path, table, "probe.kind=knn", "probe.grid=[3,9]")
    assert all(one["penalty"] in (3, 9) for one in cross_validate(run, no_crops, views=(1,)))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["heads.votes=0.5"], "one target"),
        (["heads.kind=experts"], "one target"),
        (["probe.kind=mlp"], "heads.hidden"),
        (["heads.hidden=8"], "heads.hidden"),
        (["ensemble=mean_probability"], "become one"),
        (["distill.epochs=1", "distill.lr=0.1"], "distilled"),
        (["probe.as_published=true", "heads.kind=softmax"], "for AMF"),
        (["probe.kind=lda", "probe.grid=[2]"], "between 0 and 1"),
        (["probe.kind=knn", "probe.grid=[2.5]"], "numbers of neighbors"),
        (["probe.kind=lda", "probe.as_published=true", "probe.grid=[]"], "linear layer on one view"),
        (["model.prompts=4"], "leaves the backbone"),
    ],
)
def test_what_cannot_be_a_probe_is_told(settings, words):
    with pytest.raises(SettingsError, match=words):
        recipe_of(*settings)
