"""`atypica evaluate`, from tables to files."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk

from atypica.apps.cli.evaluate import evaluate
from atypica.apps.cli.evaluation_input import scored_figures
from atypica.core.errors import ExitCode, SourceError
from atypica.core.vocabulary import Subtype
from atypica.data.figures import figures_from

N = 120


@pytest.fixture
def tables(tmp_path):
    """A table of labels and one of predictions of the same figures, in another order and another folder."""
    rng = np.random.default_rng(0)
    y = rng.random(N) < 0.3
    labels = pd.DataFrame({
        "image": [f"crops/{k}.png" for k in range(N)],
        "case": [f"c{k % 30}" for k in range(N)],
        "scanner": np.where(np.arange(N) % 2, "A", "B"),
        "label": np.where(y, "AMF", "NMF"),
        "vote_1": y.astype(float),
        "vote_2": np.where(np.arange(N) % 3, y, ~y).astype(float),
    })  # fmt: skip
    p = np.clip(rng.normal(0.3 + 0.3 * y, 0.2), 0, 1).round(3)
    predictions = pd.DataFrame({"image": [f"elsewhere/{k}.png" for k in range(N)], "p_amf": p, "threshold": 0.4})
    predictions["prediction"] = np.where(p >= 0.4, "AMF", "NMF")
    return labels, predictions.sample(frac=1, random_state=0).reset_index(drop=True), y, p


def run(tmp_path, labels, predictions, **kwargs):
    labels.to_csv(tmp_path / "labels.csv", index=False)
    predictions.to_csv(tmp_path / "predictions.csv", index=False)
    given = {"labels": str(tmp_path / "labels.csv"), "out": tmp_path / "out", "replicates": 30} | kwargs
    status = evaluate(tmp_path / "predictions.csv", **given)
    return status, json.loads((tmp_path / "out" / "metrics.json").read_text())


def scored(tmp_path, labels, predictions, **kwargs):
    names = ("predictions.csv", "labels.csv")
    return scored_figures(predictions, figures_from(labels, tmp_path, "labels.csv"), names, **kwargs)


def test_metrics_are_those_of_the_joined_tables(tmp_path, tables, capsys):
    labels, predictions, y, p = tables
    status, metrics = run(tmp_path, labels, predictions)
    assert status == ExitCode.OK
    assert metrics["overall"]["metrics"]["auroc"]["value"] == pytest.approx(sk.roc_auc_score(y, p))
    assert metrics["overall"]["metrics"]["balanced_accuracy"]["value"] == pytest.approx(
        sk.balanced_accuracy_score(y, p >= 0.4)
    )
    assert metrics["overall"]["cases"] == 30
    assert metrics["input"]["matched_by"] == "file name"
    assert set(metrics["domains"]) == {"scanner", "hardness"}
    assert {group["name"]: group["figures"] for group in metrics["domains"]["hardness"]} == {"easy": 80, "hard": 40}
    assert (tmp_path / "out" / "roc.png").stat().st_size > 1000
    shown = capsys.readouterr()
    assert "120 of 120 predictions matched to labels by file name" in shown.err
    assert "threshold 0.4: the column 'threshold' of predictions.csv" in shown.err
    assert "balanced accuracy" in shown.out


def test_failed_rows_are_counted_and_tell_by_the_exit_status(tmp_path, tables):
    labels, predictions, _, _ = tables
    predictions["error"] = None
    predictions["error"] = predictions["error"].astype(object)
    predictions.loc[:1, "p_amf"] = np.nan
    predictions.loc[:1, "error"] = "cannot be read"
    status, metrics = run(tmp_path, labels, predictions)
    assert status == ExitCode.SOME_FAILED
    assert metrics["input"]["failed"] == 2
    assert metrics["overall"]["figures"] == N - 2


def test_unmatched_and_unlabeled_rows_are_reported(tmp_path, tables):
    labels, predictions, _, _ = tables
    labels.loc[:9, "label"] = None
    counts = scored(tmp_path, labels.iloc[:100], predictions).counts
    assert (counts["matched"], counts["scored"], counts["predictions_without_label"]) == (100, 90, 30)
    assert scored(tmp_path, labels, predictions.iloc[:50]).counts["labels_without_prediction"] > 50


def test_a_given_threshold_and_columns_are_taken(tmp_path, tables):
    labels, predictions, _, _ = tables
    found = scored(tmp_path, labels, predictions, threshold=0.6, by=["scanner"])
    assert (found.threshold, found.threshold_origin) == (0.6, "given by --threshold")
    assert list(found.domains) == ["scanner"]


def test_without_a_threshold_one_half_is_taken_and_said(tmp_path, tables):
    labels, predictions, _, _ = tables
    found = scored(tmp_path, labels, predictions.drop(columns=["threshold", "prediction"]))
    assert found.threshold == 0.5
    assert "so 0.5 was taken" in found.threshold_origin


def test_without_cases_or_with_a_blank_one_that_is_said(tmp_path, tables):
    labels, predictions, _, _ = tables
    none = scored(tmp_path, labels.drop(columns="case"), predictions)
    assert none.cases is None
    assert "no cases are known" in none.notes[0]
    labels.loc[3, "case"] = None
    assert "1 figures have no case" in scored(tmp_path, labels, predictions).notes[0]


def test_labels_may_be_ids_alone_and_votes_alone(tmp_path, tables):
    _, predictions, y, p = tables
    votes = pd.DataFrame({"figure_id": [f"{k}.png" for k in range(N)], "vote_1": y.astype(float)})
    _, metrics = run(tmp_path, votes, predictions)
    assert metrics["overall"]["metrics"]["auroc"]["value"] == pytest.approx(sk.roc_auc_score(y, p))
    assert "majority of the experts' votes" in metrics["input"]["notes"][0]


def test_subtypes_are_evaluated_and_json_goes_to_standard_output_alone(tmp_path, tables, capsys):
    labels, predictions, _, _ = tables
    labels["subtype"] = ["metaphase" if label == "NMF" else "multipolar" for label in labels["label"]]
    for k, subtype in enumerate(Subtype):
        predictions[f"p_{subtype.value}"] = 0.1 + 0.01 * k
    predictions["subtype"] = "metaphase"
    _, metrics = run(tmp_path, labels, predictions, json_=True)
    assert json.loads(capsys.readouterr().out) == metrics
    assert metrics["subtypes"]["per_class"]["metaphase"]["sensitivity"]["value"] == 1
    assert metrics["subtypes"]["per_class"]["multipolar"]["sensitivity"]["value"] == 0
    assert metrics["subtypes"]["per_class"]["ring_shape"]["auroc"]["value"] is None


def test_calls_that_contradict_the_threshold_are_said(tmp_path, tables):
    labels, predictions, _, p = tables
    found = scored(tmp_path, labels, predictions.assign(prediction="AMF"))
    assert found.notes[0].startswith(f"{int(np.sum(p < 0.4))} figures are called in 'prediction' otherwise")


def test_cases_of_two_datasets_stay_apart(tmp_path, tables):
    labels, predictions, _, _ = tables
    labels["dataset"] = ["one"] * 60 + ["two"] * 60
    assert len(set(scored(tmp_path, labels, predictions).cases)) == 60


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop(columns="p_amf"), "no column 'p_amf'"),
        (lambda t: t.assign(p_amf=1.5), r"row 2: p_amf .*1.5"),
        (lambda t: t.assign(p_amf=np.nan), "every prediction failed"),
        (lambda t: t.assign(threshold=np.linspace(0.1, 0.9, N)), "holds 120 thresholds"),
        (lambda t: t.assign(image="no such file.png"), "no figure of predictions.csv is in"),
    ],
)
def test_predictions_that_cannot_be_used_are_refused(tmp_path, tables, change, words):
    labels, predictions, _, _ = tables
    with pytest.raises(SourceError, match=words):
        run(tmp_path, labels, change(predictions))
    assert not (tmp_path / "out").exists()


def test_an_unknown_column_is_refused_with_those_there_are(tmp_path, tables):
    labels, predictions, _, _ = tables
    with pytest.raises(SourceError, match=r"(?s)column 'scaner'.*scanner"):
        scored(tmp_path, labels, predictions, by=["scaner"])


def test_labels_without_labels_are_refused(tmp_path, tables):
    labels, predictions, _, _ = tables
    with pytest.raises(SourceError, match="has no labels"):
        scored(tmp_path, labels[["image", "case"]], predictions)


def test_help_loads_neither_the_verb_nor_pandas():
    code = (
        "import sys; from atypica.apps.cli.main import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "assert not {'pandas', 'scipy', 'matplotlib', 'atypica.apps.cli.evaluate'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "evaluate" in done.stdout


@pytest.mark.real
def test_the_majority_of_ami_br_scored_by_its_votes(tmp_path, real_data, monkeypatch):
    from atypica.data.sources import open_source

    monkeypatch.setenv("ATYPICA_DATA", str(real_data))
    figures = open_source("ami-br")
    predictions = figures.table[["figure_id", "image"]].assign(p_amf=np.nanmean(figures.votes, axis=1), threshold=0.5)
    predictions.to_csv(tmp_path / "predictions.csv", index=False)
    evaluate(tmp_path / "predictions.csv", labels="ami-br", out=tmp_path / "out", by=["source"], replicates=20)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert (metrics["overall"]["amf"], metrics["overall"]["nmf"], metrics["overall"]["cases"]) == (832, 2888, 202)
    assert metrics["overall"]["metrics"]["balanced_accuracy"]["value"] == 1
    assert {group["name"]: group["figures"] for group in metrics["domains"]["source"]} == {
        "TUPAC16": 1999,
        "MIDOG21": 1721,
    }
