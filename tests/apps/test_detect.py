"""`atypica detect` against a stand-in for TIAToolbox that writes what TIAToolbox 2.1.3 writes. Never run for real."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from atypica.apps.cli.main import run

MODEL_POINTS = [(100, 40, 0.999), (7, 250, 0.991)]
SCALE = 2.0
"""The model looks at 0.5 um/px, the slide has 0.25: TIAToolbox scales to pixels of level 0."""


@dataclass
class Config:
    """The part of IOSegmentorConfig that is touched."""

    input_resolutions: list = field(default_factory=lambda: [{"units": "mpp", "resolution": 0.5}])
    output_resolutions: list = field(default_factory=lambda: [{"units": "mpp", "resolution": 0.5}])
    highest_input_resolution: dict = field(default_factory=lambda: {"units": "mpp", "resolution": 0.5})


class StandIn:
    """NucleusDetector as it is called; `run` writes QuPath JSON and gives a dict of paths."""

    made: dict
    called: dict
    points = MODEL_POINTS
    failure: Exception | None = None

    def __init__(self, model, batch_size=8, num_workers=0, weights=None, *, device="cpu", verbose=True):
        StandIn.made = {"model": model, "batch_size": batch_size, "weights": weights, "device": device}
        self.ioconfig = Config()

    def run(self, images, *, patch_mode=True, save_dir=None, output_type="dict", **kwargs):
        StandIn.called = {"patch_mode": patch_mode, "output_type": output_type, **kwargs}
        if self.failure:
            raise self.failure
        save_dir.mkdir(parents=True)  # it refuses a folder that is there
        path = save_dir / f"{images[0].stem}.json"
        path.write_text(json.dumps({"type": "FeatureCollection", "features": self.features()}, indent=2))
        return {images[0]: path}

    def features(self):
        return [
            {
                "type": "Feature",
                "id": f"detection_{number}",
                "geometry": {"type": "Point", "coordinates": [x * SCALE, y * SCALE]},
                "properties": {
                    "classification": {"name": "Mitotic_Figure", "color": [31, 119, 180]},
                    "probability": score,
                },
                "objectType": "detection",
                "name": "Mitotic_Figure",
                "class_value": 0,
            }
            for number, (x, y, score) in enumerate(self.points)
        ]


@pytest.fixture
def toolbox(monkeypatch):
    """The stand-in in the place of the package."""
    monkeypatch.setattr(StandIn, "points", MODEL_POINTS)
    monkeypatch.setattr(StandIn, "failure", None)
    for name in (
        "tiatoolbox",
        "tiatoolbox.models",
        "tiatoolbox.models.engine",
        "tiatoolbox.models.engine.nucleus_detector",
    ):
        module = ModuleType(name)
        module.__spec__ = object()
        module.__path__ = []
        monkeypatch.setitem(sys.modules, name, module)
    sys.modules["tiatoolbox.models.engine.nucleus_detector"].NucleusDetector = StandIn
    return StandIn


@pytest.fixture
def detect(tmp_path, monkeypatch, capsys):
    """Run the verb; gives the exit code, what was said and the table's path."""
    slide = tmp_path / "a slide.svs"
    slide.write_bytes(b"slide")

    def call(*options: str, slide: Path = slide, out: str = "found.csv"):
        monkeypatch.setattr("sys.argv", ["atypica", "detect", str(slide), "--out", str(tmp_path / out), *options])
        with pytest.raises(SystemExit) as left:
            run()
        said = capsys.readouterr()
        return left.value.code, " ".join((said.out + said.err).split()), tmp_path / out

    return call


def test_detections_are_centers_in_pixels_of_level_0_with_the_score(toolbox, detect):
    code, said, out = detect()
    assert code == 0
    table = pd.read_csv(out)
    assert list(table.columns) == ["x_px", "y_px", "detection_score", "detection_class"]
    assert table[["x_px", "y_px"]].to_numpy().tolist() == [[200, 80], [14, 500]]
    assert table["detection_score"].tolist() == [0.999, 0.991]
    assert table["detection_class"].tolist() == ["Mitotic_Figure"] * 2
    assert "not yet run for real" in said
    assert "2 detections" in said


def test_it_is_asked_for_whole_slides_where_x_and_y_are_not_exchanged(toolbox, detect):
    detect("--device", "cuda", "--weights", "w.pth", "--batch", "4")
    assert toolbox.made == {"model": "KongNet_Det_MIDOG_1", "batch_size": 4, "weights": "w.pth", "device": "cuda"}
    assert toolbox.called == {"patch_mode": False, "output_type": "qupath", "device": "cuda", "auto_get_mask": True}


def test_settings_are_passed_on_under_its_names(toolbox, detect):
    detect("--min-score", "0.5", "--detector-mpp", "0.25", "--mpp", "0.23")
    config = toolbox.called["ioconfig"]
    assert toolbox.called["threshold_abs"] == 0.5
    assert toolbox.called["wsireader_kwargs"] == {"mpp": (0.23, 0.23)}
    wanted = {"units": "mpp", "resolution": 0.25}
    assert config.input_resolutions == config.output_resolutions == [wanted]
    assert config.highest_input_resolution == wanted


def test_nothing_found_is_an_empty_table(toolbox, detect):
    toolbox.points = []
    code, said, out = detect()
    assert code == 0
    assert "0 detections" in said
    assert pd.read_csv(out).empty


def test_without_the_package_the_extra_is_named(detect, monkeypatch):
    monkeypatch.setattr("atypica.apps.detectors.kongnet.find_spec", lambda name: None)
    code, said, out = detect()
    assert code == 2
    assert "pip install 'atypica[detect]'" in said
    assert not out.exists()


def test_a_failure_of_the_detector_is_one_message(toolbox, detect):
    toolbox.failure = RuntimeError("CUDA out of memory")
    code, said, out = detect()
    assert code == 2
    assert "failed on" in said
    assert "RuntimeError: CUDA out of memory" in said
    assert not out.exists()


def test_detections_without_a_score_are_refused(toolbox, detect, monkeypatch):
    monkeypatch.setattr(toolbox, "points", [(1, 2, None)])
    code, said, _ = detect()
    assert code == 2
    assert "without a place or a score" in said or "cannot be read" in said


def test_bad_arguments_cost_no_work(toolbox, detect, tmp_path):
    assert detect(slide=tmp_path / "gone.svs")[0] == 2
    assert detect(out="found.xlsx")[0] == 2


def test_the_help_says_that_it_was_not_run_for_real(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["atypica", "detect", "--help"])
    with pytest.raises(SystemExit):
        run()
    assert "this has not been run for real" in " ".join(capsys.readouterr().out.split())
