"""A result is found again with the figures that it is of."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from atypica.core.errors import SourceError
from atypica.data.sources import open_source
from atypica.inference.model import Model, load_model
from atypica.inference.saved import is_result, open_result, typed_by


@pytest.fixture
def model(tiny_bundle: Path) -> Model:
    return load_model(tiny_bundle)


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    folder = tmp_path / "work" / "crops"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(6):
        pixels = rng.integers(0, 60, (96, 96, 3)) + 35 * number
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def results(crops: Path, model: Model) -> Path:
    folder = crops.parent / "results"
    model.classify(crops, threads=1).write(folder)
    return folder


def test_figures_are_found_beside_the_result(results, crops, model):
    assert is_result(results)
    assert not is_result(crops)
    again = open_result(results, model)
    fresh = model.classify(crops, threads=1)
    assert typed_by(again, model)
    assert again.figures.root == crops.resolve()
    assert again.cases().equals(fresh.cases())
    for one, two in zip(again.explain([0, 5]), fresh.explain([0, 5]), strict=True):
        assert np.array_equal(one, two)


def test_a_table_beside_the_images_says_more(results, crops, model):
    table = pd.DataFrame({"image": [f"{n}.png" for n in reversed(range(6))], "label": ["AMF"] * 2 + ["NMF"] * 4})
    table.to_csv(crops / "labels.csv", index=False)
    figures = open_result(results, model).figures
    assert figures.table["image"].tolist() == [f"{n}.png" for n in range(6)]
    assert figures.labels.tolist() == [0, 0, 0, 0, 1, 1]


def test_eight_views_are_recognized(crops, model, tmp_path):
    model.classify(crops, threads=1, views=8).write(crops.parent / "eight")
    assert open_result(crops.parent / "eight", model).views in {1, 8}


def test_a_source_that_is_named(results, crops, model, tmp_path):
    elsewhere = tmp_path / "far" / "away" / "crops"
    shutil.move(crops, elsewhere)
    with pytest.raises(SourceError, match="nowhere near"):
        open_result(results, model)
    assert open_result(results, model, source=open_source(elsewhere)).figures.root == elsewhere
    (elsewhere / "5.png").unlink()
    with pytest.raises(SourceError, match="5 of the 6"):
        open_result(results, model, source=open_source(elsewhere))


def test_two_folders_with_the_same_names_are_not_guessed_among(results, crops, model):
    shutil.copytree(crops, crops.parent / "others")
    with pytest.raises(SourceError, match="2 folders have images of these names"):
        open_result(results, model)


def test_other_images_than_were_typed_are_refused(results, crops, model):
    for number in range(6):
        Image.new("RGB", (96, 96), (250 - 40 * number,) * 3).save(crops / f"{number}.png")
    with pytest.raises(SourceError, match="other images than were typed"):
        open_result(results, model)


def test_a_folder_without_predictions(crops, model):
    with pytest.raises(SourceError, match="has no predictions"):
        open_result(crops, model)
