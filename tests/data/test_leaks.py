"""Test figures that were trained on, and figures that stand twice, are found by pixels and by place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from atypica.data.figures import Figures, figures_from
from atypica.data.leaks import SAME_PIXELS, SAME_PLACE, Pixels, leaks, repeats, repeats_across_folds

SLIDE = "slide-1.tiff"


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    """Four different crops; the fifth has the first one's pixels in another format."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (24, 24, 3), dtype=np.uint8) for _ in range(4)]
    for name, pixels in zip(["a.png", "b.png", "c.png", "d.png", "e.tif"], [*images, images[0]], strict=True):
        Image.fromarray(pixels).save(tmp_path / name)
    return tmp_path


def table(folder: Path, **columns) -> Figures:
    return figures_from(pd.DataFrame(columns), folder, "crops")


def digests(figures: Figures) -> set[str]:
    return set(Pixels.of(figures).digests)


def test_the_same_pixels_in_another_file_are_a_leak(crops):
    training, test = table(crops, image=["a.png", "b.png"]), table(crops, image=["c.png", "e.tif"])
    assert leaks(test, Pixels.of(test), training, digests(training)) == ["", SAME_PIXELS]


@pytest.mark.parametrize(("shift", "found"), [(3.0, SAME_PLACE), (60.0, "")])
def test_the_same_place_of_a_slide_is_a_leak(crops, shift, found):
    training = table(crops, image=["a.png"], slide=[SLIDE], x=[100.0], y=[200.0])
    test = table(crops, image=["b.png"], slide=[SLIDE], x=[100.0 + shift], y=[200.0])
    assert leaks(test, Pixels.of(test), training, digests(training)) == [found]


def test_two_near_test_figures_are_no_leak(crops):
    training = table(crops, image=["a.png"], slide=[SLIDE], x=[900.0], y=[900.0])
    test = table(crops, image=["b.png", "c.png"], slide=[SLIDE] * 2, x=[100.0, 101.0], y=[200.0, 200.0])
    assert leaks(test, Pixels.of(test), training, digests(training)) == ["", ""]


def test_the_first_of_equal_figures_stays(crops):
    figures = table(crops, figure_id=["one", "two", "three"], image=["a.png", "b.png", "e.tif"])
    assert repeats(figures, Pixels.of(figures)) == ["", "", "one"]


def test_figures_that_cannot_be_read_are_no_repeats_of_each_other(crops):
    figures = table(crops, image=["gone.png", "missing.png", "a.png"])
    pixels = Pixels.of(figures)
    assert [error is None for error in pixels.errors] == [False, False, True]
    assert repeats(figures, pixels) == ["", "", ""]
    assert leaks(figures, pixels, figures.where(np.array([True, False, False])), {""} - {""}) == ["", "", ""]


def test_a_figure_that_another_fold_holds_too_is_known_to_its_network():
    leaked, repeated = repeats_across_folds(["a", "b", "c", "d", "e"], ["x", "x", "y", "y", ""], [0, 1, 0, 0, 1])
    assert [bool(why) for why in leaked] == [True, True, False, False, False]
    assert repeated == ["", "a", "", "c", ""]
