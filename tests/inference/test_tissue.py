"""Tissue on drawn thumbnails of known areas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from atypica.data.slide import open_slide
from atypica.inference.tissue import THUMBNAIL_PX, find_tissue, otsu, saturation

GLASS, PINK, PURPLE, BLACK = (243, 242, 243), (226, 160, 190), (120, 70, 150), (10, 10, 10)
SIZE = (20_000, 10_000)
"""Of the slide: 10 x 5 mm at 0.5 um/px, so a pixel of a thumbnail of 200 x 100 has 0.05 mm."""


def glass() -> NDArray[np.uint8]:
    noise = np.random.default_rng(0).integers(-2, 3, (100, 200, 1))
    return (np.array(GLASS) + noise).astype(np.uint8)


def test_the_area_of_a_drawn_piece():
    thumbnail = glass()
    thumbnail[20:60, 50:130] = PINK  # 40 x 80 px = 2 x 4 mm
    thumbnail[30:40, 60:70] = PURPLE
    tissue = find_tissue(thumbnail, SIZE, 0.5)
    assert tissue.mm2 == pytest.approx(8.0, rel=0.05)
    assert tissue.share(5000, 2000, 8000, 4000, SIZE) == pytest.approx(1.0, abs=0.02)
    assert tissue.share(0, 0, 4000, 10_000, SIZE) == 0
    assert tissue.share(1000, 2000, 8000, 4000, SIZE) == pytest.approx(0.5, abs=0.02)


def test_black_borders_and_felt_pen_are_no_tissue():
    thumbnail = glass()
    thumbnail[20:60, 50:130] = PINK
    alone = find_tissue(thumbnail, SIZE, 0.5).mm2
    thumbnail[:, 180:] = BLACK
    assert find_tissue(thumbnail, SIZE, 0.5).mm2 == pytest.approx(alone, rel=0.01)


def test_a_region_full_of_tissue_is_all_tissue():
    """Otsu's threshold alone would part pink from purple."""
    thumbnail = np.empty((100, 200, 3), dtype=np.uint8)
    thumbnail[:], thumbnail[:, 100:] = PINK, PURPLE
    assert otsu(saturation(thumbnail.astype(np.float32))) > saturation(np.array([[PINK]], dtype=np.float32))[0, 0]
    assert find_tissue(thumbnail, SIZE, 0.5).mm2 == pytest.approx(50.0)


def test_glass_alone_has_no_area_and_says_so():
    tissue = find_tissue(glass(), SIZE, 0.5)
    assert tissue.mm2 is None
    assert "no tissue" in tissue.reason


def test_without_a_resolution_there_is_a_mask_and_no_area():
    thumbnail = glass()
    thumbnail[20:60, 50:130] = PINK
    tissue = find_tissue(thumbnail, SIZE, None)
    assert tissue.mask.any()
    assert tissue.mm2 is None
    assert "not known" in tissue.reason


def test_small_gaps_close_and_specks_go():
    """At 0.01 mm a pixel: a cleft of 0.01 mm is tissue, one of 0.08 mm is not, and a speck of 4 px is dirt."""
    thumbnail = glass()
    thumbnail[20:60, 50:130] = PINK
    thumbnail[20:60, 70], thumbnail[20:60, 100:108] = GLASS, GLASS
    thumbnail[80:82, 10:12] = PURPLE
    tissue = find_tissue(thumbnail, (2000, 1000), 1.0)
    assert tissue.mask[40, 70]
    assert not tissue.mask[40, 104]
    assert not tissue.mask[80:82, 10:12].any()


def test_otsu_parts_two_heaps_in_the_middle():
    heaps = np.repeat(np.array([0.1, 0.9], dtype=np.float32), 50)
    assert otsu(heaps) == pytest.approx(0.5, abs=0.01)


def test_a_real_region(real_data: Path):
    """CMU-1-Small-Region: 1.64 mm2 in all, a bit more than a third of it is skin (counted by eye: 0.55 to 0.7)."""
    path = real_data / "slides" / "CMU-1-Small-Region.svs"
    if not path.is_file():
        pytest.skip("no slide in the real data")
    pytest.importorskip("openslide")
    with open_slide(path) as slide:
        tissue = find_tissue(slide.thumbnail(THUMBNAIL_PX), slide.size, slide.mpp)
    assert tissue.mm2 is not None
    assert 0.55 < tissue.mm2 < 0.7
