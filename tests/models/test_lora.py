"""Adapters, prompts and a frozen backbone beside: what is trained, what is held, and what it comes to."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from tiny_swin import shrink_swin

from atypica.core.errors import MissingExtraError, SettingsError
from atypica.models import lora as module
from atypica.models.frozen import adapt, checkpoint_blocks, load_trained_state, trained_state, twin
from atypica.models.lora import Lora, merged, target_layers
from atypica.models.network import build_network

TARGETS = ("qkv", "proj", "fc1", "fc2")
HEADS = {"amf": 1, "votes": 3}
CROPS = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def adapted(backbone="test_vit", *, prompts=0, heads=HEADS, freeze=True, **changes):
    torch.manual_seed(0)
    network = build_network(backbone, "random", heads, size_px=64)
    settings = {"rank": 4, "alpha": 8, "dropout": 0.0, "targets": TARGETS, **changes}
    return adapt(network, freeze=freeze, lora=None if prompts else Lora(**settings), prompts=prompts)


def stirred(network):
    """The same with adapters, prompts and heads that are not as they were drawn."""
    with torch.no_grad():
        for weight in network.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight) * 0.1)
    return network


@pytest.mark.parametrize("backbone", ["test_vit", "test_vit_relpos", "swin"])
def test_adapters_stand_in_every_block_and_nowhere_else(backbone, monkeypatch):
    name = shrink_swin(monkeypatch) if backbone == "swin" else backbone
    network = adapted(name)
    plain = timm.create_model(name, pretrained=False)
    parts = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
    wanted = {n for n, _ in plain.named_modules() if ".".join(n.split(".")[-2:]) in parts and "rel_pos" not in n}
    found = {n.split(".lora_A")[0] for n, _ in network.backbone.named_parameters() if ".lora_A." in n}
    assert found == wanted
    assert not any(n.startswith("patch_embed") for n in found)
    assert hasattr(plain.patch_embed, "proj")


def test_what_is_trained_is_adapters_and_heads():
    network = adapted().train()
    trained = {name for name, weight in network.named_parameters() if weight.requires_grad}
    assert trained == {n for n, _ in network.named_parameters() if ".lora_" in n or n.startswith("head.")}
    network.requires_grad_(True).train()
    assert trained == {name for name, weight in network.named_parameters() if weight.requires_grad}


def test_at_first_adapters_change_nothing_and_then_merge_to_the_same_function():
    network = adapted().eval()
    torch.manual_seed(0)
    plain = build_network("test_vit", "random", HEADS, size_px=64).eval()
    with torch.no_grad():
        torch.testing.assert_close(network(CROPS)["amf"], plain(CROPS)["amf"])
        stirred(network)
        assert (network(CROPS)["amf"] - plain(CROPS)["amf"]).abs().max() > 0.05
        as_one = merged(network)
        assert as_one.state_dict().keys() == plain.state_dict().keys()
        torch.testing.assert_close(as_one(CROPS)["amf"], network(CROPS)["amf"], atol=2e-6, rtol=1e-5)


def test_what_an_adapter_adds_is_alpha_over_rank_times_b_a():
    network = stirred(adapted(alpha=6))
    layer = network.backbone.blocks[1].attn.proj
    added = 6 / 4 * layer.lora_B.default.weight @ layer.lora_A.default.weight
    torch.testing.assert_close(merged(network).backbone.blocks[1].attn.proj.weight, layer.base_layer.weight + added)


def test_dora_merges_as_well(monkeypatch):
    network = stirred(adapted(shrink_swin(monkeypatch), dora=True)).eval()
    assert any("magnitude" in name for name in trained_state(network))
    with torch.no_grad():
        torch.testing.assert_close(merged(network)(CROPS)["amf"], network(CROPS)["amf"], atol=2e-6, rtol=1e-5)


def test_merging_leaves_a_network_and_one_without_adapters_alone():
    network = stirred(adapted())
    before = copy.deepcopy(network.state_dict())
    merged(network)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    plain = build_network("test_vit", "random", HEADS)
    assert merged(plain) is plain


def test_an_unknown_target_is_refused_with_those_there_are():
    with pytest.raises(SettingsError, match=r"names q_proj, and .*\n.*qkv, proj, fc1, fc2"):
        adapted(targets=("qkv", "q_proj"))


def test_a_backbone_without_blocks_is_refused():
    with pytest.raises(SettingsError, match="none"):
        adapted("test_resnet")


def test_a_layer_that_is_never_called_is_refused():
    """BEiT reads the weights of `qkv` past the layer: an adapter there would have no part in anything."""
    backbone = timm.create_model("beit_base_patch16_224", pretrained=False, embed_dim=32, depth=1, num_heads=2)
    assert target_layers(backbone, ["qkv"]) == ["blocks.0.attn.qkv"]
    with pytest.raises(SettingsError, match="reads the weights of qkv"):
        module.add_adapters(backbone, Lora(2, 4, 0.0, ("qkv", "fc1")))
    module.add_adapters(backbone, Lora(2, 4, 0.0, ("proj", "fc1", "fc2")))


def test_without_peft_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="lora"):
        adapted()


def test_every_network_of_a_hierarchy_has_adapters():
    torch.manual_seed(0)
    network = build_network("test_vit", "random", {"amf": 1, "subtype": 8}, kind="hierarchical", size_px=64)
    adapt(network, freeze=True, lora=Lora(2, 4, 0.0, ("qkv",)))
    assert len({name.split("backbone")[0] for name in trained_state(network) if "lora_A" in name}) == 3


def test_the_trained_part_alone_makes_the_network_again_on_the_same_weights():
    network = stirred(adapted()).eval()
    state = {name: value.clone() for name, value in trained_state(network).items()}
    assert sum(v.numel() for v in state.values()) < sum(v.numel() for v in network.state_dict().values()) / 5
    other = adapted().eval()
    load_trained_state(other, state, network.held_hash)
    with torch.no_grad():
        torch.testing.assert_close(other(CROPS)["amf"], network(CROPS)["amf"], atol=0, rtol=0)


def test_the_trained_part_is_refused_on_other_weights():
    network, other = adapted(), adapted()
    with torch.no_grad():
        other.backbone.blocks[0].attn.qkv.base_layer.weight.mul_(1.01)
    other = adapt(other, freeze=True)
    with pytest.raises(SettingsError, match="other weights"):
        load_trained_state(other, trained_state(network), network.held_hash)


def test_a_twin_shares_what_is_held_and_nothing_else():
    network = adapted()
    other = twin(network)
    own, shared = dict(network.named_parameters()), dict(other.named_parameters())
    assert network.held
    assert {name for name, weight in own.items() if shared[name] is weight} == network.held


@pytest.mark.parametrize("backbone", ["test_efficientnet", "test_resnet"])
def test_a_frozen_backbone_keeps_the_statistics_of_its_norms(backbone):
    torch.manual_seed(0)
    network = adapt(build_network(backbone, "random", HEADS), freeze=True).train()
    before = copy.deepcopy(network.state_dict())
    network(CROPS)["amf"].sum().backward()
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert {name for name, weight in network.named_parameters() if weight.grad is not None} <= {
        "head.weight",
        "head.bias",
    }
    assert not [name for name in trained_state(network) if name.endswith(".weight") and name != "head.weight"]


def test_prompts_are_read_by_every_block_and_leave_its_tokens_in_number():
    network = adapted(prompts=5).eval()
    assert {n for n, w in network.named_parameters() if w.requires_grad and "backbone" in n} == {
        f"backbone.blocks.{i}.prompts" for i in range(len(network.backbone.blocks))
    }
    features = network.features_and_statistics(CROPS)[0]
    assert features.shape == (3, 17, 64)
    torch.testing.assert_close(features, network.features(CROPS))
    network(CROPS)["amf"].sum().backward()
    assert all(block.prompts.grad.abs().max() > 0 for block in network.backbone.blocks)
    tokens = torch.rand(2, 17, 64)
    block = network.backbone.blocks[0]
    beside = torch.cat([tokens, block.prompts.expand(2, -1, -1)], dim=1)
    torch.testing.assert_close(block(tokens), block.block(beside)[:, :17])


def test_prompts_and_adapters_go_together():
    torch.manual_seed(0)
    network = build_network("test_vit", "random", HEADS, size_px=64)
    adapt(network, freeze=True, lora=Lora(2, 4, 0.0, ("qkv",)), prompts=2)
    trained = {name for name, weight in network.named_parameters() if weight.requires_grad}
    assert any("lora_A" in name for name in trained)
    assert any("prompts" in name for name in trained)
    assert not any("base_layer" in name for name in trained)


def test_prompts_are_for_plain_vits(monkeypatch):
    with pytest.raises(SettingsError, match="plain ViTs"):
        adapted(shrink_swin(monkeypatch), prompts=2)


def hybrid(backbone="test_efficientnet", heads=HEADS, **options):
    torch.manual_seed(0)
    network = build_network(backbone, "random", heads, size_px=64, beside=("test_vit", "random"), **options)
    return adapt(network, freeze=False)


def test_a_hybrid_joins_both_embeddings_each_by_its_own_normalization():
    network = hybrid().eval()
    own, beside = network.backbone.backbone, network.backbone.frozen
    assert own.pretrained_cfg["mean"] != beside.pretrained_cfg["mean"]
    assert network.width == own.num_features + beside.num_features
    config = beside.pretrained_cfg
    mean, std = (torch.tensor(config[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    with torch.no_grad():
        embedding = network.answer(CROPS)[1]
        wanted = beside.forward_features((CROPS - mean) / std)[:, 0]
        torch.testing.assert_close(embedding[:, own.num_features :], wanted, atol=1e-5, rtol=1e-4)
        wanted = own.forward_features(network._normalize(CROPS)).mean((2, 3))
        torch.testing.assert_close(embedding[:, : own.num_features], wanted, atol=1e-5, rtol=1e-4)


def test_the_map_of_a_hybrid_is_exact_and_its_distance_that_of_the_trained_part():
    network = hybrid().eval()
    features, statistics = network.features_and_statistics(CROPS)
    logit = network.activation_map(features).mean(dim=(1, 2)) + network.head.bias[0]
    torch.testing.assert_close(logit, network(CROPS)["amf"][:, 0], atol=1e-5, rtol=1e-5)
    alone = network.backbone.backbone.forward_intermediates(
        network._normalize(CROPS), indices=3, intermediates_only=True
    )
    assert statistics.shape[1] == 2 * sum(stage.shape[1] for stage in alone)


def test_only_the_first_network_of_a_hybrid_is_trained_and_saved():
    network = hybrid("test_resnet", inner_share=0.5, hed=True).train()
    network(CROPS)["amf"].sum().backward()
    moved = {name for name, weight in network.named_parameters() if weight.grad is not None and weight.grad.any()}
    assert any(name.startswith("backbone.backbone.") for name in moved)
    assert not any(name.startswith("backbone.frozen.") for name in moved)
    assert not any(name.startswith("backbone.frozen.") and name.endswith("weight") for name in trained_state(network))


def gradients(network):
    network.train()
    torch.manual_seed(1)
    network(CROPS)["amf"].sum().backward()
    return {name: weight.grad for name, weight in network.named_parameters() if weight.grad is not None}


def test_blocks_computed_again_give_the_same_gradients():
    plain = gradients(stirred(adapted(dropout=0.3)))
    again = stirred(adapted(dropout=0.3)).train()
    checkpoint_blocks(again)
    calls: list[int] = []
    again.backbone.blocks[0].register_forward_pre_hook(lambda *_: calls.append(1))
    found = gradients(again)
    assert len(calls) == 2
    assert found.keys() == plain.keys()
    for name, values in plain.items():
        torch.testing.assert_close(found[name], values)


def test_blocks_with_batch_norms_are_not_computed_again():
    with pytest.raises(SettingsError, match="batch norms"):
        checkpoint_blocks(build_network("test_efficientnet", "random", HEADS).train())
    checkpoint_blocks(adapt(build_network("test_efficientnet", "random", HEADS), freeze=True).train())
