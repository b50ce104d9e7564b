"""The score of strangeness: the numbers of its Gaussian, and drawn pictures that are no figures."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter

from atypica.core.errors import TrainingError
from atypica.core.vocabulary import Subtype
from atypica.data.drawn import Distractor, draw_distractor, draw_figure
from atypica.inference.card import Geometry
from atypica.models.network import build_network
from atypica.training.crops import CropStore
from atypica.training.strangeness import StrangenessModel, held_out_distances, measure, quantiles

FIELD = Geometry(field_um=20.0, size_px=64)


def store_of(pictures) -> CropStore:
    pixels = torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2).copy())
    return CropStore(pixels, Geometry(field_um=32.0, size_px=128), FIELD)


def blurred(figure, sigma_um):
    return np.rint(gaussian_filter(figure.astype(float), (sigma_um / 0.25, sigma_um / 0.25, 0))).astype(np.uint8)


def text(rng):
    image = Image.new("RGB", (128, 128), "white")
    letters = "".join(rng.choice(list("ABCDEFGHKLMN"), 5))
    ImageDraw.Draw(image).text((8, 40), letters, fill=(30, 20, 60), font=ImageFont.load_default(36))
    return np.asarray(image)


def settle(network, store):
    """Batch norms as after a training; the weights stay random."""
    norms = [module for module in network.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    with torch.no_grad():
        network.train()(store.plain(np.arange(len(store))))
    network.eval()


@pytest.fixture(scope="module")
def trained():
    rng = np.random.default_rng(0)
    figures = [draw_figure(list(Subtype)[n % 8], rng) for n in range(120)]
    torch.manual_seed(0)
    network = build_network("test_efficientnet", "random", {"amf": 1}).eval()
    settle(network, store_of(figures[:100]))
    statistics = measure(network, store_of(figures[:100]))
    limit = quantiles(held_out_distances(statistics, np.arange(100) % 4))[99]
    return network, StrangenessModel.fit(statistics), limit, figures[100:]


def beyond(trained, pictures) -> float:
    network, model, limit, _ = trained
    return float((model.distance(measure(network, store_of(pictures))) > limit).mean())


def test_figures_not_fitted_to_are_not_strange(trained):
    assert beyond(trained, trained[3]) <= 0.2


@pytest.mark.parametrize("kind", ["noise", "glass", "ink", "text", "one color", "blurred"])
def test_what_is_no_figure_is_beyond_the_limit(trained, kind):
    rng = np.random.default_rng(1)
    pictures = {
        "text": lambda: [text(rng) for _ in range(10)],
        "one color": lambda: [np.full((128, 128, 3), rng.integers(0, 256, 3), dtype=np.uint8) for _ in range(10)],
        "blurred": lambda: [blurred(figure, 3.0) for figure in trained[3][:10]],
    }.get(kind, lambda: [draw_distractor(Distractor(kind), rng) for _ in range(10)])()
    assert beyond(trained, pictures) >= 0.8


def test_the_distance_is_a_mahalanobis_distance_where_all_directions_are_kept():
    rng = np.random.default_rng(0)
    known = (rng.normal(size=(400, 6)) @ rng.normal(size=(6, 6)) + 3).astype(np.float32)
    asked = rng.normal(size=(20, 6)).astype(np.float32)
    inverse = np.linalg.inv(np.cov(known.T))
    away = asked - known.mean(axis=0)
    squared = np.einsum("ni,ij,nj->n", away, inverse, away) / 6
    distance = StrangenessModel.fit(known, directions=6).distance(asked)
    np.testing.assert_allclose(2 * distance**2, squared, rtol=1e-2)


def test_what_the_directions_leave_counts_as_well():
    rng = np.random.default_rng(0)
    flat = np.concatenate([rng.normal(size=(200, 2)), 0.01 * rng.normal(size=(200, 1))], axis=1).astype(np.float32)
    model = StrangenessModel.fit(flat @ np.array([[1, 0, 1], [0, 1, 1], [0, 0, 1]], dtype=np.float32), directions=2)
    on_the_plane, off_it = np.array([[1, 1, 2]], dtype=np.float32), np.array([[1, 1, -2]], dtype=np.float32)
    assert model.distance(on_the_plane)[0] < 2
    assert model.distance(off_it)[0] > 20


def test_training_figures_are_near_and_strangers_far():
    random = np.random.default_rng(0)
    mixing = random.normal(size=(10, 50))
    known = (random.normal(size=(400, 10)) @ mixing + 0.1 * random.normal(size=(400, 50))).astype(np.float32)
    distances = held_out_distances(known, np.arange(400) % 4, directions=10)
    assert 0.8 < np.median(distances) < 1.3
    model = StrangenessModel.fit(known, directions=10)
    outside = (10 * random.normal(size=(50, 50))).astype(np.float32)
    assert model.distance(outside).min() > quantiles(distances)[100]


def test_one_figure_has_no_spread_and_that_is_said():
    with pytest.raises(TrainingError, match="cannot be learned from 1 of them"):
        StrangenessModel.fit(np.ones((1, 8), dtype=np.float32))
