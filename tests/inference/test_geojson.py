"""GeoJSON as QuPath reads it, checked against what its own reader does (qupath.lib.io, versions 0.3 to 0.5)."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from atypica.core.errors import OutputError
from atypica.inference.geojson import CLASSES, FIGURE_UM, Region, write_geojson

MPP = 0.25


def predictions() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "figure_id": ["f1", "f2", "f3", "f4", "f5"],
            "image": ["slides/Ä 1.svs"] * 5,
            "x": [1000.0, 2000.5, 3000.0, 4000.0, np.nan],
            "y": [500.0, 600.25, 700.0, 800.0, 900.0],
            "p_amf": [0.91, 0.12, np.nan, 0.6, 0.7],
            "prediction": ["AMF", "NMF", None, "AMF", "AMF"],
            "subtype": ["multipolar", "anaphase_telophase", None, None, None],
            "p_multipolar": [0.8, 0.02, np.nan, np.nan, np.nan],
            "uncertainty": [0.4, 0.5, np.nan, 0.97, 0.88],
            "ood": [0.2, np.nan, np.nan, 0.999, 0.1],
            "abstain": pd.array([True, False, None, True, False], dtype="boolean"),
            "counted": [True, True, False, False, True],
            "left_out": [None, None, None, "ood 0.999 above 0.99", None],
            "detection_score": [0.77, 0.5, 0.4, np.nan, 0.1],
            "error": [None, None, "it lies off the slide -> mend x", None, None],
        }
    )


REGION = Region(10, 20, 400, 300, "Hotspot: 2 figures", {"figures": 2.0, "AMF rate": None})


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    path = tmp_path_factory.mktemp("geojson") / "figures.geojson"
    assert write_geojson(path, predictions(), MPP, [REGION]) == 4
    content = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda word: pytest.fail(f"{word} in JSON"))
    assert content["type"] == "FeatureCollection"
    return content["features"]


def as_qupath_reads(feature: dict[str, Any]) -> dict[str, Any]:
    """What QuPath's PathObjectTypeAdapter takes from a feature, with its demands as assertions."""
    assert feature["type"] == "Feature"
    properties, geometry = feature["properties"], feature["geometry"]
    assert properties["objectType"] in {"annotation", "detection", "cell", "tile"}
    assert geometry["type"] == "Polygon"
    (ring,) = geometry["coordinates"]
    assert ring[0] == ring[-1], "a linear ring is closed"
    assert len(ring) >= 4
    classification = properties["classification"]
    assert all(isinstance(part, int) and 0 <= part <= 255 for part in classification["color"])
    # A null or a text among the measurements makes QuPath refuse the file.
    assert all(isinstance(value, float) for value in properties["measurements"].values())
    assert all(isinstance(value, str) for value in properties.get("metadata", {}).values())
    x, y = np.array(ring).T
    return {
        "id": uuid.UUID(feature["id"]),
        "box": (x.min(), y.min(), x.max(), y.max()),
        "ellipse": geometry.get("isEllipse", False),
        "class": classification["name"],
        **{key: properties.get(key) for key in ("objectType", "name", "measurements", "metadata", "isLocked")},
    }


def test_every_object_is_one_that_qupath_takes(features: list[dict[str, Any]]):
    objects = [as_qupath_reads(feature) for feature in features]
    assert [found["class"] for found in objects] == ["Hotspot", "AMF", "NMF", "Not typed", "Left out"]
    assert len({found["id"] for found in objects}) == 5


def test_a_figure_is_a_circle_around_its_place(features: list[dict[str, Any]]):
    for feature, (x, y) in zip(features[1:3], [(1000, 500), (2000.5, 600.25)], strict=True):
        found = as_qupath_reads(feature)
        radius = FIGURE_UM / MPP / 2
        assert found["ellipse"]
        assert found["objectType"] == "detection"
        assert found["box"] == pytest.approx((x - radius, y - radius, x + radius, y + radius), abs=0.011)


def test_measurements_and_texts(features: list[dict[str, Any]]):
    amf, nmf = (as_qupath_reads(feature) for feature in features[1:3])
    assert amf["measurements"] == {
        "p_amf": 0.91,
        "p_multipolar": 0.8,
        "uncertainty": 0.4,
        "ood": 0.2,
        "abstain": 1.0,
        "detection_score": 0.77,
    }
    assert "ood" not in nmf["measurements"]
    assert nmf["measurements"]["abstain"] == 0.0
    assert (amf["name"], nmf["name"]) == ("multipolar", "anaphase / telophase")
    assert amf["metadata"] == {"figure_id": "f1", "subtype": "multipolar"}


def test_failed_and_left_out_figures_stay_with_their_reason(features: list[dict[str, Any]]):
    failed, left_out = (as_qupath_reads(feature) for feature in features[3:])
    assert failed["metadata"]["error"] == "it lies off the slide -> mend x"
    assert failed["measurements"] == {"detection_score": 0.4}
    assert failed["name"] == "f3"
    assert left_out["metadata"]["left_out"] == "ood 0.999 above 0.99"


def test_the_hotspot_is_a_locked_annotation(features: list[dict[str, Any]]):
    found = as_qupath_reads(features[0])
    assert found["objectType"] == "annotation"
    assert found["isLocked"] is True
    assert not found["ellipse"]
    assert found["box"] == (10, 20, 410, 320)
    assert found["measurements"] == {"figures": 2.0}


def test_ids_are_the_same_the_next_time(features: list[dict[str, Any]], tmp_path: Path):
    write_geojson(tmp_path / "again.geojson", predictions().iloc[::-1], MPP, [REGION])
    again = json.loads((tmp_path / "again.geojson").read_text(encoding="utf-8"))["features"]
    assert {feature["id"] for feature in again} == {feature["id"] for feature in features}


def test_colors_are_those_of_the_reports():
    assert CLASSES["AMF"] == (213, 94, 0)
    assert CLASSES["NMF"] == (0, 114, 178)


def test_no_figures_is_an_empty_collection(tmp_path: Path):
    assert write_geojson(tmp_path / "none.geojson", predictions().iloc[:0], MPP) == 0
    assert json.loads((tmp_path / "none.geojson").read_text()) == {"type": "FeatureCollection", "features": []}


@pytest.mark.parametrize("far", [1e308, -1e308, np.inf])
def test_a_place_beyond_all_slides_stays_out(tmp_path: Path, far: float):
    path = tmp_path / "figures.geojson"
    assert write_geojson(path, predictions().assign(x=[far, 2000.5, 3000.0, 4000.0, np.nan]), MPP) == 3
    assert "Infinity" not in path.read_text()


def test_a_failure_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "figures.geojson"
    write_geojson(path, predictions(), MPP)
    old = path.read_bytes()

    def full(*_: object, **__: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("atypica.inference.geojson.json.dumps", full)
    with pytest.raises(OutputError, match="No space left"):
        write_geojson(path, predictions(), MPP)
    assert path.read_bytes() == old
    assert [file.name for file in tmp_path.iterdir()] == ["figures.geojson"]
