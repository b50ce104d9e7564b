"""Backbones compared by probes: the suite that is made of a question, and the verb on drawn figures."""

from __future__ import annotations

import json
import os

import numpy as np
import pandas as pd
import pytest
from shaded_table import write_shaded_table

from atypica.apps.cli.main import app
from atypica.apps.cli.probe import probe
from atypica.benchmark.probes import Comparison, probe_suite
from atypica.core.errors import SettingsError
from atypica.data.sources import open_source
from atypica.evaluation.binary import binary_metrics
from atypica.models.embedding.cache import PLACE, cache_home

SMALL = ("geometry.fraction=0.5", "geometry.size_px=48", "split.folds=2", "probe.inner_folds=2")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "probe-cache"))


@pytest.fixture(scope="module")
def found(drawn, tmp_path_factory):
    """A leaderboard of every kind on two sets, and its folder."""
    out = tmp_path_factory.mktemp("probes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "probe-cache"))
        status = probe(
            *SMALL, "training.epochs=2", backbone="test_efficientnet", data=str(drawn / "figures.csv"),
            test=str(drawn / "other.csv"), kind="logistic,lda,mlp,knn", as_published=True, weights="random", out=out,
            replicates=40,
        )  # fmt: skip
    assert status == 0
    return json.loads((out / "leaderboard.json").read_text(encoding="utf-8")), out


def test_every_kind_has_a_row_on_every_set(found):
    board, _ = found
    rows = {(one["entry"], one["test"]) for one in board["scored"]}
    kinds = ("logistic", "lda", "mlp", "knn", "as published")
    assert rows == {(f"test_efficientnet {kind}", test) for kind in kinds for test in ("figures", "other")}


def test_the_numbers_of_a_row_are_those_of_its_folds(found):
    board, out = found
    table = pd.read_parquet(out / "predictions" / "test_efficientnet logistic" / "seed-42" / "figures.parquet")
    table = table[table["scored"]]
    y = (table["label"] == "AMF").to_numpy(dtype=float)
    values = [binary_metrics(y, 1 / (1 + np.exp(-table[f"amf_{k}"].to_numpy())), 0.5) for k in range(2)]
    one = next(
        one for one in board["scored"] if (one["entry"], one["test"]) == ("test_efficientnet logistic", "figures")
    )
    folds = one["folds"]["by_threshold"]["0.5"]
    for metric in ("balanced_accuracy", "auroc"):
        expected = [float(value[metric][0]) for value in values]
        assert folds[metric]["mean"] == pytest.approx(np.mean(expected))
        assert folds[metric]["sd"] == pytest.approx(np.std(expected, ddof=1))
    ensemble = one["evaluations"]["0.5"]["overall"]["metrics"]["auroc"]
    assert ensemble["interval"]["low"] < ensemble["value"] < ensemble["interval"]["high"]


def test_figures_that_train_are_left_out_and_counted(found):
    board, _ = found
    leaked = {(one["entry"], one["leaked"]) for one in board["scored"] if one["test"] == "other"}
    assert {number for _, number in leaked} == {3}


def test_the_tables_are_written_in_every_form(found):
    _, out = found
    for name in ("leaderboard.md", "leaderboard.csv", "leaderboard.html"):
        assert "test_efficientnet knn" in (out / name).read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_eight_subtypes(tmp_path, capsys):
    data = write_shaded_table(tmp_path / "shaded", 80, tested=2)
    status = probe(
        *SMALL, backbone="test_efficientnet", data=str(data), target="subtype", weights="random",
        kind="logistic,knn", replicates=20, json_=True, cache=tmp_path / "kept",
    )  # fmt: skip
    assert len(list((tmp_path / "kept").glob("test_efficientnet-*.sqlite"))) == 1
    assert PLACE not in os.environ
    board = json.loads(capsys.readouterr().out)
    assert status == 0
    logistic = next(one for one in board["scored"] if one["entry"].endswith("logistic"))
    assert logistic["evaluations"]["0.5"]["overall"]["metrics"]["auroc"]["value"] > 0.9
    assert logistic["subtype_auroc_mean_of_folds"]["mean"] > 0.6, "shade tells the side, and little of the subtype"


def test_the_environment_may_name_the_folder_of_embeddings(monkeypatch, tmp_path):
    monkeypatch.setenv(PLACE, str(tmp_path))
    assert cache_home() == tmp_path


def test_the_suite_of_a_question(drawn):
    asked = Comparison(["uni", "hf-hub:a/B"], "ami-br", ["atnorm-br"], ["lda", "mlp"], as_published=True)
    suite = probe_suite(asked, open_source(drawn / "figures.csv"))
    assert [entry.label for entry in suite.entries] == [
        "uni lda", "uni mlp", "uni as published", "hf-hub-a-B lda", "hf-hub-a-B mlp", "hf-hub-a-B as published",
    ]  # fmt: skip
    recipes = [suite.recipe_of(entry, 42) for entry in suite.entries]
    assert [recipe.model.backbone for recipe in recipes] == ["uni"] * 3 + ["hf-hub:a/B"] * 3
    assert [recipe.heads.hidden for recipe in recipes[:3]] == [0, 64, 0]
    assert [recipe.probe.as_published for recipe in recipes[:3]] == [False, False, True]
    assert [test.name for test in suite.tests] == ["AMi-Br", "AtNorM-Br"]
    assert suite.published == ["banerjee2026"]


def test_without_a_test_set_the_folds_are_judged(drawn):
    source = open_source(drawn / "figures.csv")
    without = source.__class__(**{**vars(source), "table": source.table.drop(columns="split")})
    suite = probe_suite(Comparison(["uni"], "mine"), without)
    assert suite.tests[0].left_out
    assert "split.train_on=all" in suite.settings


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--kind", "svm"], "no probe 'svm'"),
        (["--as-published", "--target", "subtype"], "AMF alone"),
        (["--kind", ","], "names nothing"),
    ],
)
def test_a_mistake_is_told(arguments, words, drawn):
    with pytest.raises(SettingsError, match=words):
        app(["probe", "--backbone", "test_efficientnet", "--data", str(drawn / "figures.csv"), *arguments],
            result_action="return_value")  # fmt: skip
