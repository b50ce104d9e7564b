"""Weights from a file: loaded where they fit, one readable error where not, and never code."""

from __future__ import annotations

import pytest
import timm
import torch
from safetensors.torch import save_file

from atypica.core.errors import SettingsError
from atypica.models.network import build_network

HEADS = {"amf": 1}
TINY = "test_efficientnet"


class Code:
    """What a pickle could run."""


@pytest.fixture
def saved(tmp_path):
    """A file of right weights of each kind."""
    state = timm.create_model(TINY, pretrained=False).state_dict()
    save_file(state, tmp_path / "a.safetensors")
    torch.save(state, tmp_path / "a.pth")
    return tmp_path


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth"])
def test_weights_from_a_file_are_loaded(saved, name):
    first, second = (build_network(TINY, str(saved / name), {"amf": 1}) for _ in range(2))
    assert torch.equal(first.backbone.conv_stem.weight, second.backbone.conv_stem.weight)


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth"])
@pytest.mark.parametrize("damage", ["empty", "cut", "text", "altered"])
def test_damaged_weights_are_one_readable_error(saved, name, damage):
    path = saved / name
    data = path.read_bytes()
    path.write_bytes(
        {"empty": b"", "cut": data[: len(data) // 2], "text": b"<html>not found</html>", "altered": b"\0" * 99 + data}[
            damage
        ]
    )
    with pytest.raises(SettingsError) as raised:
        build_network(TINY, str(path), HEADS)
    assert name in raised.value.message
    assert "\n" not in raised.value.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (Code(), "holds more than tensors"),
        ({"state_dict": {"a": torch.zeros(1)}, "epoch": 3}, "holds more than tensors: 'state_dict'"),
        ([torch.zeros(1)], "holds no tensors by name"),
        ({}, "holds no tensors by name"),
    ],
)
def test_a_pth_of_anything_but_tensors_is_refused(tmp_path, content, message):
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(SettingsError, match=message) as raised:
        build_network(TINY, str(tmp_path / "a.pth"), HEADS)
    assert "state_dict()" in raised.value.fix


def test_weights_of_another_network_name_the_first_tensors_that_do_not_fit(saved):
    with pytest.raises(SettingsError, match=r"in \d+ tensors: .* is lacking; .*; \.\.\.") as raised:
        build_network("test_resnet", str(saved / "a.pth"), HEADS)
    assert "model.backbone" in raised.value.fix


@pytest.mark.parametrize("classes", [0, 2])
def test_the_classifier_of_the_file_does_not_matter(tmp_path, classes):
    state = timm.create_model(TINY, pretrained=False, num_classes=classes).state_dict()
    save_file(state, tmp_path / "a.safetensors")
    network = build_network(TINY, str(tmp_path / "a.safetensors"), HEADS)
    assert torch.equal(network.backbone.conv_stem.weight, state["conv_stem.weight"])


def test_a_tensor_of_another_shape_is_named(saved):
    state = torch.load(saved / "a.pth", weights_only=True)
    shape = "x".join(map(str, state["conv_stem.weight"].shape))
    torch.save(state | {"conv_stem.weight": torch.zeros(2, 3), "more": torch.zeros(())}, saved / "a.pth")
    with pytest.raises(SettingsError, match=f"2 tensors: conv_stem.weight is 2x3, not {shape}; more has no place"):
        build_network(TINY, str(saved / "a.pth"), HEADS)
