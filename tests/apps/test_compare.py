"""`atypica compare`, from tables to the screen and to JSON."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from atypica.apps.cli.compare import compare
from atypica.apps.cli.comparison_screen import p_text
from atypica.core.errors import ExitCode, SourceError
from atypica.evaluation.delong import delong_test

N = 150


@pytest.fixture
def tables(tmp_path):
    """Labels, and three models' predictions in orders of their own; the last lacks figures."""
    rng = np.random.default_rng(0)
    y = rng.random(N) < 0.4
    ids = [f"f{k}" for k in range(N)]
    case = [f"c{k % 25}" for k in range(N)]
    pd.DataFrame({"figure_id": ids, "case": case, "label": np.where(y, "AMF", "NMF")}).to_csv(
        tmp_path / "labels.csv", index=False
    )
    for seed, (name, rows) in enumerate({"a": N, "b": N, "c": 120}.items()):
        p = np.clip(rng.normal(0.35 + 0.3 * y, 0.2), 0, 1).round(4)
        table = pd.DataFrame({"figure_id": ids, "p_amf": p, "threshold": 0.5}).iloc[:rows]
        table.sample(frac=1, random_state=seed).to_csv(tmp_path / f"{name}.csv", index=False)
    return tmp_path, y


def found(capsys, *paths, **kwargs):
    capsys.readouterr()
    status = compare(*paths, json_=True, replicates=40, **kwargs)
    return status, json.loads(capsys.readouterr().out)


def test_predictions_are_joined_figure_by_figure(tables, capsys):
    folder, y = tables
    status, content = found(capsys, folder / "a.csv", folder / "b.csv", labels=str(folder / "labels.csv"))
    assert status == ExitCode.OK
    p = [pd.read_csv(folder / f"{name}.csv").assign(k=lambda t: t["figure_id"].str[1:].astype(int)) for name in "ab"]
    scores = [table.sort_values("k")["p_amf"].to_numpy() for table in p]
    cases = [f"c{k % 25}" for k in range(N)]
    tests = content["pairs"][0]["tests"]
    assert tests["delong_by_case"]["p"] == pytest.approx(delong_test(y, *scores, cases).p)
    assert tests["delong"]["p"] == pytest.approx(delong_test(y, *scores).p)
    assert (content["figures"], content["cases"], content["amf"]) == (N, 25, int(y.sum()))
    assert content["format"] == {"name": "atypica-comparison", "version": 1}


def test_figures_that_trained_one_model_count_for_none(tables, capsys):
    folder, _ = tables
    table = pd.read_csv(folder / "a.csv")
    table.assign(in_training=table["figure_id"].isin([f"f{k}" for k in range(30)])).to_csv(
        folder / "a.csv", index=False
    )
    paths, labels = [folder / "a.csv", folder / "b.csv"], str(folder / "labels.csv")
    _, content = found(capsys, *paths, labels=labels)
    assert (content["figures"], content["input"]["models"]["a"]["training_figures_left_out"]) == (N - 30, 30)
    _, kept = found(capsys, *paths, labels=labels, keep_training_figures=True)
    assert kept["figures"] == N


def test_figures_with_the_same_pixels_count_once(tables, capsys):
    folder, y = tables
    rng = np.random.default_rng(1)
    labels = pd.read_csv(folder / "labels.csv")
    labels["image"] = [f"{name}.png" for name in labels["figure_id"]]
    for image in labels["image"]:
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / image)
    for copy in ("f7", "f140"):  # f140 is not scored by c
        Image.open(folder / "f0.png").save(folder / f"{copy}.png", compress_level=1)
    labels.to_csv(folder / "labels.csv", index=False)
    table = str(folder / "labels.csv")
    _, content = found(capsys, folder / "a.csv", folder / "b.csv", labels=table)
    assert (content["figures"], content["input"]["duplicates_left_out"]) == (N - 2, 2)
    assert content["amf"] == y.sum() - y[7] - y[140]
    assert any("2 figures repeat the pixels" in note for note in content["input"]["notes"])
    _, content = found(capsys, folder / "a.csv", folder / "c.csv", labels=table)
    assert (content["figures"], content["input"]["not_scored_by_all"]) == (120 - 1, 30)
    _, kept = found(capsys, folder / "a.csv", folder / "b.csv", labels=table, keep_duplicates=True)
    assert kept["figures"] == N
    assert "duplicates_left_out" not in kept["input"]


def test_only_figures_that_all_have_scored_count(tables, capsys):
    folder, _ = tables
    paths = [folder / f"{name}.csv" for name in "abc"]
    _, content = found(capsys, *paths, labels=str(folder / "labels.csv"))
    assert (content["figures"], content["input"]["not_scored_by_all"]) == (120, 30)
    assert len(content["pairs"]) == 3


def test_failed_predictions_tell_by_the_exit_status(tables, capsys):
    folder, _ = tables
    table = pd.read_csv(folder / "a.csv")
    table.loc[:3, "p_amf"] = np.nan
    table.to_csv(folder / "a.csv", index=False)
    status, content = found(capsys, folder / "a.csv", folder / "b.csv", labels=str(folder / "labels.csv"))
    assert (status, content["figures"]) == (ExitCode.SOME_FAILED, N - 4)


def test_the_screen_shows_effects_beside_p(tables, capsys):
    folder, _ = tables
    paths = [folder / f"{name}.csv" for name in "abc"]
    compare(*paths, labels=str(folder / "labels.csv"), replicates=40)
    shown = capsys.readouterr()
    assert "30 figures not scored by all are left out" in shown.err
    for words in ("a - b", "DeLong by case", "McNemar by figure", "odds ratio", "Holm p", "25 cases"):
        assert words in shown.out


def test_files_of_one_name_are_told_apart_by_their_folders(tables, capsys):
    folder, _ = tables
    for name in "ab":
        (folder / name).mkdir()
        (folder / f"{name}.csv").rename(folder / name / "predictions.csv")
    paths = [folder / name / "predictions.csv" for name in "ab"]
    _, content = found(capsys, *paths, labels=str(folder / "labels.csv"))
    assert list(content["models"]) == ["a", "b"]
    with pytest.raises(SourceError, match="stands twice"):
        compare(paths[0], paths[0], labels=str(folder / "labels.csv"))


def test_predictions_of_other_figures_are_refused(tables):
    folder, _ = tables
    for name, rows in (("a", slice(0, 50)), ("b", slice(50, None))):
        table = pd.read_csv(folder / f"{name}.csv").sort_values("figure_id")
        table.iloc[rows].to_csv(folder / f"{name}.csv", index=False)
    with pytest.raises(SourceError, match=r"no figure of .* is scored by all of a, b"):
        compare(folder / "a.csv", folder / "b.csv", labels=str(folder / "labels.csv"))


def folds(tmp_path, change=lambda table: table):
    rows = [(m, s, f, 0.6 + 0.1 * (s == "lora") + 0.01 * f) for m in "xy" for s in ("probe", "lora") for f in range(5)]
    table = pd.DataFrame(rows, columns=["backbone", "strategy", "fold", "balanced_accuracy"])
    change(table).to_csv(tmp_path / "folds.csv", index=False)
    return tmp_path / "folds.csv"


def test_folds_are_compared_by_a_column(tmp_path, capsys):
    _, content = found(capsys, folds=folds(tmp_path), by="strategy")
    pair = content["datasets"][0]["pairs"][0]
    assert (pair["paired_by"], pair["used"]) == (["backbone", "fold"], [10, 10])
    assert pair["test"]["p"] == 2 / 2**10
    compare(folds=folds(tmp_path), by="strategy")
    shown = capsys.readouterr().out
    for words in ("range", "rank-biserial -1.000", "smallest p", "no confidence interval", "not independent"):
        assert words in shown


def test_a_design_that_cannot_be_significant_says_so(tmp_path, capsys):
    path = folds(tmp_path, lambda table: table[table["backbone"] == "x"])
    compare(folds=path, by="strategy")
    assert "no Holm p here can fall below 0.0625" in capsys.readouterr().out


def test_blank_results_are_left_out_and_said(tmp_path, capsys):
    path = folds(
        tmp_path, lambda table: table.assign(balanced_accuracy=table["balanced_accuracy"].where(table.index > 0))
    )
    _, content = found(capsys, folds=path, by="strategy")
    assert content["input"]["notes"] == ["1 of 20 runs have no balanced_accuracy and are left out"]
    assert content["datasets"][0]["pairs"][0]["left_out"] == 1


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"by": "lab"}, "no column 'lab'"),
        ({"metric": "auroc"}, "no column 'auroc'"),
        ({"metric": "backbone"}, "row 2: backbone 'x' is no finite number"),
        ({"labels": "labels.csv"}, "--folds is not for predictions"),
    ],
)
def test_folds_that_cannot_be_used_are_refused(tmp_path, kwargs, words):
    with pytest.raises(SourceError, match=words):
        compare(folds=folds(tmp_path), **kwargs)


def test_an_infinite_result_is_named_as_it_stands(tmp_path):
    path = folds(tmp_path, lambda table: table.assign(balanced_accuracy=np.inf))
    with pytest.raises(SourceError, match="row 2: balanced_accuracy 'inf' is no finite number"):
        compare(folds=path, by="strategy")


def test_nothing_to_compare_is_refused(tmp_path):
    with pytest.raises(SourceError, match="nothing to compare"):
        compare(tmp_path / "a.csv", labels="labels.csv")


def test_how_p_is_written():
    assert [p_text(p) for p in (None, 0.0625, 1.0, 0.00012)] == ["n/a", "0.0625", "1.0000", "1.2e-04"]
