"""The drawn figures: each subtype has the measurable shape that a pathologist would look for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial import ConvexHull

from atypica.core.vocabulary import Subtype
from atypica.data.drawn import STAINS, Distractor, draw_distractor, draw_figure, random_look
from atypica.data.drawn.arrangements import arrange
from atypica.data.drawn.chromosomes import absorb
from atypica.data.drawn.grid import Grid

FINE = Grid(256, 0.125)
SEEDS = range(20)


def chromatin(subtype, seed, ambiguity=0.0, grid=FINE):
    chromosomes = arrange(subtype, np.random.default_rng(seed), ambiguity)
    return absorb(chromosomes, grid) > 0.5


def clump_areas(mask, mpp=FINE.mpp, least=3.0):
    """Areas in square micrometers of the connected pieces of at least `least`, largest first."""
    labeled, count = ndimage.label(mask)
    areas = np.sort(np.bincount(labeled.ravel(), minlength=count + 1)[1:])[::-1] * mpp**2
    return areas[areas >= least]


def hole(mask, mpp=FINE.mpp):
    return (ndimage.binary_fill_holes(mask) & ~mask).sum() * mpp**2


def elongation(mask):
    low, high = np.linalg.eigvalsh(np.cov(np.argwhere(mask).T))
    return np.sqrt(high / low)


def solidity(mask):
    return mask.sum() / ConvexHull(np.argwhere(mask)).volume


def over_seeds(measure, subtype, ambiguity=0.0):
    return np.array([measure(chromatin(subtype, seed, ambiguity)) for seed in SEEDS])


def dark_pixels(picture, share=0.5):
    """Pixels whose red light is less than `share` of the picture's median."""
    red = picture[..., 0].astype(float)
    return red < share * np.median(red)


def test_metaphase_is_one_bar_of_plausible_size():
    assert (over_seeds(lambda m: len(clump_areas(m)), Subtype.METAPHASE) == 1).all()
    assert over_seeds(elongation, Subtype.METAPHASE).min() > 1.9
    areas = over_seeds(lambda m: m.sum() * FINE.mpp**2, Subtype.METAPHASE)
    assert 18 < np.median(areas) < 30


def test_prometaphase_is_one_compact_clump():
    assert (over_seeds(lambda m: len(clump_areas(m)), Subtype.PROMETAPHASE) == 1).mean() >= 0.9
    assert over_seeds(elongation, Subtype.PROMETAPHASE).max() < 1.8
    assert np.median(over_seeds(solidity, Subtype.PROMETAPHASE)) > 0.8


def test_anaphase_is_two_plates_of_like_size():
    pairs = [clump_areas(chromatin(Subtype.ANAPHASE_TELOPHASE, seed)) for seed in SEEDS]
    assert np.mean([len(pair) == 2 for pair in pairs]) >= 0.95
    assert min(pair[1] / pair[0] for pair in pairs if len(pair) == 2) > 0.75


def test_asymmetric_pair_is_two_clumps_of_unlike_size():
    pairs = [clump_areas(chromatin(Subtype.BIPOLAR_ASYMMETRIC, seed), least=1.0) for seed in SEEDS]
    assert np.mean([len(pair) == 2 for pair in pairs]) >= 0.9
    assert max(pair[1] / pair[0] for pair in pairs if len(pair) >= 2) < 0.65


def test_ring_has_a_hole_and_plates_have_none():
    assert over_seeds(hole, Subtype.RING_SHAPE).min() > 3.0
    assert over_seeds(hole, Subtype.METAPHASE).max() < 0.5


def test_multipolar_has_three_or_four_arms():
    """An annulus around the middle cuts the figure into as many pieces as there are arms (or poles)."""
    r = np.sqrt(FINE.x**2 + FINE.y**2)
    annulus = (r > 2.5) & (r < 5.5)
    arms = [len(clump_areas(chromatin(Subtype.MULTIPOLAR, seed) & annulus, least=1.0)) for seed in SEEDS]
    assert np.mean(np.isin(arms, (3, 4))) >= 0.85
    assert 3 in arms
    assert 4 in arms


def test_segregation_has_chromatin_off_its_plates():
    """Small loose pieces, or a bridge that joins the two plates: neither is seen in metaphase or anaphase."""

    def irregular(mask):
        loose = len(clump_areas(mask, least=0.05)) - len(clump_areas(mask, least=4.0))
        return loose > 0 or (solidity(mask) < 0.62 and len(clump_areas(mask)) == 1)

    assert over_seeds(irregular, Subtype.SEGREGATION).mean() >= 0.8
    assert over_seeds(irregular, Subtype.METAPHASE).mean() <= 0.1
    assert over_seeds(irregular, Subtype.ANAPHASE_TELOPHASE).mean() <= 0.1


def test_other_is_less_compact_than_prometaphase():
    other, normal = over_seeds(solidity, Subtype.OTHER), over_seeds(solidity, Subtype.PROMETAPHASE)
    assert np.median(other) < np.median(normal) - 0.15


def test_ambiguity_moves_a_subtype_toward_its_look_alike():
    def ratio(mask):
        areas = clump_areas(mask, least=1.0)
        return areas[1] / areas[0] if len(areas) > 1 else 0.0

    assert np.median(over_seeds(ratio, Subtype.BIPOLAR_ASYMMETRIC, 0.9)) > 1.3 * np.median(
        over_seeds(ratio, Subtype.BIPOLAR_ASYMMETRIC)
    )
    assert np.median(over_seeds(ratio, Subtype.ANAPHASE_TELOPHASE, 0.9)) < 0.92 * np.median(
        over_seeds(ratio, Subtype.ANAPHASE_TELOPHASE)
    )
    assert np.median(over_seeds(hole, Subtype.RING_SHAPE, 0.9)) < 0.85 * np.median(over_seeds(hole, Subtype.RING_SHAPE))


@pytest.mark.parametrize("subtype", list(Subtype))
def test_chromatin_area_does_not_depend_on_mpp(subtype):
    areas = [
        np.median([chromatin(subtype, seed, grid=Grid(round(32 / mpp), mpp)).sum() * mpp**2 for seed in range(8)])
        for mpp in (0.23, 0.25, 0.35, 0.5)
    ]
    assert max(areas) / min(areas) < 1.12


@pytest.mark.parametrize("subtype", [Subtype.METAPHASE, Subtype.ANAPHASE_TELOPHASE, Subtype.RING_SHAPE])
def test_dark_area_of_the_picture_does_not_depend_on_mpp(subtype):
    def area(mpp):
        size = round(32 / mpp)
        middle = slice(size // 4, size - size // 4)
        pictures = [draw_figure(subtype, np.random.default_rng(seed), size=size, mpp=mpp) for seed in range(8)]
        return np.median([dark_pixels(picture)[middle, middle].sum() * mpp**2 for picture in pictures])

    areas = [area(mpp) for mpp in (0.23, 0.25, 0.5)]
    assert max(areas) / min(areas) < 1.3
    assert min(areas) > 10
    assert max(areas) < 60


@settings(max_examples=15, deadline=None)
@given(
    subtype=st.sampled_from(list(Subtype)),
    size=st.sampled_from([1, 17, 64, 128, 150]),
    mpp=st.floats(0.1, 1.0),
    ambiguity=st.floats(0, 1),
    seed=st.integers(0, 2**32),
)
def test_any_size_and_mpp_gives_a_picture_and_the_same_one_again(subtype, size, mpp, ambiguity, seed):
    first, second = (
        draw_figure(subtype, np.random.default_rng(seed), size=size, mpp=mpp, ambiguity=ambiguity) for _ in range(2)
    )
    assert first.shape == (size, size, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, second)


def test_seeds_differ():
    pictures = [draw_figure(Subtype.METAPHASE, np.random.default_rng(seed)) for seed in (0, 1)]
    assert np.abs(pictures[0].astype(int) - pictures[1]).mean() > 10


@pytest.mark.parametrize("subtype", list(Subtype))
def test_picture_reads_as_hematoxylin_and_eosin(subtype):
    """Pink to violet tissue (green is absorbed most), and the chromatin near the middle is the darkest of all."""
    pictures = [draw_figure(subtype, np.random.default_rng([3, seed])) for seed in range(6)]
    red, green, blue = np.mean([picture.mean(axis=(0, 1)) for picture in pictures], axis=0)
    assert 140 < red < 215
    assert green < red - 25
    assert green < blue - 15
    middle = [np.percentile(picture[32:96, 32:96].mean(axis=2), 1) for picture in pictures]
    edge = [np.percentile(picture[:12].mean(axis=2), 50) for picture in pictures]
    assert np.median(middle) < 0.5 * np.median(edge)


def test_stain_decides_the_color():
    rose, violet = (
        np.mean(
            [
                draw_figure(Subtype.METAPHASE, np.random.default_rng(seed), stain=STAINS[name]).mean(axis=(0, 1))
                for seed in range(5)
            ],
            axis=0,
        )
        for name in ("rose", "violet")
    )
    assert rose[0] - rose[2] > violet[0] - violet[2] + 10


def test_the_generator_moves_on():
    rng = np.random.default_rng(0)
    assert not np.array_equal(draw_figure(Subtype.METAPHASE, rng), draw_figure(Subtype.METAPHASE, rng))


@pytest.mark.parametrize("kind", list(Distractor))
def test_distractor_is_a_picture_and_the_same_one_again(kind):
    first, second = (draw_distractor(kind, np.random.default_rng(5), size=96) for _ in range(2))
    assert first.shape == (96, 96, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, second)


def test_distractors_look_as_they_are_named():
    look = random_look(np.random.default_rng(1))
    drawn = {kind: draw_distractor(kind, np.random.default_rng(2), look=look).astype(float) for kind in Distractor}
    figure = draw_figure(Subtype.METAPHASE, np.random.default_rng(2), look=look).astype(float)

    def detail(picture):
        return np.abs(np.diff(picture.mean(axis=2), axis=0)).mean()

    assert drawn[Distractor.GLASS].mean() > 225
    assert detail(drawn[Distractor.OUT_OF_FOCUS]) < 0.5 * detail(figure)
    assert detail(drawn[Distractor.NOISE]) > 5 * detail(figure)
    darkest = {kind: np.percentile(picture[40:88, 40:88].mean(axis=2), 1) for kind, picture in drawn.items()}
    dark_figure = np.percentile(figure[40:88, 40:88].mean(axis=2), 1)
    assert darkest[Distractor.TISSUE] > dark_figure + 25
    assert darkest[Distractor.APOPTOTIC] < dark_figure + 25
