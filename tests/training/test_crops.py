"""The crops in memory: a training crop at the store's own resolution is cut, never resampled twice."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from atypica.data.sources import open_source
from atypica.inference.card import Geometry
from atypica.inference.preprocess import resample
from atypica.training.crops import CropStore, kept_geometry


@pytest.fixture
def figures(tmp_path):
    random = np.random.default_rng(0)
    for row in range(3):
        Image.fromarray(random.integers(0, 256, (128, 128, 3), dtype=np.uint8)).save(tmp_path / f"{row}.png")
    table = pd.DataFrame({"image": [f"{row}.png" for row in range(3)], "label": "AMF", "mpp": 0.25})
    table.to_csv(tmp_path / "figures.csv", index=False)
    return open_source(str(tmp_path / "figures.csv"))


@pytest.mark.parametrize("field_um", [13.0, 16.0, 17.3, 20.0, 24.0])
def test_a_crop_in_the_store_looks_to_the_network_as_it_does_at_inference(figures, tmp_path, field_um):
    seen = Geometry(field_um=field_um, size_px=96)
    store = CropStore.load(figures, seen)
    for row in range(len(figures)):
        crop = np.asarray(Image.open(tmp_path / f"{row}.png"))
        wanted = resample(crop, 0.25, seen)
        given = (store.plain(np.array([row]))[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        np.testing.assert_array_equal(given, wanted)


@pytest.mark.parametrize("field_um", [10.0, 16.0, 17.3, 25.0])
def test_what_is_kept_is_a_whole_even_number_of_pixels_and_leaves_room(field_um):
    kept = kept_geometry(Geometry(field_um=field_um, size_px=64))
    assert kept.size_px % 2 == 0
    assert kept.mpp == 0.25
    assert kept.field_um >= 1.6 * field_um
