"""Crops from slides: the right place to the pixel, the right level, shared reads, flags and errors in their rows."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pyramid import marked, with_figures, write_slide

from atypica.core.errors import FigureError, SourceError
from atypica.data.figures import figures_from
from atypica.inference.card import Geometry
from atypica.inference.crop_sources import crops_for, on_slides
from atypica.inference.crops import FileCrops
from atypica.inference.model import load_model
from atypica.inference.resolution import Resolution
from atypica.inference.slide_crops import SlideCrops, level_for, z_order

PLACES = [(100, 100), (700, 900), (1400, 1100), (731, 411)]
FIELD = Geometry(field_um=16, size_px=64)
"""At 0.25 um/px: 64 px, taken as they are."""


@pytest.fixture
def model(tiny_bundle):
    return load_model(tiny_bundle)


@pytest.fixture
def slide(tmp_path):
    return write_slide(tmp_path / "slide.tif", with_figures(1500, 1200, PLACES))


def figures(slide, places, **columns):
    rows = pd.DataFrame({"image": slide.name, "x": [p[0] for p in places], "y": [p[1] for p in places], **columns})
    return figures_from(rows, slide.parent, slide.name)


def crops_of(slide, places, geometry=FIELD, mpp=None, **columns):
    table = figures(slide, places, **columns)
    return SlideCrops(table, Resolution(table, mpp), geometry)


@pytest.mark.parametrize("place", [(100, 100), (731, 411), (1400, 1150), (40.0, 40.0)])
def test_the_center_is_right_to_the_pixel(tmp_path, place):
    from atypica.inference.preprocess import resample

    pixels = marked(1500, 1200)
    crop = crops_of(write_slide(tmp_path / "slide.tif", pixels), [place]).read(0)
    got = resample(crop.pixels, crop.place.mpp * crop.place.scale, FIELD, crop.place.center)
    x, y = map(int, place)
    assert np.array_equal(got, pixels[y - 32 : y + 32, x - 32 : x + 32])
    assert not crop.place.border


def test_figures_of_a_slide_are_typed_as_their_crops_in_files_are(slide, tmp_path):
    folder = tmp_path / "crops"
    folder.mkdir()
    pixels = with_figures(1500, 1200, PLACES)
    for number, (x, y) in enumerate(PLACES):
        Image.fromarray(pixels[y - 64 : y + 64, x - 64 : x + 64]).save(folder / f"{number}.png")
    shipped = load_model()
    whole = shipped.classify(figures(slide, PLACES))
    assert whole.predictions["p_amf"].tolist() == shipped.classify(folder, mpp=0.25).predictions["p_amf"].tolist()
    crops, maps = whole.explain([2, 0])
    assert np.array_equal(crops, shipped.classify(folder, mpp=0.25).explain([2, 0])[0])
    assert len(maps) == 2


@pytest.mark.parametrize(
    ("mpp", "needed", "level"),
    [
        (0.25, 0.125, 0),
        (0.25, 0.25, 0),
        (0.25, 0.49, 0),
        (0.25, 0.5, 1),
        (0.251, 0.5, 1),
        (0.25, 0.9, 1),
        (0.25, 4, 2),
    ],
)
def test_the_level_is_the_coarsest_that_is_fine_enough(mpp, needed, level):
    assert level_for((1.0, 2.0, 4.0), mpp, needed) == level


def test_a_coarse_model_cuts_from_the_level_that_fits(tmp_path):
    pixels = np.full((1200, 1600, 3), 255, np.uint8)
    pixels[500:600, 800:1000] = 0  # 25 x 50 um, its center at (900, 550)
    crop = crops_of(
        write_slide(tmp_path / "slide.tif", pixels), [(900, 550)], Geometry(field_um=100, size_px=100)
    ).read(0)
    assert crop.place.scale == 4
    row = int(crop.place.center[1])
    dark = np.flatnonzero(crop.pixels[row, :, 0] < 128)
    assert len(dark) == 200 // 4
    assert dark.mean() + 0.5 == crop.place.center[0]


def test_the_border_is_flagged_and_filled_by_reflection(slide, model):
    places = [(0, 600), (31.9, 600), (33, 600), (1500, 1200), (1468, 1168), (750, 3)]
    got = model.classify(figures(slide, places)).predictions
    # The tiny model's field is 20 um: 80 px, 40 on each side.
    assert got["border"].tolist() == [True, True, True, True, True, True]
    assert got["p_amf"].notna().all()
    assert model.classify(figures(slide, [(40, 40), (1460, 1160)])).predictions["border"].tolist() == [False, False]


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ((-1, 5), r"\(-1, 5\) lies off"),
        ((1500.5, 5), "lies off"),
        ((5, 1e9), "lies off"),
        ((np.nan, np.nan), "no x and y"),
        ((np.nan, 5), "no x"),
        ((np.inf, 5), "lies off"),
    ],
)
def test_what_is_off_the_slide_is_an_error_of_its_row(slide, model, place, message):
    got = model.classify(figures(slide, [(700, 900), place, (100, 100)])).predictions
    assert got["error"].isna().tolist() == [True, False, True]
    assert pd.Series(got["error"]).str.contains(message)[1]


def test_a_slide_without_resolution_is_refused_until_it_is_given(tmp_path, model):
    path = write_slide(tmp_path / "slide.tif", with_figures(1500, 1200, PLACES), mpp=None)
    assert "does not say its micrometers" in model.classify(figures(path, PLACES)).predictions["error"][0]
    (tmp_path / "a.csv").write_text("x_px,y_px\n700,900\n")
    with pytest.raises(SourceError, match="--mpp"):
        model.classify(path, figures=tmp_path / "a.csv")
    given = model.classify(path, figures=tmp_path / "a.csv", mpp=0.25)
    same = write_slide(tmp_path / "same.tif", with_figures(1500, 1200, PLACES))
    assert (
        given.predictions["p_amf"][0] == model.classify(figures(same, [(700, 900), (100, 100)])).predictions["p_amf"][0]
    )


def test_the_file_has_the_say_on_the_resolution_and_a_contradiction_is_said(slide, model):
    result = model.classify(figures(slide, PLACES), mpp=0.5)
    assert any("slide.tif says 0.25 um/px itself, so the given 0.5 was not taken" in note for note in result.notes)
    assert result.predictions["p_amf"].tolist() == model.classify(figures(slide, PLACES)).predictions["p_amf"].tolist()


@pytest.mark.parametrize("mpp", [0.25, 0.499, 0.2301])
def test_micrometers_become_pixels_to_the_hundredth_of_a_micrometer(tmp_path, model, mpp):
    path = write_slide(tmp_path / "slide.tif", with_figures(1500, 1200, PLACES), mpp=mpp)
    um = [(x * mpp, y * mpp) for x, y in PLACES]
    pd.DataFrame(um, columns=["x_um", "y_um"]).round(3).to_csv(tmp_path / "a.csv", index=False)
    got = model.classify(path, figures=tmp_path / "a.csv").predictions
    assert np.abs(got[["x", "y"]].to_numpy(dtype=float) * mpp - um).max() < 0.01


def test_each_region_is_read_once_and_every_row_answered_once(tmp_path, monkeypatch):
    places = np.random.default_rng(0).uniform(0, 1200, (500, 2)).round()
    source = crops_of(write_slide(tmp_path / "slide.tif", marked(1500, 1200)), places.tolist())
    read = []
    original = type(source._slide(0).__enter__()).read_level
    monkeypatch.setattr(
        "atypica.data.slide.handle.Slide.read_level", lambda self, *args: read.append(args) or original(self, *args)
    )
    rows = [
        row for lot in source.lots(500, 32) for row, crop in source.read_lot(lot) if not isinstance(crop, FigureError)
    ]
    assert sorted(rows) == list(range(500))
    assert len(read) == 9  # 3 x 3 cells of 512 px
    assert max(width * height for _, _, width, height, _ in read) < 700**2


def test_a_damaged_tile_costs_only_the_figures_on_it(tmp_path):
    import tifffile

    path = write_slide(tmp_path / "slide.tif", marked(1500, 1200), levels=1, tile=(256, 256))
    with tifffile.TiffFile(path) as file:
        start, length = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    content = bytearray(path.read_bytes())
    content[start : start + length] = b"\xff" * length
    path.write_bytes(content)
    source = crops_of(path, [(100, 100), (400, 100), (100, 400)])
    got = {row: crop for lot in source.lots(3, 32) for row, crop in source.read_lot(lot)}
    assert isinstance(got[0], FigureError)
    assert not isinstance(got[1], FigureError)
    assert not isinstance(got[2], FigureError)


def test_crops_that_know_their_place_are_no_points_on_a_slide(tmp_path, slide):
    Image.new("RGB", (128, 128)).save(tmp_path / "crop.png")
    table = {
        "image": ["crop.png", "slide.tif", "gone.png", "gone.svs"],
        "x": [40_000, 700, 1, None],
        "y": [3, 900, 2, None],
    }
    assert on_slides(figures_from(pd.DataFrame(table), tmp_path, "test")).tolist() == [False, True, False, True]


def test_crops_and_slides_may_stand_in_one_table(tmp_path, slide, model):
    Image.new("RGB", (128, 128), "white").save(tmp_path / "crop.png")
    table = {"image": ["slide.tif", "crop.png"] * 2, "x": [700, 9000, 100, 9000], "y": [900, 9000, 100, 9000]}
    given = figures_from(pd.DataFrame(table), tmp_path, "test")
    got = model.classify(given).predictions
    assert got["border"].isna().tolist() == [False, True] * 2
    assert got["error"].isna().all()
    assert isinstance(
        crops_for(given.where(np.array([False, True] * 2)), Resolution(given, None), model.card), FileCrops
    )


def test_a_table_of_slides(tmp_path, slide, model):
    other = write_slide(tmp_path / "other.tif", with_figures(1500, 1200, PLACES), mpp=None)
    (tmp_path / "broken.tif").write_bytes(b"II*\0")
    points = [
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": place}, "properties": {}} for place in PLACES
    ]
    (tmp_path / "a.geojson").write_text(json.dumps(points))
    slides = {
        "slide": [slide.name, other.name, "broken.tif"],
        "figures": "a.geojson",
        "case": ["A", "A", "B"],
        "mpp": [None, 0.25, None],
    }
    pd.DataFrame(slides).to_csv(tmp_path / "slides.csv", index=False)
    got = model.classify(tmp_path / "slides.csv").predictions
    assert len(got) == 12
    assert got["case"].tolist() == ["A"] * 8 + ["B"] * 4
    assert got["p_amf"][:4].tolist() == got["p_amf"][4:8].tolist()
    assert got["error"].isna().tolist() == [True] * 8 + [False] * 4


@pytest.mark.parametrize("places", [PLACES, [*PLACES, PLACES[0], PLACES[0]]])
def test_places_that_repeat_are_counted_and_said(tmp_path, slide, model, places):
    points = [{"type": "Feature", "geometry": {"type": "Point", "coordinates": place}} for place in places]
    (tmp_path / "a.geojson").write_text(json.dumps(points))
    (tmp_path / "none.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    write_slide(tmp_path / "empty.tif", with_figures(1500, 1200, []))
    rows = {"slide": [slide.name, "empty.tif"], "figures": ["a.geojson", "none.geojson"]}
    pd.DataFrame(rows).to_csv(tmp_path / "slides.csv", index=False)
    for result in (model.classify(slide, figures=tmp_path / "a.geojson"), model.classify(tmp_path / "slides.csv")):
        assert len(result.predictions) == len(places)
        said = "2 of 6 detections repeat the place of another: each is counted"
        assert (said in result.notes) is (len(places) > len(PLACES))
    assert {"2 slides", "no figures on 1 slide: empty.tif"} <= set(result.notes)


def test_the_curve_keeps_neighbors_together():
    columns, rows = (grid.ravel().astype(float) for grid in np.meshgrid(range(4), range(4)))
    got = z_order(columns, rows).reshape(4, 4)
    assert got.tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]


def test_the_real_slide(real_data, model, tmp_path):
    path = real_data / "slides" / "CMU-1-Small-Region.svs"
    (tmp_path / "a.csv").write_text("x_px,y_px,score,class\n700,900,0.5,mitosis\n5,5,0.25,\n2221,5,0.1,\n")
    got = model.classify(path, figures=tmp_path / "a.csv")
    assert got.predictions["border"].fillna(False).tolist() == [False, True, False]
    assert got.predictions["error"].isna().tolist() == [True, True, False]
    assert got.predictions["detection_score"].tolist() == [0.5, 0.25, 0.1]
    assert any("0.499 um/px from the slide's file" in note for note in got.notes)
