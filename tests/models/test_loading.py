"""Weights of foundation models: files, folders and the hub; renamed where needed, and one clear message else."""

from __future__ import annotations

import json

import httpx
import pytest
import timm
import torch
from huggingface_hub import errors as hub_errors
from huggingface_hub import save_torch_state_dict
from safetensors.torch import save_file
from threads import one_thread as one_thread

from atypica.core.errors import SettingsError
from atypica.models import backbone as backbones
from atypica.models import hub
from atypica.models.backbone import build_architecture, create_backbone
from atypica.models.cards import CARDS, BackboneCard
from atypica.models.checkpoints import timm_state
from atypica.models.weights import load_file_weights

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 56, "patch_size": 14}
ARGUMENTS = {"embed_dim": 32, "depth": 2, "num_heads": 2, "img_size": 56, "num_classes": 0}


def small_card(**changes) -> BackboneCard:
    given = {
        "name": "tiny-dino",
        "title": "Tiny-Dino",
        "hub_id": "nobody/tiny-dino",
        "timm_name": "vit_small_patch14_dinov2",
        "arguments": {key: value for key, value in ARGUMENTS.items() if key != "num_classes"},
        "input_px": 56,
        "width": 32,
        "parameters": 0.1,
        "license": "CC-BY-NC-ND-4.0",
        "gated": True,
        "commercial": False,
        "paper": "",
    }
    return BackboneCard(**given | changes)


@pytest.fixture
def card(monkeypatch) -> BackboneCard:
    made = small_card()
    monkeypatch.setitem(CARDS, made.name, made)
    monkeypatch.setattr(hub, "_shown", set())
    return made


@pytest.fixture
def saved(card, tmp_path):
    """A folder with the weights of `card`."""
    torch.manual_seed(5)
    state = build_architecture(card).state_dict()
    save_file(state, tmp_path / "model.safetensors")
    return tmp_path, state


# Names of other libraries, held against those libraries' own networks.


def named(state):
    """Every tensor its own random values, so that none can be mistaken for another."""
    return {name: torch.randn(tensor.shape) * 0.1 for name, tensor in state.items()}


@pytest.mark.parametrize("swiglu", [False, True], ids=["mlp", "swiglu"])
@pytest.mark.parametrize("registers", [False, True], ids=["plain", "registers"])
def test_dinov2_of_transformers_is_the_same_network_in_timm(registers, swiglu, tmp_path):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    kind = "Dinov2WithRegisters" if registers else "Dinov2"
    more = {"num_register_tokens": 4} if registers else {}
    config = getattr(transformers, f"{kind}Config")(**SMALL, **more, use_swiglu_ffn=swiglu)
    theirs = getattr(transformers, f"{kind}Model")(config).eval()
    theirs.load_state_dict(named(theirs.state_dict()))
    # Hidden width of DINOv2's SwiGLU: two thirds of four times 32, up to a multiple of 8, twice.
    glu = {"mlp_layer": timm.layers.SwiGLUPacked, "act_layer": "silu", "mlp_ratio": 2 * 88 / 32} if swiglu else {}
    name = "vit_small_patch14_reg4_dinov2" if registers else "vit_small_patch14_dinov2"
    ours = timm.create_model(name, **ARGUMENTS, **glu).eval()
    theirs.save_pretrained(tmp_path)
    load_file_weights(ours, tmp_path)
    pixels = torch.randn(2, 3, 56, 56)
    with torch.inference_mode():
        expected = theirs(pixel_values=pixels).last_hidden_state
        assert torch.allclose(ours.forward_features(pixels), expected, atol=1e-4)


def test_dinov2_of_its_authors_is_the_same_network_in_timm():
    from timm.models.vision_transformer import checkpoint_filter_fn

    model = timm.create_model("vit_small_patch14_reg4_dinov2", **ARGUMENTS)
    state = named(model.state_dict())
    original = {name.replace("reg_token", "register_tokens"): tensor for name, tensor in state.items()}
    original["pos_embed"] = torch.randn(1, 17, 32)
    original["mask_token"] = torch.zeros(1, 32)
    expected = checkpoint_filter_fn(dict(original), model)
    found = timm_state(dict(original), model)
    assert found.keys() == expected.keys() == state.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


# Files and folders.


@pytest.mark.parametrize("place", [".", "model.safetensors"])
def test_a_folder_or_a_file_is_loaded(card, saved, place, capsys):
    folder, state = saved
    model = create_backbone(card.name, str(folder / place))
    assert torch.equal(model.blocks[1].mlp.fc2.weight, state["blocks.1.mlp.fc2.weight"])
    assert "no commercial use" in " ".join(capsys.readouterr().err.split())


def test_terms_are_shown_once(card, saved, capsys):
    for _ in range(2):
        create_backbone(card.name, str(saved[0]))
    assert capsys.readouterr().err.count("CC-BY-NC-ND-4.0") == 1


def test_random_weights_have_no_terms(card, capsys):
    create_backbone(card.name, "random")
    assert capsys.readouterr().err == ""


def test_safetensors_come_before_pickled_tensors(card, saved):
    folder, state = saved
    torch.save({}, folder / "pytorch_model.bin")
    assert torch.equal(create_backbone(card.name, str(folder)).cls_token, state["cls_token"])


@pytest.mark.parametrize(
    ("names", "message"), [((), "holds no weights"), (("a.safetensors", "b.safetensors"), "several files")]
)
def test_a_folder_without_one_file_of_weights_is_refused(card, tmp_path, names, message):
    for name in names:
        save_file({"a": torch.zeros(1)}, tmp_path / name)
    with pytest.raises(SettingsError, match=message):
        create_backbone(card.name, str(tmp_path))


def test_weights_of_another_model_are_refused(card, saved, monkeypatch):
    other = small_card(name="other", arguments={**card.arguments, "depth": 3})
    monkeypatch.setitem(CARDS, "other", other)
    with pytest.raises(SettingsError, match=r"does not fit this network in \d+ tensors: blocks.2") as raised:
        create_backbone("other", str(saved[0]))
    assert "model.backbone" in raised.value.fix


def test_positions_of_another_size_are_read_as_they_are_and_then_resampled(card, saved, monkeypatch):
    monkeypatch.setitem(CARDS, "large", small_card(name="large", arguments={**card.arguments, "img_size": 112}))
    folder, state = saved
    model = create_backbone("large", str(folder))
    assert torch.equal(model.pos_embed, state["pos_embed"])
    assert create_backbone("large", str(folder), size_px=112).pos_embed.shape[1] == 65


def test_no_package_carries_a_foundation_model(card):
    with pytest.raises(SettingsError, match="no package"):
        create_backbone(card.name, "package")


# The hub, by its own errors.


def answer(status: int) -> httpx.Response:
    return httpx.Response(status, request=httpx.Request("GET", "https://huggingface.co/nobody/tiny-dino"))


FAILURES = [
    (hub_errors.GatedRepoError("gated", response=answer(403)), "is gated", ("accept its terms", "HF_TOKEN")),
    (hub_errors.RepositoryNotFoundError("401", response=answer(401)), "knows no model", ("hf auth login",)),
    (hub_errors.LocalEntryNotFoundError("offline"), "cannot be reached", ("hf download nobody/tiny-dino",)),
    (hub_errors.OfflineModeIsEnabled("offline"), "cannot be reached", ("give it as weights",)),
    (
        hub_errors.RemoteEntryNotFoundError("404", response=answer(404)),
        "holds none of",
        ("tree/main",),
    ),
    (hub_errors.HfHubHTTPError("500 Server Error", response=answer(500)), "refused .* 500", ("try again",)),
]


@pytest.mark.parametrize(("failure", "message", "fixes"), FAILURES, ids=lambda value: type(value).__name__)
def test_every_way_the_hub_can_fail_says_what_to_do(card, monkeypatch, failure, message, fixes):
    def fail(*_, **__):
        raise failure

    monkeypatch.setattr(hub, "hf_hub_download", fail)
    with pytest.raises(SettingsError, match=message) as raised:
        create_backbone(card.name, "hub")
    assert [fix for fix in fixes if fix not in raised.value.fix] == []


def test_a_timm_network_whose_weights_cannot_be_reached_says_what_to_do(monkeypatch):
    def fail(*_, pretrained, **__):
        assert pretrained
        raise hub_errors.LocalEntryNotFoundError("offline")

    monkeypatch.setattr(backbones.timm, "create_model", fail)
    with pytest.raises(SettingsError, match="cannot be reached for timm/test_vit"):
        create_backbone("test_vit", "hub")


def test_a_network_without_published_weights_is_never_random():
    with torch.device("meta"), pytest.raises(SettingsError, match="no weights of vit_giant_patch14_224 are published"):
        create_backbone("vit_giant_patch14_224", "hub")


def test_the_hub_is_asked_for_safetensors_first(card, saved, monkeypatch):
    folder, state = saved
    asked = []

    def give(repo, name):
        asked.append((repo, name))
        if "safetensors" in name:
            raise hub_errors.RemoteEntryNotFoundError("404", response=answer(404))
        torch.save(state, folder / "given.bin")
        return str(folder / "given.bin")

    monkeypatch.setattr(hub, "hf_hub_download", give)
    model = create_backbone(card.name, "hub")
    names = ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"]
    assert asked == [("nobody/tiny-dino", name) for name in names]
    assert torch.equal(model.cls_token, state["cls_token"])


# Weights in several parts, written by the hub's own library.


@pytest.fixture
def parted(saved):
    """A folder with the same weights in parts, and their index."""
    folder, state = saved
    (folder / "model.safetensors").unlink()
    save_torch_state_dict(state, folder, max_shard_size=40_000)
    assert len(list(folder.glob("model-*.safetensors"))) > 2
    return folder, state


def the_same(model, state):
    return all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("place", [".", "model.safetensors.index.json"])
def test_weights_in_parts_are_loaded_from_a_folder(card, parted, place):
    folder, state = parted
    assert the_same(create_backbone(card.name, str(folder / place)), state)


def test_weights_in_parts_are_brought_from_the_hub_and_later_taken_from_its_cache(card, parted, monkeypatch):
    folder, state = parted
    asked = []

    def give(_, name):
        asked.append(name)
        if not (folder / name).exists():
            raise hub_errors.RemoteEntryNotFoundError("404", response=answer(404))
        return str(folder / name)

    def offline(*_):
        raise hub_errors.LocalEntryNotFoundError("offline")

    monkeypatch.setattr(hub, "hf_hub_download", give)
    assert the_same(create_backbone(card.name, "hub"), state)
    parts = sorted(path.name for path in folder.glob("model-*.safetensors"))
    assert asked == ["model.safetensors", "model.safetensors.index.json", *parts]
    kept = {"model.safetensors.index.json": str(folder / "model.safetensors.index.json")}
    monkeypatch.setattr(hub, "hf_hub_download", offline)
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda _, name: kept.get(name))
    assert the_same(create_backbone(card.name, "hub"), state)


def test_parts_that_are_not_there_or_lie_elsewhere_are_refused(card, parted):
    folder, _ = parted
    index = folder / "model.safetensors.index.json"
    whole = json.loads(index.read_text())
    name, part = next(iter(whole["weight_map"].items()))
    for places, message in (
        ({**whole["weight_map"], name: "../other.safetensors"}, "is no index"),
        ({**whole["weight_map"], "strange": part}, "'strange', which no part of it holds"),
        ([], "is no index"),
    ):
        index.write_text(json.dumps({"weight_map": places}))
        with pytest.raises(SettingsError, match=message):
            create_backbone(card.name, str(folder))
    index.write_text(json.dumps(whole))
    (folder / part).unlink()
    with pytest.raises(SettingsError, match=f"names {part}, which does not lie beside it"):
        create_backbone(card.name, str(folder))
