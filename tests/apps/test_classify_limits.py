"""`atypica classify` with limits on a detector's score and on strangeness."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from atypica.apps.cli.main import run

# The tiny model's p(AMF) is a half at 127.5 and its ood is |4 - 8 x brightness| / 4 (limit 0.95).
GRAY = [10, 10, 60, 60, 200, 200, 200, 0]
SCORES = [0.9, 0.3, 0.8, 0.2, 0.9, 0.9, None, 0.9]


@pytest.fixture
def table(tmp_path):
    for number, gray in enumerate(GRAY):
        Image.new("RGB", (96, 96), (gray,) * 3).save(tmp_path / f"{number}.png")
    images = [f"{number}.png" for number in range(len(GRAY))]
    figures = pd.DataFrame({"image": images, "detection_score": SCORES, "detection_class": "mitosis"})
    figures.to_csv(tmp_path / "figures.csv", index=False)
    return tmp_path / "figures.csv"


@pytest.fixture
def classify(table, tiny_bundle, tmp_path, monkeypatch, capsys):
    """Run the verb; gives the exit code, what was said, and a reader of the tables."""

    def call(*options: str, report: bool = False):
        out = tmp_path / "out"
        arguments = ["atypica", "classify", str(table), "--out", str(out), "--model", str(tiny_bundle), *options]
        monkeypatch.setattr("sys.argv", [*arguments, *([] if report else ["--no-report"])])
        with pytest.raises(SystemExit) as left:
            run()
        said = capsys.readouterr()
        return left.value.code, said.out + said.err, lambda name: pd.read_csv(out / f"{name}.csv")

    return call


def test_without_limits_all_count_and_the_score_is_carried_through(classify):
    code, _, read = classify()
    predictions = read("predictions")
    assert code == 0
    assert predictions["counted"].all()
    assert predictions["left_out"].isna().all()
    np.testing.assert_array_equal(predictions["detection_score"], [np.nan if s is None else s for s in SCORES])
    assert (predictions["detection_class"] == "mitosis").all()
    assert read("cases")["amf"].tolist() == [5]


def test_what_a_limit_leaves_out_keeps_its_row_and_counts_nowhere(classify):
    code, said, read = classify("--min-detection-score", "0.5", "--max-ood", "card")
    predictions, case = read("predictions"), read("cases").iloc[-1]
    assert code == 0
    assert len(predictions) == 8
    assert predictions["p_amf"].notna().all()
    assert predictions["counted"].tolist() == [True, False, True, False, True, True, True, False]
    assert predictions["left_out"][1] == "detection_score 0.3 below 0.5"
    assert predictions["left_out"][7] == "ood 1 above 0.95"
    assert case[["figures", "failed", "left_out", "amf", "amf_rate"]].tolist() == [8, 0, 3, 2, 0.4]
    assert "left out: 2 figures with a detection score below 0.5" in said
    assert "counted: 1 figure without a detection score" in said
    assert "left out: 1 figure with ood above 0.95" in said


def test_the_rate_at_every_cut_is_written(classify):
    _, _, read = classify("--min-detection-score", "0.5")
    rates = read("rate_by_cut")
    assert set(rates["cut_by"]) == {"detection_score", "ood"}
    (used,) = [row for _, row in rates[rates["in_use"]].iterrows()]
    case = read("cases").iloc[-1]
    assert used["cut"] == 0.5
    assert used[["amf", "amf_rate", "low", "high"]].tolist() == case[["amf", "amf_rate", "low", "high"]].tolist()
    assert rates.iloc[0]["figures"] == 8


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--max-ood", "1.5"], "no limit of ood"),
        (["--max-ood", "high"], "'card'"),
        (["--min-detection-score", "nan"], "no least detection score"),
    ],
)
def test_a_limit_that_cannot_be_meant_is_refused_before_any_work(classify, options, said):
    code, screen, _ = classify(*options)
    assert code == 2
    assert said in screen


def test_a_score_to_cut_by_must_be_there(classify, table):
    pd.read_csv(table).drop(columns="detection_score").to_csv(table, index=False)
    code, said, _ = classify("--min-detection-score", "0.5")
    assert code == 2
    assert "no detection scores" in said
    assert "--min-detection-score" in said


def test_all_left_out_is_no_rate_and_no_crash(classify):
    code, said, read = classify("--max-ood", "0", report=True)
    assert code == 0
    assert read("cases")["amf_rate"].isna().all()
    assert "all left out" in said
