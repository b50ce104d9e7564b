"""Fine-tuning: a training that goes on from a bundle."""

from __future__ import annotations

import re
from dataclasses import replace

import pandas as pd
import pytest
import torch
from drawn_table import write_drawn_table

from atypica.core.errors import SettingsError
from atypica.data.sources import open_source
from atypica.inference.bundle import read_bundle
from atypica.training.distill import student_network
from atypica.training.recipe import load_recipe
from atypica.training.run import Run
from atypica.training.train import train

SMALL = [
    "model.backbone=test_efficientnet", "model.weights=random", "geometry.size_px=48", "split.train_on=all",
    "split.folds=2", "training.epochs=6", "training.batch_size=8", "training.ema_decay=0.5", "optimizer.lr=0.003",
    "distill.epochs=1", "distill.rounds=1",
]  # fmt: skip


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return open_source(write_drawn_table(tmp_path_factory.mktemp("drawn") / "figures", 100, seed=3))


@pytest.fixture(scope="module")
def first(drawn, tmp_path_factory):
    folder = tmp_path_factory.mktemp("first")
    half = drawn.where(pd.Series(drawn.cases).isin(sorted(set(drawn.cases))[::2]).to_numpy())
    train(load_recipe("default", SMALL), half, folder)
    return Run.open(folder, load_recipe("default", SMALL), half)


def going_on(first, *more):
    return load_recipe("default", [*SMALL, f"model.start_from={first.folder / 'bundle'}", *more])


def test_every_fold_starts_with_what_the_bundle_says(first, drawn, tmp_path):
    run = Run.open(tmp_path, going_on(first), drawn)
    crops = first.load_crops().plain(torch.arange(4))
    said, started = student_network(first)(crops), run.new_network(seed=5).eval()(crops)
    for head in ("amf", "subtype", "disagreement"):
        torch.testing.assert_close(started[head], said[head], atol=5e-3, rtol=5e-3)


def test_a_head_of_other_experts_starts_anew_and_the_others_do_not(first, drawn, tmp_path):
    fewer = replace(drawn, table=drawn.table.drop(columns=["vote_3"]))
    run = Run.open(tmp_path, going_on(first), fewer)
    crops = first.load_crops().plain(torch.arange(4))
    said, started = student_network(first)(crops), run.new_network(seed=5).eval()(crops)
    assert started["votes"].shape[1] == 2
    for head in ("amf", "subtype", "disagreement"):
        torch.testing.assert_close(started[head], said[head], atol=5e-3, rtol=5e-3)


def test_the_new_bundle_names_the_old_one_and_keeps_its_training_figures(first, drawn, tmp_path):
    rest = drawn.where(~pd.Series(drawn.cases).isin(set(first.figures.cases)).to_numpy())
    bundle, old = read_bundle(train(going_on(first), rest, tmp_path)), read_bundle(first.folder / "bundle")
    assert bundle.trained_on is not None
    assert old.trained_on is not None
    assert old.trained_on < bundle.trained_on
    assert len(bundle.trained_on) == len(drawn)
    assert bundle.card.training_data["started_from"]["onnx_sha256"] == old.card.onnx_sha256


def test_a_run_is_tied_to_the_bundle_that_it_goes_on_from(first, drawn, tmp_path):
    plain = Run.open(tmp_path / "a", load_recipe("default", SMALL), drawn)
    assert Run.open(tmp_path / "b", going_on(first), drawn).data_hash != plain.data_hash


@pytest.mark.parametrize(
    ("settings", "words"),
    [(["geometry.size_px=64"], "add geometry.field_um=16 geometry.size_px=48"),
     (["model.backbone=test_resnet"], "take the recipe that made the bundle .backbone test_efficientnet.")],
)  # fmt: skip
def test_a_bundle_that_does_not_fit_is_refused_with_what_to_do(first, drawn, tmp_path, settings, words):
    with pytest.raises(SettingsError) as raised:
        Run.open(tmp_path, going_on(first, *settings), drawn).new_network()
    assert re.search(words, raised.value.fix)
