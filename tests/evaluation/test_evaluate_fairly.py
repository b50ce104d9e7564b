"""`atypica evaluate`: training figures, second copies, experts, folds and the challenge's file."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk
from PIL import Image

from atypica.apps.cli.evaluate import evaluate
from atypica.core.errors import SettingsError, SourceError

N = 40


@pytest.fixture
def tables(tmp_path):
    """Labels with two experts and a crop of each figure, and predictions."""
    rng = np.random.default_rng(7)
    (tmp_path / "crops").mkdir()
    for k in range(N):
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(tmp_path / "crops" / f"{k}.png")
    y = np.arange(N) % 3 == 0
    labels = pd.DataFrame({
        "figure_id": [f"f{k}" for k in range(N)],
        "image": [f"crops/{k}.png" for k in range(N)],
        "case": [f"c{k // 4}" for k in range(N)],
        "scanner": np.where(np.arange(N) % 2, "B", "A"),
        "label": np.where(y, "AMF", "NMF"),
    })  # fmt: skip
    p = np.clip(rng.normal(0.3 + 0.4 * y, 0.2), 0, 1).round(3)
    predictions = pd.DataFrame({"figure_id": labels["figure_id"], "p_amf": p, "threshold": 0.5})
    return labels, predictions, y, p


def run(tmp_path, labels, predictions, **kwargs):
    labels.to_csv(tmp_path / "labels.csv", index=False)
    predictions.to_csv(tmp_path / "predictions.csv", index=False)
    given = {"labels": str(tmp_path / "labels.csv"), "out": tmp_path / "out", "replicates": 20} | kwargs
    evaluate(tmp_path / "predictions.csv", **given)
    return json.loads((tmp_path / "out" / "metrics.json").read_text())


def auroc(metrics):
    return metrics["overall"]["metrics"]["auroc"]["value"]


def test_training_figures_are_left_out_and_counted(tmp_path, tables, capsys):
    labels, predictions, y, p = tables
    trained = np.arange(N) < 12
    metrics = run(tmp_path, labels, predictions.assign(in_training=trained))
    assert metrics["overall"]["figures"] == N - 12
    assert auroc(metrics) == pytest.approx(sk.roc_auc_score(y[~trained], p[~trained]))
    assert (metrics["input"]["training_figures"], metrics["input"]["training_figures_left_out"]) == (12, 12)
    assert "12 figures that the model was trained on are left out" in capsys.readouterr().err


def test_training_figures_may_be_kept_and_are_marked(tmp_path, tables, capsys):
    labels, predictions, y, p = tables
    trained = [True] * 12 + [False] * (N - 13) + [None]
    metrics = run(tmp_path, labels, predictions.assign(in_training=trained), keep_training_figures=True)
    assert auroc(metrics) == pytest.approx(sk.roc_auc_score(y, p))
    assert (metrics["input"]["training_figures"], metrics["input"]["training_figures_left_out"]) == (12, 0)
    said = "12 of 40 figures were training figures of this model: their results flatter the model"
    assert said in metrics["input"]["notes"][0]
    assert said in capsys.readouterr().err


def test_nothing_but_training_figures_is_refused(tmp_path, tables):
    labels, predictions, _, _ = tables
    with pytest.raises(SourceError, match=r"(?s)trained on all 40.*--keep-training-figures"):
        run(tmp_path, labels, predictions.assign(in_training=True))


def test_a_model_that_does_not_know_its_training_figures_is_named(tmp_path, tables):
    labels, predictions, _, _ = tables
    notes = run(tmp_path, labels, predictions.assign(in_training=None))["input"]["notes"]
    assert any("does not say which figures it was trained on" in note for note in notes)
    assert run(tmp_path, labels, predictions)["input"]["notes"] == []


def test_the_same_pixels_count_once(tmp_path, tables, capsys):
    labels, predictions, y, p = tables
    for copy in (3, 6):  # all three AMF; another format, the same pixels
        Image.open(tmp_path / "crops" / "0.png").save(tmp_path / "crops" / f"{copy}.png", compress_level=1)
    metrics = run(tmp_path, labels, predictions)
    once = ~np.isin(np.arange(N), [3, 6])
    assert auroc(metrics) == pytest.approx(sk.roc_auc_score(y[once], p[once]))
    assert metrics["input"]["duplicates_left_out"] == 2
    assert "2 figures repeat the pixels of another: counted once" in capsys.readouterr().err
    kept = run(tmp_path, labels, predictions, keep_duplicates=True)
    assert auroc(kept) == pytest.approx(sk.roc_auc_score(y, p))
    assert "duplicates_left_out" not in kept["input"]


def test_copies_that_contradict_each_other_are_named(tmp_path, tables):
    labels, predictions, _, _ = tables
    Image.open(tmp_path / "crops" / "3.png").save(tmp_path / "crops" / "4.png")
    notes = run(tmp_path, labels, predictions)["input"]["notes"]
    assert "1 figure has contradicting labels, of which the first counts: f3 AMF, f4 NMF" in notes


def test_images_that_are_not_at_hand_are_no_error(tmp_path, tables):
    labels, predictions, _, _ = tables
    (tmp_path / "crops" / "5.png").unlink()
    assert (
        "not all checked for duplicates: 1 of 40 images cannot be read"
        in (run(tmp_path, labels, predictions)["input"]["notes"])
    )
    ids = labels.drop(columns="image")
    assert (
        "not checked for duplicates: the images of the labels cannot be read"
        in (run(tmp_path, ids, predictions)["input"]["notes"])
    )


def test_regions_with_several_figures_are_not_compared(tmp_path, tables):
    labels, predictions, _, _ = tables
    region = labels.assign(image="crops/0.png", x=np.arange(N), y=0)
    metrics = run(tmp_path, region, predictions)
    assert metrics["overall"]["figures"] == N
    assert any("regions with several figures" in note for note in metrics["input"]["notes"])


def test_experts_appear_beside_the_model(tmp_path, tables, capsys):
    labels, predictions, y, p = tables
    votes = {f"vote_{k}": np.where(np.arange(N) % (k + 6), y, ~y).astype(float) for k in (1, 2, 4)}
    subtypes = {f"subtype_{k}": np.where(y, "multipolar", "metaphase") for k in (1, 4)}
    predictions["subtype"] = np.where(p >= 0.5, "multipolar", "metaphase")
    metrics = run(tmp_path, labels.assign(**votes, **subtypes), predictions)
    people = metrics["people"]
    assert people["experts"] == ["expert 1", "expert 2", "expert 4"]
    kappa = sk.cohen_kappa_score(votes["vote_1"], votes["vote_2"])
    assert people["pairs"][0]["kappa"]["value"] == pytest.approx(kappa)
    # With two others, the truth is where they agree.
    both = votes["vote_2"] == votes["vote_4"]
    first = people["against_others"][0]
    assert (first["figures"], first["ties"]) == (both.sum(), (~both).sum())
    assert first["of_model"]["metrics"]["kappa"]["value"] == pytest.approx(
        sk.cohen_kappa_score(votes["vote_2"][both], p[both] >= 0.5)
    )
    assert [(pair["first"], pair["second"]) for pair in people["subtypes"]] == [
        ("expert 1", "expert 4"), ("expert 1", "model"), ("expert 4", "model"),
    ]  # fmt: skip
    assert (tmp_path / "out" / "people.png").stat().st_size > 1000
    shown = capsys.readouterr().out
    assert "model beside the experts" in shown
    assert "eight subtypes: 40 figures" in shown


def test_without_votes_there_are_no_people(tmp_path, tables):
    labels, predictions, _, _ = tables
    assert run(tmp_path, labels, predictions)["people"] is None
    assert not (tmp_path / "out" / "people.png").exists()


def test_out_of_fold_predictions_give_a_spread(tmp_path, tables, capsys):
    labels, predictions, y, p = tables
    fold = np.arange(N) // 20
    folds = run(tmp_path, labels, predictions.assign(fold=fold))["folds"]
    values = [sk.roc_auc_score(y[fold == k], p[fold == k]) for k in (0, 1)]
    assert [part["auroc"] for part in folds["folds"]] == pytest.approx(values)
    assert folds["auroc"]["sd"] == pytest.approx(np.std(values, ddof=1))
    assert "a spread, not an interval" in capsys.readouterr().out


def test_the_challenges_file(tmp_path, tables, capsys):
    labels, predictions, y, p = tables
    calls = np.where(np.arange(N) % 5, p >= 0.5, True)
    own = predictions.assign(prediction=np.where(calls, "AMF", "NMF"))
    metrics = run(tmp_path, labels, own, grand_challenge=True, by=["scanner"])
    found = json.loads((tmp_path / "out" / "grand_challenge_metrics.json").read_text())
    assert list(found) == ["aggregates"]
    aggregates = found["aggregates"]
    assert aggregates["overall_sensitivity"] == pytest.approx(sk.recall_score(y, calls))
    assert aggregates["overall_roc_auc"] == pytest.approx(sk.roc_auc_score(y, p))
    part = np.arange(N) % 2 == 1
    assert aggregates["domain_2"]["balanced_accuracy"] == pytest.approx(
        sk.balanced_accuracy_score(y[part], calls[part])
    )
    assert metrics["grand_challenge"]["domains"] == {"domain_1": "A", "domain_2": "B"}
    assert "domain_2 = B" in capsys.readouterr().out


def test_a_given_threshold_decides_the_challenges_classes(tmp_path, tables):
    labels, predictions, y, p = tables
    run(tmp_path, labels, predictions.assign(prediction="AMF"), grand_challenge=True, threshold=0.6)
    aggregates = json.loads((tmp_path / "out" / "grand_challenge_metrics.json").read_text())["aggregates"]
    assert aggregates["overall_accuracy"] == pytest.approx(np.mean((p >= 0.6) == y))


def test_the_challenge_takes_one_column(tmp_path, tables):
    labels, predictions, _, _ = tables
    with pytest.raises(SettingsError, match="one column, not from 2"):
        run(tmp_path, labels, predictions, grand_challenge=True, by=["scanner", "case"])


@pytest.mark.real
def test_the_experts_of_ami_br_are_unanimous_on_78_percent(tmp_path, real_data, monkeypatch):
    from atypica.data.sources import open_source

    monkeypatch.setenv("ATYPICA_DATA", str(real_data))
    figures = open_source("ami-br")
    predictions = figures.table[["figure_id"]].assign(p_amf=figures.votes.mean(axis=1), threshold=0.5)
    labels = figures.table.drop(columns="image")
    people = run(tmp_path, labels, predictions)["people"]
    full = people["agreement"]["full"]
    assert round(full["value"], 3) == 0.782
    assert full["interval"]["low"] < full["value"] < full["interval"]["high"]
    assert people["subtypes"] == []
    assert [each["figures"] + each["ties"] for each in people["against_others"]] == [3720] * 3
