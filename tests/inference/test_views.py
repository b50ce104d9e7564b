"""Eight views see the same figure, and maps come back to where they belong."""

from __future__ import annotations

import numpy as np
import pytest

from atypica.core.errors import SettingsError
from atypica.inference.bundle import read_bundle
from atypica.inference.classifier import OnnxClassifier
from atypica.inference.views import forward_views, turn, turn_back


@pytest.fixture
def crops() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


def test_eight_views_differ_and_the_first_is_the_crop(crops):
    views = [turn(crops, view) for view in range(8)]
    np.testing.assert_array_equal(views[0], crops)
    assert len({view.tobytes() for view in views}) == 8


@pytest.mark.parametrize("view", range(8))
def test_maps_are_turned_back(crops, view):
    maps = crops[..., 0].astype(np.float32)
    turned = turn(crops, view)[..., 0].astype(np.float32)
    np.testing.assert_array_equal(turn_back(turned, view), maps)


def test_outputs_are_averaged_and_maps_agree_with_the_crop(tiny_bundle, crops):
    classifier = OnnxClassifier(read_bundle(tiny_bundle))
    one, eight = classifier.forward(crops), forward_views(classifier, crops, 8)
    # The tiny network looks at brightness cell by cell, so every view must give the same map.
    for name in ("cam", "amf", "subtype", "distance"):
        np.testing.assert_allclose(eight[name], one[name], atol=1e-4)


def test_average_is_that_of_the_views(crops):
    class Counting:
        card = None

        def __init__(self):
            self.seen = 0

        def forward(self, crops, names=None):
            self.seen += 1
            return {"amf": np.full((len(crops), 1), self.seen, np.float32)}

    np.testing.assert_allclose(forward_views(Counting(), crops, 8)["amf"], 4.5)


def test_other_numbers_are_refused(tiny_bundle, crops):
    with pytest.raises(SettingsError, match="5 views"):
        forward_views(OnnxClassifier(read_bundle(tiny_bundle)), crops, 5)
