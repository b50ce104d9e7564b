"""A fixed part held out in place of folds, parts of joined sources, and test figures that lie where others train."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drawn_table import write_drawn_table
from scipy.special import expit
from sklearn.metrics import roc_auc_score
from tiny_suite import SETTINGS, suite_values

from atypica.benchmark.engine import Options, run_suite
from atypica.benchmark.suite import Suite
from atypica.core.errors import SettingsError, SourceError
from atypica.data.figures import Figures
from atypica.data.join import open_joined
from atypica.data.sources import open_source
from atypica.evaluation.bootstrap import BootstrapSettings
from atypica.inference.bundle import read_bundle
from atypica.inference.predictions import calibrated
from atypica.training import run as runs
from atypica.training.crossval import out_of_fold
from atypica.training.recipe import load_recipe
from atypica.training.run import Run, training_figures, with_shares
from atypica.training.strangeness import StrangenessModel, held_out_distances
from atypica.training.train import train

HELD_OUT = ["split.held_out=val", "split.shares=[60,20,20]", "distill=null", "ensemble=first", "seed=3"]
PLAIN = [setting for setting in SETTINGS if not setting.startswith("distill")]


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    return write_drawn_table(tmp_path_factory.mktemp("drawn") / "figures", 120)


@pytest.fixture(scope="module")
def figures(table) -> Figures:
    return open_source(table)


@pytest.fixture(scope="module")
def run(figures, tmp_path_factory) -> Run:
    folder, recipe = tmp_path_factory.mktemp("run"), load_recipe("default", [*PLAIN, *HELD_OUT])
    train(recipe, figures, folder)
    return Run.open(folder, recipe, figures)


def test_one_network_is_trained_and_judged_on_the_part_that_it_has_not_seen(run, figures):
    split = with_shares(figures, run.recipe).table["split"]
    val = set(figures.table["figure_id"][split == "val"])
    assert set(run.held_out.table["figure_id"]) == val
    assert len(run.figures) == int(split.isin(["train", "val"]).sum())
    assert run.fold_count == 1
    said = out_of_fold(run)
    assert said["figure_id"].tolist() == run.held_out.table["figure_id"].tolist()
    (entry,) = [entry for entry in run.ledger.entries() if entry["step"] == "fold 0"]
    labels = run.held_out.labels
    assert (entry["metrics"]["figures"], entry["metrics"]["amf"]) == (len(val), int(labels.sum()))
    assert entry["metrics"]["auroc"] == pytest.approx(roc_auc_score(labels, said["amf_0_views1"]), abs=1e-4)
    parts = [set(part.table["figure_id"]) for part in (run.held_out, run.tested, figures)]
    assert not parts[0] & parts[1]


def test_the_card_is_fitted_to_the_held_out_part_alone(run):
    card, labels = read_bundle(run.folder / "bundle").card, run.held_out.labels
    p = calibrated(out_of_fold(run)["amf_0_views1"].to_numpy(), card.calibration)
    called = p >= card.thresholds.default
    accuracy = card.thresholds.accuracy
    assert accuracy is not None
    assert (accuracy.n_amf, accuracy.n_nmf) == (int(labels.sum()), int((1 - labels).sum()))
    assert accuracy.sensitivity == pytest.approx(called[labels == 1].mean(), abs=1e-4)
    assert "held-out part 'val'" in card.thresholds.chosen_by
    known = card.training_data
    assert (known["part"], known["held_out"]) == ("train+val", "val")
    assert (known["figures"], known["held_out_figures"]) == (len(run.figures), len(run.held_out))
    names = [name.split(", ", 1)[1] for name in card.metrics]
    assert names == ["held-out part val (its network)", "test split"]
    assert [one["figures"] for one in card.metrics.values()] == [len(run.held_out), len(run.tested)]


def test_a_training_goes_on_from_a_bundle_of_one_network(run, figures, tmp_path):
    again = load_recipe("default", [*PLAIN, *HELD_OUT, f"model.start_from={run.folder / 'bundle'}"])
    Run.open(tmp_path, again, figures).new_network()


def test_distances_are_those_of_the_held_out_figures_from_the_others():
    statistics = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    folds = np.where(np.arange(60) % 5 == 0, 0, -1)
    found = held_out_distances(statistics, folds, directions=5)
    expected = StrangenessModel.fit(statistics[folds < 0], 5).distance(statistics[folds == 0])
    np.testing.assert_allclose(found, expected)


def test_a_benchmark_scores_a_fixed_part_and_the_test(run, table, tmp_path):
    settings = [setting for setting in [*PLAIN, *HELD_OUT] if not setting.startswith("seed")]
    entry = {"label": "plain", "recipe": "default"}
    tests = [{"name": "Left out", "left_out": True}]
    values = suite_values(data=str(table), settings=settings, entries=[entry], tests=tests)
    place = tmp_path / "runs/plain/seed-3"
    place.parent.mkdir(parents=True)
    place.symlink_to(run.folder, target_is_directory=True)
    board = run_suite(Suite.parse(values, "suite"), tmp_path, Options(bootstrap=BootstrapSettings(replicates=50)))
    assert board is not None
    assert board.failures == ()
    (one,) = board.scored
    wanted = roc_auc_score(run.held_out.labels, expit(out_of_fold(run)["amf_0_views1"]))
    assert one.first.overall.metrics["auroc"].value == pytest.approx(wanted)
    assert one.first.overall.confusion.figures == len(run.held_out)


@pytest.mark.parametrize(
    ("settings", "words"),
    [(["split.held_out=val", "split.by=scanner"], "do not go together"),
     (["split.held_out=test"], "cannot be 'held_out'"),
     (["split.held_out=train"], "cannot be 'held_out'")],
)  # fmt: skip
def test_a_part_that_cannot_be_held_out_is_refused(settings, words):
    with pytest.raises(SettingsError, match=words):
        load_recipe("default", settings)


def test_a_source_without_the_part_or_with_a_case_on_both_sides_is_refused(figures, tmp_path):
    recipe = load_recipe("default", ["split.held_out=val"])
    parts = pd.Series(figures.cases).map(lambda case: "train" if case != figures.cases[0] else "test")
    with pytest.raises(SourceError, match="no figures of split 'val'"):
        Run.open(tmp_path, recipe, replace(figures, table=figures.table.assign(split=parts)))
    cut = np.where(np.arange(len(figures)) % 2, "train", "val")
    with pytest.raises(SourceError, match="cases are trained on and in 'val'"):
        Run.open(tmp_path, recipe, replace(figures, table=figures.table.assign(split=cut)))


def two_sources(figures: Figures) -> Figures:
    """Joined: 30 cases of one with few AMF, 25 of the other with many; one case stands in both."""
    rng = np.random.default_rng(4)
    rows = [("one", f"a{case}", rng.random() < 0.15) for case in range(30) for _ in range(8)]
    rows += [("two", f"b{case}", rng.random() < 0.5) for case in range(24) for _ in range(8)]
    rows += [("two", "a0", True)] * 6
    made = pd.DataFrame(rows, columns=["dataset", "case", "amf"])
    made["label"] = np.where(made.pop("amf"), "AMF", "NMF")
    return Figures(made.assign(image="x.png", figure_id=made.index.astype(str)), figures.root, "one + two")


@pytest.mark.parametrize("seed", range(5))
def test_every_source_is_split_by_itself_and_no_case_is_in_two_parts(figures, seed):
    both = two_sources(figures)
    recipe = load_recipe("default", ["split.shares=[70,15,15]", "split.held_out=val", f"seed={seed}"])
    parts = with_shares(both, recipe).table
    assert parts.groupby("case")["split"].nunique().max() == 1
    for _, one in parts.groupby("dataset"):
        shares = one["split"].value_counts(normalize=True)
        assert shares["train"] == pytest.approx(0.70, abs=0.06)
        assert shares["val"] == pytest.approx(0.15, abs=0.06)
        assert one[one["split"] == "test"]["label"].nunique() == 2
    trained, tested = training_figures(both, recipe), runs.test_figures(both, recipe)
    assert tested is not None
    assert not set(trained.table["figure_id"]) & set(tested.table["figure_id"])
    assert len(trained) + len(tested) == len(both)


def placed(figures: Figures, near: int) -> Figures:
    """Cases with a split of their own, and `near` test figures that lie 4 px from a training figure of their slide."""
    table = figures.table.drop(columns=["x", "y", "slide"], errors="ignore")
    cases = sorted(set(figures.cases))
    table["split"] = np.where(table["case"].isin(cases[:4]), "test", "train")
    table["x"], table["y"], table["slide"] = np.arange(len(table)) * 500.0, 0.0, "s.tiff"
    test, train_rows = (table.index[table["split"] == part][:near] for part in ("test", "train"))
    table.loc[test, "x"] = table.loc[train_rows, "x"].to_numpy() + 4
    return replace(figures, table=table)


def test_test_figures_at_the_place_of_a_training_figure_do_not_count_and_that_is_said(figures, tmp_path):
    said: list[str] = []
    recipe = load_recipe("default", [*PLAIN, "distill=null", "ensemble=first", "training.epochs=1"])
    source = placed(figures, 3)
    train(recipe, source, tmp_path, said.append)
    assert any("3 test figures lie where figures that train lie" in line for line in said)
    metrics = read_bundle(tmp_path / "bundle").card.metrics
    (name,) = [name for name in metrics if "test split" in name]
    assert name.endswith("test split, without 3 training figures")
    assert metrics[name]["figures"] == int((source.table["split"] == "test").sum()) - 3
    assert metrics[name]["left_out"] == {"same pixels": 0, "same place of the slide": 3}


def test_a_test_of_nothing_but_leaks_is_refused_before_training(figures, tmp_path):
    number = int((placed(figures, 0).table["split"] == "test").sum())
    with pytest.raises(SourceError, match=r"all .* test figures lie where"):
        Run.open(tmp_path, load_recipe("default", PLAIN), placed(figures, number))


def test_ami_br_is_split_as_before_and_no_test_figure_leaks(real_data, tmp_path):
    figures = open_source("ami-br", data_home=real_data)
    run = Run.open(tmp_path, load_recipe("default"), figures)
    assert run.recipe.hash == "9e6ab3eb2261"
    assert run.split_hash == "976b9896031d00c2"
    assert (len(run.figures), len(run.tested), int(run.leaked.sum())) == (2894, 826, 0)


@pytest.mark.real
@pytest.mark.slow
def test_joined_ami_br_and_midog25_train_and_test_on_different_cases(real_data, monkeypatch, tmp_path):
    monkeypatch.setenv("ATYPICA_DATA", str(real_data))
    recipe = load_recipe("default", ["split.shares=[70,15,15]", "split.held_out=val"])
    run = Run.open(tmp_path, recipe, open_joined("midog25+ami-br"))
    held_out = set(run.held_out.cases)
    trained = set(run.figures.where(~run.is_held_out).cases)
    assert not held_out & trained
    assert not (held_out | trained) & set(run.tested.cases)
    assert not run.leaked.any()
    for name, one in with_shares(open_joined("midog25+ami-br"), recipe).table.groupby("dataset"):
        assert (one["split"] == "train").mean() == pytest.approx(0.70, abs=0.02), name
