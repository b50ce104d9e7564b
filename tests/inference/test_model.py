"""The Python API: any usual kind of source, and the same answer from all."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

import atypica
from atypica.core.errors import BundleError, FigureError, SettingsError, SourceError
from atypica.data.figures import figures_from


@pytest.fixture(scope="module")
def model(tiny_bundle):
    return atypica.load_model(tiny_bundle)


@pytest.fixture
def arrays() -> np.ndarray:
    rng = np.random.default_rng(2)
    return rng.integers(0, 256, (4, 1, 1, 1), dtype=np.uint8) * np.ones((4, 96, 96, 3), np.uint8)


@pytest.fixture
def folder(tmp_path, arrays):
    for number, array in enumerate(arrays):
        Image.fromarray(array).save(tmp_path / f"{number}.png")
    tifffile.imwrite(tmp_path / "stack.tif", arrays, photometric="rgb")
    return tmp_path


def test_every_kind_of_source_gives_the_same(model, arrays, folder):
    paths = [folder / f"{number}.png" for number in range(4)]
    table = pd.DataFrame({"image": [path.name for path in paths]})
    stack = pd.DataFrame({"image": "stack.tif", "page": range(4)})
    sources = {
        "batch": arrays,
        "arrays": list(arrays),
        "images": [Image.fromarray(array) for array in arrays],
        "paths": paths,
        "strings": [str(path) for path in paths],
        "table": pd.DataFrame({"image": [str(path) for path in paths]}),
        "figures": figures_from(table, folder, "test"),
        "stack": figures_from(stack, folder, "test"),
    }
    expected = 1 / (1 + np.exp(-(4 - arrays[:, 0, 0, 0] / 255 * 8)))
    for name, source in sources.items():
        np.testing.assert_allclose(model.classify(source).predictions["p_amf"], expected, atol=1e-4, err_msg=name)


def test_one_image(model, arrays):
    for source in (arrays[0], Image.fromarray(arrays[0]), arrays[0, :, :, 0]):
        assert len(model.classify(source).predictions) == 1


def test_a_path_is_opened_as_a_source(model, folder):
    (folder / "stack.tif").unlink()
    result = model.classify(folder)
    assert sorted(result.predictions["image"]) == ["0.png", "1.png", "2.png", "3.png"]


def test_views_and_threads_change_nothing_that_they_should_not(model, arrays):
    one = model.classify(arrays).predictions
    pd.testing.assert_frame_equal(model.classify(arrays, threads=3, batch=1).predictions, one)
    np.testing.assert_allclose(model.classify(arrays, views=8).predictions["p_amf"], one["p_amf"], atol=1e-5)


@pytest.mark.parametrize(("wanted", "used"), [(None, 0.5), (0.3, 0.3), ("0.3", 0.3), ("sensitive", 0.2), (0, 0)])
def test_thresholds_by_value_or_name(model, arrays, wanted, used):
    assert (model.classify(arrays, threshold=wanted).predictions["threshold"] == used).all()


@pytest.mark.parametrize("wrong", ["nonsense", 1.5, -0.1, float("nan")])
def test_impossible_thresholds_name_the_possible(model, arrays, wrong):
    with pytest.raises(SettingsError) as raised:
        model.classify(arrays, threshold=wrong)
    assert "sensitive" in raised.value.fix


def test_mpp_decides_the_field_of_view(model):
    """A dark center of 20 um in a bright surround, in crops of two scanners."""
    for mpp in (0.25, 0.5):
        side = round(20 / mpp)
        crop = np.full((3 * side, 3 * side, 3), 255, np.uint8)
        crop[side : 2 * side, side : 2 * side] = 0
        assert model.classify(crop, mpp=mpp).predictions["p_amf"].iloc[0] > 0.97
    assert model.classify(crop, mpp=1.0).predictions["p_amf"].iloc[0] > 0.97
    assert model.classify(crop, mpp=0.2).predictions["p_amf"].iloc[0] < 0.2


def test_an_assumption_is_said_and_a_known_resolution_is_not_one(model, arrays):
    assert any("assumed" in note for note in model.classify(arrays).notes)
    assert not any("assumed" in note for note in model.classify(arrays, mpp=0.25).notes)


def test_explains_the_figures_asked_for(model, arrays):
    result = model.classify(arrays, mpp=0.25, views=8)
    crops, maps = result.explain([2, 0])
    assert crops.shape == (2, 32, 32, 3)
    assert crops.dtype == np.uint8
    assert maps.shape == (2, 4, 4)
    p = result.predictions["p_amf"].to_numpy()[[2, 0]]
    np.testing.assert_allclose(1 / (1 + np.exp(-maps.mean(axis=(1, 2)))), p, atol=1e-4)
    assert result.explain([])[0].shape[0] == 0


@pytest.mark.parametrize("source", [[], 7, {"image": "a.png"}, [None, 7]])
def test_what_is_no_source(model, source):
    with pytest.raises(SourceError):
        model.classify(source)


def test_arrays_of_fractions_are_refused(model):
    with pytest.raises(FigureError, match="float64"):
        model.classify(np.zeros((96, 96, 3)))
    with pytest.raises(FigureError, match="float64"):
        model.classify(np.zeros((2, 96, 96, 3)))


def test_a_bad_image_in_a_list_fills_its_row_and_loses_no_other(model, arrays):
    buffer = io.BytesIO()
    Image.fromarray(arrays[0]).save(buffer, format="PNG")
    cut = Image.open(io.BytesIO(buffer.getvalue()[:-40]))
    bomb = Image.new("1", (9000, 9000))
    bad = {1: cut, 2: arrays[0] / 255, 4: np.zeros((3, 8, 8, 3), np.uint8), 5: "a.png", 6: None, 7: bomb}
    source = [bad.get(row, arrays[0]) for row in range(9)]
    table = model.classify(source).predictions
    assert table["p_amf"].isna().tolist() == [row in bad for row in range(9)]
    assert table.loc[[0, 3, 8], "p_amf"].nunique() == 1
    said = {1: "image 2 cannot be read", 2: "float64", 4: "3x8x8x3", 5: "a str, not", 6: "a NoneType", 7: "9000x9000"}
    for row, words in said.items():
        assert words in table["error"][row]


def test_one_damaged_image_alone_raises(model, arrays):
    buffer = io.BytesIO()
    Image.fromarray(arrays[0]).save(buffer, format="PNG")
    with pytest.raises(FigureError, match="image 1 cannot be read"):
        model.classify(Image.open(io.BytesIO(buffer.getvalue()[:-40])))


def test_missing_bundle(tmp_path):
    with pytest.raises(BundleError):
        atypica.load_model(tmp_path / "none")


def test_public_names():
    assert set(atypica.__all__) <= set(dir(atypica))
    for name in atypica.__all__:
        assert getattr(atypica, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        atypica.nonsense  # noqa: B018
