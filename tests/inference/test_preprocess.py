"""The field of view is the same in micrometers, whatever the crop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from atypica.core.errors import FigureError
from atypica.inference.card import Geometry
from atypica.inference.preprocess import resample

GEOMETRY = Geometry(field_um=20, size_px=128)


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(80, 300),
    width=st.integers(80, 300),
    mpp=st.floats(0.25, 0.6),
    size=st.sampled_from([16, 33, 80, 128, 224]),
)
def test_field_is_centered_and_resampled_once(height, width, mpp, size):
    crop = np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    side = 20 / mpp
    left, top = (width - side) / 2, (height - side) / 2
    whole = Image.fromarray(crop).resize(
        (size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side)
    )
    got = resample(crop, mpp, Geometry(field_um=20, size_px=size))

    np.testing.assert_array_equal(got, np.asarray(whole))


def test_same_field_from_two_scanners():
    fine = np.full((240, 240, 3), 255, np.uint8)
    fine[90:150, 90:150] = 0
    coarse = np.asarray(Image.fromarray(fine).reduce(2))
    a, b = resample(fine, 0.2, GEOMETRY), resample(coarse, 0.4, GEOMETRY)
    assert abs(a.astype(int) - b).mean() < 3


def test_field_of_the_same_size_is_cut_not_blurred():
    crop = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    got = resample(crop, 0.25, Geometry(field_um=20, size_px=80))
    np.testing.assert_array_equal(got, crop[10:90, 10:90])


def test_small_crop_is_extended_by_reflection():
    crop = np.full((60, 60, 3), 9, np.uint8)
    assert (resample(crop, 0.25, GEOMETRY) == 9).all()


@pytest.mark.parametrize("shape", [(1, 1, 3), (39, 200, 3)])
def test_far_too_small_is_refused(shape):
    with pytest.raises(FigureError, match="20 um around the figure") as raised:
        resample(np.zeros(shape, np.uint8), 0.25, GEOMETRY)
    assert "--mpp" in raised.value.fix
