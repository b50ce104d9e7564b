"""What can be tested of the QuPath script without QuPath: that it fits the rest of atypica."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drawn_slide import draw_slide, write_slide
from PIL import Image

from atypica.apps.cli.main import app
from atypica.apps.qupath import SCRIPT
from atypica.core.errors import ExitCode
from atypica.data.detections import read_detections
from atypica.inference.geojson import CLASSES, HOTSPOT
from atypica.inference.slide_tables import CASE_COLUMNS, COLUMNS

PLACES = [(600.0, 700.0), (650.5, 720.25), (1500.0, 1000.0)]


def test_the_script_replaces_the_classes_that_are_written():
    text = SCRIPT.read_text(encoding="utf-8")
    figures = re.search(r"def FIGURE_CLASSES = (\[.*\])", text)
    hotspot = re.search(r'def HOTSPOT_CLASS = "(.*)"', text)
    assert figures
    assert hotspot
    assert {*json.loads(figures[1]), hotspot[1]} == set(CLASSES)


def test_the_script_calls_what_is_documented():
    text = SCRIPT.read_text(encoding="utf-8")
    for call in (
        "getCurrentServer()",
        "getURIs()",
        "getDetectionObjects()",
        "getAnnotationObjects()",
        'exportObjectsToGeoJson(figures, exported, "FEATURE_COLLECTION")',
        "importObjectsFromFile(",
        "removeObjects(",
        "fireHierarchyUpdate()",
    ):
        assert call in text
    assert text.count("{") == text.count("}")
    assert text.count("(") == text.count(")")


@pytest.fixture(scope="module")
def out(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of the script, on objects as QuPath exports them."""
    folder = tmp_path_factory.mktemp("qupath")
    slide = write_slide(folder / "slide.tif", draw_slide((2400, 1600), (200, 200, 2200, 1400), np.array(PLACES)), 0.5)
    features = [
        {
            "type": "Feature",
            "id": f"00000000-0000-4000-8000-00000000000{n}",
            "geometry": {
                "type": "Polygon",
                "coordinates": [
                    [[x - 12, y - 12], [x + 12, y - 12], [x + 12, y + 12], [x - 12, y + 12], [x - 12, y - 12]]
                ],
            },
            "properties": {
                "objectType": "detection",
                "classification": {"name": "Mitosis", "color": [200, 0, 0]},
                "measurements": {"Detection probability": 0.9 - n / 10},
            },
        }
        for n, (x, y) in enumerate(PLACES)
    ]
    exported = folder / "detections.geojson"
    exported.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    result = folder / "out"
    command = ["classify", str(slide), "--figures", str(exported), "--out", str(result), "--mpp", "0.500000"]
    assert (
        app([*command, "--model", str(tiny_bundle), "--hotspot-mm2", "0.1"], result_action="return_value")
        == ExitCode.OK
    )
    return result


def test_what_the_script_imports_is_there(out: Path):
    features = json.loads((out / "figures.geojson").read_text(encoding="utf-8"))["features"]
    assert [feature["properties"]["classification"]["name"] == HOTSPOT for feature in features] == [True] + [False] * 3
    assert {feature["properties"]["objectType"] for feature in features[1:]} == {"detection"}


def test_places_and_scores_survive_the_way_there_and_back(out: Path):
    back = read_detections(out / "figures.geojson").table
    assert back[["x", "y"]].to_numpy() == pytest.approx(np.array(PLACES), abs=0.01)
    assert back["detection_score"].to_numpy() == pytest.approx([0.9, 0.8, 0.7])
    assert set(back["detection_class"]) <= {"AMF", "NMF"}


def test_all_files_of_a_slide_are_written(out: Path):
    names = {path.name for path in out.iterdir()}
    assert {"predictions.csv", "cases.csv", "slides.csv", "figures.geojson", "overview.png", "report.html"} <= names
    slides = pd.read_csv(out / "slides.csv")
    assert tuple(slides.columns) == COLUMNS
    assert slides["hotspot_figures"].tolist() == [2]  # 0.365 x 0.274 mm: 730 x 548 px; the third is 850 px away
    cases = pd.read_csv(out / "cases.csv")
    assert tuple(cases.columns[-len(CASE_COLUMNS) :]) == CASE_COLUMNS
    assert cases["tissue_mm2"].iloc[-1] == slides["tissue_mm2"].iloc[0]
    with Image.open(out / "overview.png") as picture:
        assert picture.size[0] == 2160


def test_the_report_has_the_slide_and_fetches_nothing(out: Path):
    page = (out / "report.html").read_text(encoding="utf-8")
    assert 'id="slides"' in page
    assert 'src="data:image/jpeg;base64,' in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert str(out) not in page


def test_an_impossible_hotspot_is_refused_before_any_work(tmp_path: Path):
    from atypica.core.errors import SettingsError

    with pytest.raises(SettingsError, match="hotspot"):
        app(["classify", "nothing", "--out", str(tmp_path / "o"), "--hotspot-mm2", "0"], result_action="return_value")
    assert not (tmp_path / "o").exists()
