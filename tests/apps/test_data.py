"""`atypica data` as a person meets it: what it shows, writes, and answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from data_server import DataServer
from PIL import Image

from atypica.apps.cli.main import run


@pytest.fixture
def data(monkeypatch, capsys, tmp_path):
    """Run a verb of `data`; gives the exit code, standard output, and standard error."""
    monkeypatch.setenv("ATYPICA_DATA", str(tmp_path / "home"))

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["atypica", "data", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            run()
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return call


@pytest.fixture
def table(tmp_path) -> Path:
    """Twelve labeled figures of six cases, read by two experts."""
    rng = np.random.default_rng(0)
    for number in range(12):
        noise = Image.fromarray(rng.integers(0, 255, (9, 9, 3), dtype=np.uint8))
        noise.resize((64, 64), Image.Resampling.BICUBIC).save(tmp_path / f"{number}.png")
    rows = {
        "figure_id": [f"F{number}" for number in range(12)],
        "image": [f"{number}.png" for number in range(12)],
        "case": [f"P{number // 2}" for number in range(12)],
        "scanner": ["x" if number < 6 else "y" for number in range(12)],
        "label": ["AMF", "NMF"] * 6,
        "vote_1": [1, 0] * 6,
        "vote_2": [1, 0] * 5 + [0, 0],
    }
    path = tmp_path / "figures.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_list_says_what_is_here_and_what_is_not(data, tmp_path):
    (tmp_path / "home" / "MIDOGpp").mkdir(parents=True)
    code, out, _ = data("list")
    lines = out.splitlines()
    assert code == 0
    assert any(line.startswith("ami-br") and "3,720" in line and "not here" in line for line in lines)
    assert any(line.startswith("midogpp-labels") and "in MIDOGpp" in line for line in lines)


def test_describe(data, table):
    code, out, _ = data("describe", table)
    assert code == 0
    assert "12 figures" in out
    assert "scanner" in out
    assert "unanimous: 91.7%" in out


def test_describe_for_machines(data, table):
    code, out, _ = data("describe", table, "--json")
    assert code == 0
    assert json.loads(out)["all"]["rate"] == 0.5


def test_a_clean_audit_answers_0(data, table):
    code, out, err = data("audit", table)
    assert code == 0
    assert "no errors in 12 figures" in out
    assert "figures.csv: 12 figures, 6 cases" in err


def test_an_audit_with_errors_answers_3_and_says_what_to_do(data, table):
    (table.parent / "3.png").write_text("no image")
    code, out, _ = data("audit", table)
    assert code == 3
    assert "3.png is not an image" in out
    assert "-> bring the file again" in out


def test_audit_for_machines_is_nothing_but_json(data, table):
    (table.parent / "3.png").write_text("no image")
    code, out, _ = data("audit", table, "--json")
    report = json.loads(out)
    assert code == 3
    assert report["errors"] == 1
    assert report["findings"][0]["kind"] == "unreadable"


def test_audit_against_a_test_set(data, table, tmp_path):
    (tmp_path / "test").mkdir()
    Image.open(tmp_path / "5.png").save(tmp_path / "test" / "held out.png")
    code, out, _ = data("audit", table, "--test", tmp_path / "test")
    assert code == 3
    assert "figures.csv: F5 in train, test: held out.png in test" in out


def test_split_and_audit_it(data, table, tmp_path):
    out = tmp_path / "split.csv"
    code, shown, _ = data("split", table, "--by", "50:50", "--out", out)
    split = pd.read_csv(out)
    assert code == 0
    assert "train" in shown
    assert list(split.columns) == ["figure_id", "split"]
    assert data("audit", table, "--split", out, "--no-pixels")[0] == 0
    split.loc[0, "split"] = "test" if split.loc[0, "split"] == "train" else "train"
    split.to_csv(out, index=False)
    code, shown, _ = data("audit", table, "--split", out, "--no-pixels")
    assert code == 3
    assert "case P0 has figures 1 in test, 1 in train" in shown


@pytest.mark.parametrize(
    ("by", "values"), [("kfold", {"0", "1", "2"}), ("scanner", {"x", "y"}), ("70:15:15", {"train", "val", "test"})]
)
def test_every_kind_of_split(data, table, tmp_path, by, values):
    code, _, _ = data("split", table, "--by", by, "--folds", 3, "--out", tmp_path / "s.parquet")
    parts = pd.read_parquet(tmp_path / "s.parquet")
    assert code == 0
    assert set(parts.iloc[:, 1].astype(str)) == values


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["audit"], "no source is named"),
        (["fetch"], "no dataset is named"),
        (["describe", "nowhere"], "no dataset or path 'nowhere'"),
        (["split", "TABLE", "--by", "hospital"], "no column 'hospital'"),
        (["split", "TABLE", "--by", "70:x"], "no shares"),
        (["split", "TABLE", "--out", "split.xlsx"], "split.xlsx is no name of a table"),
        (["split", "TABLE", "--folds", "9"], "9 folds of 6 cases"),
        (["split", "TABLE", "--by", "official"], "no official split"),
    ],
)
def test_mistakes_answer_2_with_a_fix(data, table, arguments, message):
    code, _, err = data(*[str(table) if word == "TABLE" else word for word in arguments])
    assert code == 2
    assert message in err
    assert "->" in err


def test_fetch_says_every_step(data, tmp_path):
    labels = "/raw.githubusercontent.com/DeepMicroscopy/MIDOGpp/HEAD/databases/MIDOG%2B%2B.json"
    with DataServer({labels: b"{}"}).running() as server:
        code, _, err = data("fetch", "midogpp-labels", "--mirror", server.url)
    assert code == 0
    assert "recorded in" in err
    assert "cite: Aubreville" in err
    assert (tmp_path / "home" / "MIDOGpp" / "MIDOG++.json").is_file()
