"""Pixels by row: stacks are opened once, and what cannot be read says why."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from atypica.core.errors import FigureError
from atypica.data.figures import figures_from
from atypica.inference import crops as module
from atypica.inference.crops import FileCrops


@pytest.fixture
def stack(tmp_path):
    pages = np.arange(12, dtype=np.uint8)[:, None, None, None] * np.ones((12, 16, 16, 3), np.uint8)
    tifffile.imwrite(
        tmp_path / "stack.tif", pages, photometric="rgb", resolution=(40000, 40000), resolutionunit="CENTIMETER"
    )
    return tmp_path


def crops_of(table: dict, root) -> FileCrops:
    return FileCrops(figures_from(pd.DataFrame(table), root, "test"))


def test_a_stack_is_opened_once_by_all_threads(stack, monkeypatch):
    opened = []

    class Counting(module.Stack):
        def __init__(self, path):
            opened.append(path)
            super().__init__(path)

    monkeypatch.setattr(module, "Stack", Counting)
    crops = crops_of({"image": ["stack.tif"] * 12, "page": range(12)}, stack)
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(crops.read, range(12)))
    assert len(opened) == 1
    assert [int(crop.pixels[0, 0, 0]) for crop in read] == list(range(12))
    assert {crop.mpp for crop in read} == {0.25}


def test_closed_stacks_open_again(stack):
    crops = crops_of({"image": ["stack.tif"], "page": [3]}, stack)
    crops.read(0)
    crops.close()
    assert crops.read(0).pixels[0, 0, 0] == 3


def test_many_stacks_do_not_stay_open(tmp_path):
    names = [f"{i}.tif" for i in range(module.OPEN_STACKS + 5)]
    for i, name in enumerate(names):
        tifffile.imwrite(tmp_path / name, np.full((8, 8, 3), i, np.uint8), photometric="rgb")
    crops = crops_of({"image": names}, tmp_path)
    assert [int(crops.read(row).pixels[0, 0, 0]) for row in range(len(names))] == list(range(len(names)))
    assert len(crops._stacks._open) == module.OPEN_STACKS


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"image": None}, "'image' is blank"),
        ({"image": "gone.png"}, "no file gone.png"),
        ({"image": "stack.tif", "page": 12}, "pages 0 to 11, not 12"),
        ({"image": "stack.tif", "page": -1}, "no page -1"),
        ({"image": "stack.tif", "page": 1.5}, "no page 1.5"),
        ({"image": "stack.tif", "x": 5.0}, "no y"),
        ({"image": "stack.tif", "y": 5.0}, "no x"),
        ({"image": "stack.tif", "x": float("inf"), "y": 1.0}, "infinite"),
    ],
)
def test_what_one_row_can_lack(stack, row, message):
    table = [{"page": None, "x": None, "y": None, **row}, {"image": "stack.tif", "page": 2, "x": 1.0, "y": 1.0}]
    crops = FileCrops(figures_from(pd.DataFrame(table), stack, "test"))
    with pytest.raises(FigureError, match=message):
        crops.read(0)
    assert crops.read(1).pixels[0, 0, 0] == 2


def test_blank_coordinates_are_no_fault_of_a_crop(stack):
    crops = crops_of({"image": ["stack.tif"] * 2, "page": [0, 1], "x": [None, 3.0], "y": [None, 4.0]}, stack)
    assert crops.read(0).pixels.shape == (16, 16, 3)


def test_points_on_a_region_are_not_taken_for_its_center(tmp_path):
    Image.new("RGB", (1500, 100)).save(tmp_path / "region.png")
    crops = crops_of({"image": ["region.png"] * 2, "x": [10, 900], "y": [10, 20]}, tmp_path)
    with pytest.raises(FigureError, match="region"):
        crops.read(1)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"image": "stack.tif", "page": np.inf}, "no page inf"),
        ({"image": "stack.tif", "page": 1e30}, "pages 0 to 11"),
        ({"image": "stack.tif", "page": 0.5}, "no page 0.5"),
        ({"image": "a\0b.png"}, "null byte"),
        ({"image": "a" * 5000}, "too long"),
    ],
)
def test_impossible_pages_and_paths_are_errors_of_the_row(stack, row, message):
    with pytest.raises(FigureError, match=message):
        crops_of({key: [value] for key, value in row.items()}, stack).read(0)
