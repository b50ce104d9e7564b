"""Cards: every record builds in timm to what is published; names, pooling and normalization travel with the network."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from threads import one_thread as one_thread

from atypica.core.errors import SettingsError
from atypica.models.backbone import build_architecture, create_backbone
from atypica.models.cards import CARDS, BackboneCard, card_named, find_card
from atypica.models.layout import embedding_width
from atypica.models.network import build_network
from atypica.training.graph import export_graph, largest_differences
from atypica.training.strangeness import StrangenessModel

PUBLISHED = {
    "uni": (307, 1024),
    "uni2-h": (681, 1536),
    "virchow": (632, 2560),
    "virchow2": (632, 2560),
    "prov-gigapath": (1135, 1536),
    "h-optimus-0": (1135, 1536),
    "h-optimus-1": (1135, 1536),
    "h0-mini": (86, 1536),
    "phikon-v2": (303, 1024),
    "midnight-12k": (1136, 3072),
    "hibou-b": (85.7, 768),
    "hibou-l": (303.7, 1024),
    "kaiko-vits16": (21.7, 384),
    "kaiko-vitb8": (86, 768),
    "kaiko-vitl14": (303, 1024),
    "dinov2-s": (22, 384),
    "dinov2-g": (1136, 1536),
    "dinov3-l": (303, 1024),
    "dinov3-hplus": (840, 1280),
    "dinov3-7b": (6716, 4096),
}
"""Parameters in millions and numbers of the embedding, from the papers and the pages of the hub."""
CLOSE = 0.02
"""307 M is ViT-L with its classifier; rounding does the rest."""


@pytest.fixture
def tiny_card(monkeypatch) -> BackboneCard:
    """A card as small as a test needs, pooled as Virchow is."""
    card = BackboneCard(
        name="tiny-virchow",
        title="Tiny",
        hub_id="nobody/tiny",
        timm_name="vit_tiny_patch16_224",
        arguments={
            "embed_dim": 32,
            "depth": 4,
            "num_heads": 2,
            "reg_tokens": 4,
            "mlp_layer": "SwiGLUPacked",
            "act_layer": "silu",
            "global_pool": "",
        },
        mean=(0.7, 0.6, 0.7),
        std=(0.2, 0.25, 0.3),
        pooling="class_and_mean",
        input_px=32,
        width=64,
        parameters=0.1,
        license="CC-BY-NC-ND-4.0",
        gated=True,
        commercial=False,
        paper="",
    )
    monkeypatch.setitem(CARDS, card.name, card)
    return card


@pytest.mark.parametrize("name", CARDS)
def test_a_card_builds_to_what_it_says(name):
    card = CARDS[name]
    with torch.device("meta"):
        model = build_architecture(card)
    millions = sum(weight.numel() for weight in model.parameters()) / 1e6
    assert millions == pytest.approx(card.parameters, rel=CLOSE)
    assert embedding_width(model, "own") == card.width
    assert model.global_pool in ({"token"} if card.pooling == "class" else {"", "token"})
    if name in PUBLISHED:
        parameters, width = PUBLISHED[name]
        assert (millions, card.width) == (pytest.approx(parameters, rel=CLOSE), width)
    assert model.pretrained_cfg["mean"] == card.mean


def test_no_name_or_address_is_used_twice():
    assert len({card.hub_id.lower() for card in CARDS.values()}) == len(CARDS)
    assert all(card.name == name == name.lower() for name, card in CARDS.items())
    assert not [name for name in CARDS if timm.is_model(name)]


@pytest.mark.parametrize("card", CARDS.values(), ids=list(CARDS))
def test_a_card_says_where_and_under_which_terms(card):
    assert card.hub_id.count("/") == 1
    assert card.paper.startswith("https://")
    assert card.license
    assert all(0 < value < 1 for value in (*card.mean, *card.std))
    # What is not known has a remark that says so.
    if card.gated is None or card.commercial is None or card.mpp is None:
        assert card.remarks
    if "-NC-" in card.license or "Non-Commercial" in card.license:
        assert card.commercial is False


def test_a_card_is_found_by_name_and_by_its_address():
    assert find_card("Virchow2") is find_card("hf-hub:paige-ai/Virchow2") is CARDS["virchow2"]
    assert find_card("tf_efficientnet_lite0") is None
    with pytest.raises(SettingsError, match="no card of a model 'virchow3'") as raised:
        card_named("virchow3")
    assert "virchow" in raised.value.fix


def test_a_mistyped_name_is_led_to_a_card():
    with pytest.raises(SettingsError) as raised:
        create_backbone("virchow-2", "random")
    assert "virchow2" in raised.value.fix


def test_normalization_size_and_pooling_travel_with_the_network(tiny_card):
    torch.manual_seed(0)
    network = build_network(tiny_card.name, "random", {"amf": 1}).eval()
    assert network.width == network.head.in_features == 64
    assert network.mean.flatten().tolist() == pytest.approx(tiny_card.mean)
    assert network.std.flatten().tolist() == pytest.approx(tiny_card.std)
    crops = torch.rand(2, 3, 32, 32)
    tokens = network.backbone.forward_features((crops - network.mean) / network.std)
    assert tokens.shape == (2, 1 + 4 + 4, 32)
    expected = torch.cat([tokens[:, 0], tokens[:, 5:].mean(1)], dim=1)
    assert torch.allclose(network.embed(network.features(crops)), expected)


def test_the_map_of_a_joined_vector_is_the_share_of_the_mean(tiny_card):
    torch.manual_seed(0)
    network = build_network(tiny_card.name, "random", {"amf": 1}).eval()
    reading = network.read(torch.rand(2, 3, 32, 32))
    assert reading.map.shape == (2, 2, 2)
    share = reading.embedding[:, 32:] @ network.head.weight[0, 32:]
    assert torch.allclose(reading.map.mean((1, 2)), share, atol=1e-5)


def test_a_joined_vector_survives_the_export(tiny_card):
    torch.manual_seed(0)
    network = build_network(tiny_card.name, "random", {"amf": 1, "subtype": 8}).eval()
    with torch.inference_mode():
        statistics = network.features_and_statistics(torch.rand(80, 3, 32, 32))[1].numpy()
    strangeness = StrangenessModel.fit(statistics)
    graph = export_graph(network, strangeness, 32)
    crops = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    differences = largest_differences(network, strangeness, graph, crops)
    assert max(differences.values()) < 0.02
