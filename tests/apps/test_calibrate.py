"""`atypica calibrate` from labeled crops to a bundle that classifies."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from atypica.apps.cli.calibrate import calibrate
from atypica.core.errors import EvaluationError, SettingsError
from atypica.inference.bundle import read_bundle
from atypica.inference.model import load_model


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """48 grey crops of 12 cases; the darker, the more often AMF."""
    rng = np.random.default_rng(0)
    rows: list[dict[str, object]] = []
    for number in range(48):
        amf = rng.random() < 0.4
        grey = int(np.clip(rng.normal(90 if amf else 150, 18), 0, 255))
        Image.fromarray(np.full((80, 80, 3), grey, dtype=np.uint8)).save(tmp_path / f"{number}.png")
        rows.append(
            {"image": f"{number}.png", "label": "AMF" if amf else "NMF", "case": f"c{number % 12}", "mpp": 0.25}
        )
    pd.DataFrame(rows).to_csv(tmp_path / "labels.csv", index=False)
    return tmp_path / "labels.csv"


def test_the_new_bundle_classifies_with_the_new_settings(
    tiny_bundle: Path, labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "lab.zip"
    assert calibrate(labels=str(labels), out=out, model=tiny_bundle, threads=1, json_=True) == 0
    report = json.loads(capsys.readouterr().out)
    old, new = read_bundle(tiny_bundle), read_bundle(out)
    assert new.onnx == old.onnx
    assert new.card.calibration.model_dump() == report["settings"]["after"]["calibration"]
    assert old.card.calibration.model_dump() == report["settings"]["before"]["calibration"]
    result = load_model(out).classify(labels, threads=1)
    assert result.predictions["threshold"].eq(new.card.thresholds.default).all()
    assert result.cases()["corrected_note"].iloc[-1] == ""
    other = load_model(out).classify(labels, threads=1, threshold=0.77).cases()
    assert other["corrected_rate"].isna().all()
    assert "default threshold only" in other["corrected_note"].iloc[0]


def test_the_bundle_to_start_from_is_not_overwritten(tiny_bundle: Path, labels: Path):
    with pytest.raises(SettingsError, match="to start from"):
        calibrate(labels=str(labels), out=tiny_bundle, model=tiny_bundle)


def test_one_class_leaves_no_bundle(tiny_bundle: Path, labels: Path, tmp_path: Path):
    table = pd.read_csv(labels)
    table[table["label"] == "NMF"].to_csv(labels, index=False)
    with pytest.raises(EvaluationError, match="are NMF"):
        calibrate(labels=str(labels), out=tmp_path / "lab", model=tiny_bundle, threads=1)
    assert not (tmp_path / "lab").exists()
