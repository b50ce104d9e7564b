"""Figures on slides: the tissue around them, and what goes back to QuPath."""

from __future__ import annotations

import io
import json
import math
import re
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pyramid import write_slide

from atypica.apps.web.review.slides import SlideTiles
from atypica.core.errors import FigureError
from atypica.data.figures import Figures
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


def place_of(browser, key: str) -> dict[str, str]:
    """Where the page says that a figure lies."""
    return dict(re.findall(r'data-(slide|x|y|side|mpp)="([^"]+)"', browser.client.get(f"/figures/{key}").text))


def whole(browser, slide: str, level: int, info: dict[str, int]) -> np.ndarray:
    """One level put together from its tiles."""
    scale = 2 ** (info["max_level"] - level)
    width, height = (math.ceil(info[side] / scale) for side in ("width", "height"))
    pixels = np.zeros((height, width, 3), dtype=float)
    for top in range(0, height, info["tile"]):
        for left in range(0, width, info["tile"]):
            at = f"/slides/{slide}/{level}/{left // info['tile']}_{top // info['tile']}.jpg"
            tile = np.asarray(Image.open(io.BytesIO(browser.client.get(at).content)), dtype=float)
            pixels[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return pixels


@pytest.mark.parametrize("kind", ["png", "levels"])
def test_the_slide_in_tiles_is_the_slide(visitor, result, tmp_path, kind):
    ann = visitor()
    place = place_of(ann, ann.keys(sort="source")[1])
    assert (float(place["x"]), float(place["y"]), float(place["mpp"])) == (*POINTS[1], 0.25)
    pixels = np.asarray(Image.open(tmp_path / "slides" / "one.png"))
    if kind == "levels":
        figures = replace(result.figures, root=tmp_path)
        write_slide(tmp_path / "one.png", pixels, levels=3)
        tiles = SlideTiles(figures, "secret")
        key = tiles.key("one.png")
        info = asdict(tiles.info(key))
        piece = np.asarray(Image.open(io.BytesIO(tiles.tile(key, 10, 1, 0))), dtype=float)
        known = pixels[:512, 512:1024].reshape(256, 2, 256, 2, 3).mean(axis=(1, 3))
        assert np.abs(piece - known).mean() < 3
        assert info["min_level"] == 0
        return
    info = ann.client.get(f"/slides/{place['slide']}").json()
    assert (info["width"], info["height"], info["max_level"]) == (2000, 1600, 11)
    for level, scale in ((11, 1), (9, 4)):
        shown = whole(ann, place["slide"], level, info)
        known = pixels.reshape(1600 // scale, scale, 2000 // scale, scale, 3).mean(axis=(1, 3))
        assert np.abs(shown - known).mean() < 2
        for x, y in POINTS:
            assert shown[y // scale, x // scale].mean() < 30


def test_no_tile_makes_the_server_read_a_whole_slide(tmp_path):
    """Without levels, what lies too far out is not served."""
    Image.new("RGB", (8192, 300)).save(tmp_path / "long.png")
    table = pd.DataFrame({"figure_id": ["a"], "image": "long.png", "x": [9.0], "y": [9.0]})
    tiles = SlideTiles(Figures(table, tmp_path, "long"), "secret")
    key = tiles.key("long.png")
    info = tiles.info(key)
    assert (info.max_level, info.min_level) == (13, 10)
    assert Image.open(io.BytesIO(tiles.tile(key, 10, 3, 0))).size == (256, 38)
    with pytest.raises(FigureError, match="no such level"):
        tiles.tile(key, 9, 0, 0)


def test_who_may_see_which_tiles(visitor, review):
    study = review(blinded=True)
    ann = visitor(study, study.readers.admit("ann"))
    slide = place_of(ann, ann.keys(sort="case")[0])["slide"]
    tile = ann.client.get(f"/slides/{slide}/11/0_0.jpg")
    assert tile.headers["content-type"] == "image/jpeg"
    assert tile.headers["cache-control"].startswith("private")
    assert tile.headers["cross-origin-resource-policy"] == "same-origin"
    for path in ("11/8_0", "11/0_7", "11/-1_0", "12/0_0", "0/1_0", "-1/0_0"):
        assert ann.client.get(f"/slides/{slide}/{path}.jpg").status_code == 404, path
    for path in ("11/0_x", "a/0_0"):
        assert ann.client.get(f"/slides/{slide}/{path}.jpg").status_code in {404, 422}, path
    assert ann.client.get(f"/slides/{'0' * 20}/11/0_0.jpg").status_code == 404
    assert ann.client.get("/slides/..%2f..%2fone.png/11/0_0.jpg").status_code == 404
    stranger = visitor(study)
    for path in (f"/slides/{slide}", f"/slides/{slide}/11/0_0.jpg"):
        assert stranger.client.get(path).status_code == 401


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
