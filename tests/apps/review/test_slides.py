"""Figures on slides: the tissue around them, and what goes back to QuPath."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from atypica.data.sources import open_source
from atypica.inference.model import load_model
from atypica.inference.saved import open_result

POINTS = [(400, 500), (900, 700), (1500, 1200)]


@pytest.fixture
def result(tmp_path: Path, tiny_bundle: Path):
    """Three figures on one slide of 2000 x 1600 px: red with a black square at each figure."""
    pixels = np.zeros((1600, 2000, 3), dtype=np.uint8) + np.array([200, 60, 60], dtype=np.uint8)
    for x, y in POINTS:
        pixels[y - 10 : y + 10, x - 10 : x + 10] = 0
    home = tmp_path / "slides"
    home.mkdir()
    Image.fromarray(pixels).save(home / "one.png", compress_level=1)
    table = pd.DataFrame({"image": "one.png", "x": [x for x, _ in POINTS], "y": [y for _, y in POINTS], "mpp": 0.25})
    table.assign(figure_id=["f1", "f2", "f3"], case="A").to_csv(home / "figures.csv", index=False)
    model = load_model(tiny_bundle)
    model.classify(open_source(home / "figures.csv"), threads=1).write(tmp_path / "results")
    return open_result(tmp_path / "results", model)


def test_the_tissue_around_a_figure(visitor):
    ann = visitor()
    key = ann.keys(sort="source")[1]
    assert "/around" in ann.client.get(f"/figures/{key}").text
    shown = np.asarray(Image.open(io.BytesIO(ann.client.get(f"/pictures/{key}/around").content)), dtype=float)
    assert shown.shape == (1024, 1024, 3)
    assert shown[504:520, 504:520].mean() < 20
    assert np.abs(shown[100, 900] - [200, 60, 60]).max() < 12
    # The figure lies at 700 px from the upper border, 512 of which are shown above it: none is white.
    assert np.abs(shown[4, 504] - [200, 60, 60]).max() < 12
    first = np.asarray(Image.open(io.BytesIO(ann.client.get(f"/pictures/{ann.keys(sort='source')[0]}/around").content)))
    assert first[4, 504].min() > 240


def test_labels_for_qupath(visitor):
    ann = visitor()
    keys = ann.keys(sort="source")
    ann.vote(keys[0], call="AMF", subtype="multipolar")
    ann.vote(keys[2], call="NMF")
    assert "one.png" in ann.client.get("/export").text
    answer = ann.client.get("/export/figures.geojson?slide=0")
    features = json.loads(answer.text)["features"]
    assert [feature["properties"]["classification"]["name"] for feature in features] == ["AMF", "NMF"]
    assert features[0]["properties"]["metadata"]["subtype"] == "multipolar"
    corners = np.array(features[1]["geometry"]["coordinates"][0])[:-1]
    assert corners.mean(axis=0) == pytest.approx(POINTS[2], abs=0.1)
    assert ann.client.get("/export/figures.geojson?slide=1").status_code == 404
