"""Which figures are shown, and how their pictures are made."""

from __future__ import annotations

import base64
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from atypica.reporting.gallery import (
    AMF_RGB,
    MAP_OPACITY,
    NMF_RGB,
    choose,
    flags,
    map_scale,
    overlay,
    pictures,
    thumbnail,
)


def table(p, threshold=0.5, low=0.4, high=0.6):
    p = np.asarray(p, dtype=float)
    called = [None if np.isnan(v) else "AMF" if v >= threshold else "NMF" for v in p]
    return pd.DataFrame(
        {"p_amf": p, "threshold": threshold, "prediction": called, "abstain": [bool(low < v < high) for v in p]}
    )


def image_of(uri):
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1])))


@given(st.lists(st.one_of(st.floats(0, 1), st.just(float("nan"))), max_size=60), st.integers(1, 30))
def test_chosen_rows_are_typed_unique_falling_and_as_many_as_fit(p, limit):
    predictions = table(p)
    rows = choose(predictions, limit)
    values = predictions["p_amf"].to_numpy()[rows]
    assert len(rows) == len(set(rows)) == min(limit, int(predictions["p_amf"].notna().sum()))
    assert np.all(np.diff(values) <= 0)
    assert not np.isnan(values).any()


def test_a_full_gallery_holds_the_surest_of_both_and_those_to_check():
    predictions = table(np.linspace(0, 1, 1001))
    shown = predictions.iloc[choose(predictions, 60)]
    assert (shown["p_amf"] >= 0.971).sum() == 30
    assert shown["abstain"].sum() == 20
    assert (shown["p_amf"] < 0.0095).sum() == 10


def test_without_amf_the_gallery_is_still_full():
    assert len(choose(table(np.linspace(0, 0.3, 100)), 30)) == 30


def test_flags_of_any_kind():
    column = pd.DataFrame({"abstain": [True, False, None, "True", np.nan, 1]})
    assert flags(column, "abstain").tolist() == [True, False, False, True, False, True]
    assert flags(pd.DataFrame({"abstain": pd.array([True, None], dtype="boolean")}), "abstain").tolist() == [
        True,
        False,
    ]
    assert flags(column, "absent").tolist() == [False] * 6


def test_thumbnail_is_a_small_jpeg_of_the_crop():
    crop = np.full((400, 400, 3), (200, 120, 180), dtype=np.uint8)
    image = image_of(thumbnail(crop))
    assert image.format == "JPEG"
    assert image.size == (160, 160)
    np.testing.assert_allclose(np.asarray(image).mean(axis=(0, 1)), (200, 120, 180), atol=2)


def test_overlay_is_orange_towards_amf_and_cyan_towards_nmf():
    pixels = np.asarray(image_of(overlay(np.array([[2.0, -2.0], [2.0, -2.0]], dtype=np.float32), 2.0)).convert("RGBA"))
    assert tuple(pixels[16, 0]) == (*AMF_RGB, round(MAP_OPACITY * 255))
    assert tuple(pixels[16, -1]) == (*NMF_RGB, round(MAP_OPACITY * 255))


def test_strength_is_comparable_between_figures():
    maps = np.stack([np.full((4, 4), 1.0), np.full((4, 4), -4.0)]).astype(np.float32)
    drawn, scale = pictures(np.zeros((2, 8, 8, 3), dtype=np.uint8), maps)
    weak, strong = (np.asarray(image_of(picture.map))[..., 3].mean() for picture in drawn)
    assert scale == pytest.approx(4.0)
    assert strong / weak == pytest.approx(4.0, rel=0.02)


@pytest.mark.parametrize("maps", [np.zeros((2, 4, 4)), np.full((1, 4, 4), np.nan), np.zeros((0, 4, 4))])
def test_scale_of_nothing_is_one(maps):
    assert map_scale(maps.astype(np.float32)) == 1.0
