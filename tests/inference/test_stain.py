"""Stain normalization: hand-worked colors, stains that were put in are found, twice is once."""

import numpy as np
import pytest

from atypica.core.vocabulary import Subtype
from atypica.data.drawn import draw_figure
from atypica.inference.stain import REFERENCES, normalize_stain
from atypica.inference.stain.macenko import Macenko, amounts, density, stain_vectors
from atypica.inference.stain.reinhard import Reinhard, lab_from_rgb, rgb_from_lab

METHODS = sorted(REFERENCES)
H, E = np.array([0.65, 0.70, 0.29]), np.array([0.07, 0.99, 0.11])
STAINS = np.stack([H / np.linalg.norm(H), E / np.linalg.norm(E)])


def drawn(seed=0):
    return draw_figure(Subtype.METAPHASE, np.random.default_rng(seed))


def stained(scale=(1.0, 1.0), stains=STAINS, seed=0):
    """A crop of two stains in random amounts, some of it of one alone, and the amounts."""
    random = np.random.default_rng(seed)
    given = random.uniform(0.15, 0.9, (64, 64, 2))
    given[:20, :, 1] = 0.02
    given[20:40, :, 0] = 0.02
    light = np.power(10.0, -(given * scale) @ stains)
    return np.rint(light * 255).astype(np.uint8), given


def test_lab_of_white_and_of_a_grey_by_hand():
    # A row of the matrix sums to 0.9996, 0.9993 and 0.9973, so white is nearly the origin.
    np.testing.assert_allclose(lab_from_rgb(np.full((1, 1, 3), 255, np.uint8)), 0, atol=2e-3)
    # log10(51/255) = -0.69897 in all three; l = 3 * that / sqrt(3).
    grey = lab_from_rgb(np.full((1, 1, 3), 51, np.uint8))[0, 0]
    assert grey[0] == pytest.approx(-0.69897 * np.sqrt(3), abs=2e-3)
    np.testing.assert_allclose(grey[1:], 0, atol=2e-3)


def test_the_way_to_lab_and_back_loses_nothing():
    image = np.random.default_rng(0).integers(1, 256, (32, 32, 3), dtype=np.uint8)
    np.testing.assert_array_equal(rgb_from_lab(lab_from_rgb(image)), image)


def test_reinhard_gives_the_mean_and_spread_of_the_reference():
    target = Reinhard(mean=(-0.5, -0.05, 0.02), spread=(0.1, 0.02, 0.01))
    found = lab_from_rgb(normalize_stain(drawn(), 0.25, target)).reshape(-1, 3)
    np.testing.assert_allclose(found.mean(axis=0), target.mean, atol=5e-3)
    np.testing.assert_allclose(found.std(axis=0), target.spread, rtol=0.1, atol=2e-3)


def test_two_greys_by_hand():
    # l is -1 and -0.5 of a unit; the reference has its mean at twice that and half the spread.
    image = np.zeros((2, 2, 3), np.uint8)
    image[0], image[1] = 40, 160
    before = lab_from_rgb(image)[:, 0, 0]
    target = Reinhard(mean=(-0.6, 0.0, 0.0), spread=(float(before.std()) / 2, 1e-6, 1e-6))
    after = lab_from_rgb(normalize_stain(image, 16.0, target))[:, 0, 0]
    np.testing.assert_allclose(after, -0.6 + (before - before.mean()) / 2, atol=0.01)


def test_macenko_finds_the_stains_that_were_put_in():
    image, given = stained()
    found = stain_vectors(density(image).reshape(-1, 3))
    angles = np.degrees(np.arccos(np.clip((found * STAINS).sum(axis=1), -1, 1)))
    assert angles.max() < 3
    np.testing.assert_allclose(amounts(density(image), STAINS), given, atol=0.03)


def test_macenko_brings_other_stains_to_those_of_the_reference():
    other = np.array([[0.55, 0.75, 0.37], [0.25, 0.90, 0.36]])
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    pale, given = stained((0.7, 0.8), other)
    hematoxylin, eosin = (tuple(map(float, row)) for row in STAINS)
    strong = np.percentile(given.reshape(-1, 2), 99, axis=0)
    target = Macenko(hematoxylin=hematoxylin, eosin=eosin, strong=(float(strong[0]), float(strong[1])))
    wanted = np.rint(np.power(10.0, -given @ STAINS) * 255)
    assert np.abs(normalize_stain(pale, 0.25, target) - wanted).mean() < 6
    assert np.abs(pale - wanted).mean() > 20


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", [0, 1])
def test_twice_is_once(method, seed):
    once = normalize_stain(drawn(seed), 0.25, REFERENCES[method])
    twice = normalize_stain(once, 0.25, REFERENCES[method])
    assert once.dtype == np.uint8
    assert np.abs(once.astype(int) - drawn(seed)).mean() > 3
    assert np.abs(twice.astype(int) - once).mean() < 3


@pytest.mark.parametrize("method", METHODS)
def test_a_blank_crop_stays_as_it_is(method):
    for blank in (np.full((64, 64, 3), 255, np.uint8), np.full((64, 64, 3), 130, np.uint8)):
        np.testing.assert_array_equal(normalize_stain(blank, 0.25, REFERENCES[method]), blank)


@pytest.mark.parametrize("method", METHODS)
def test_colors_are_measured_in_the_usual_field_whatever_the_size_of_the_crop(method):
    crop = drawn()
    framed = np.full((192, 192, 3), (90, 20, 200), np.uint8)
    framed[32:160, 32:160] = crop
    inside = normalize_stain(framed, 0.25, REFERENCES[method])[32:160, 32:160]
    np.testing.assert_array_equal(inside, normalize_stain(crop, 0.25, REFERENCES[method]))
