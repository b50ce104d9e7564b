"""Low-rank adapters (LoRA: Hu et al., ICLR 2022; DoRA: Liu et al., ICML 2024) in a transformer of timm, by peft."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from atypica.core.errors import MissingExtraError, SettingsError

INSIDE_A_BLOCK = re.compile(r"(?:^|\.)blocks\.\d+\.(?:\w+\.)?(\w+)$")
"""The linear layers of a block and of its parts (`attn.qkv`, `mlp.fc1`), not those deeper down: the `fc1` that makes a
position bias is no layer of the block, and `patch_embed.proj` lies in none."""
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Lora:
    """What adapters are like.

    Attributes:
        rank: of what they add to a weight.
        alpha: over rank, the factor of what they add.
        dropout: on what they read.
        targets: names of linear layers inside the transformer blocks.
        dora: direction and length are trained apart.
    """

    rank: int
    alpha: float
    dropout: float
    targets: tuple[str, ...]
    dora: bool = False


def check_peft() -> None:
    """Before a training begins.

    Raises:
        MissingExtraError: peft is not installed.
    """
    if find_spec("peft") is None:
        raise MissingExtraError("model.lora", "lora")


def add_adapters(backbone: nn.Module, lora: Lora) -> None:
    """Put adapters into the blocks of a timm ViT or Swin, in place, and freeze the rest. At first they add nothing.

    Raises:
        MissingExtraError: peft is not installed.
        SettingsError: a target is no linear layer inside a block, or its block reads its weights past the layer.
    """
    check_peft()
    from peft import LoraConfig, inject_adapter_in_model

    names = target_layers(backbone, lora.targets)
    _check_called(backbone, names)
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=cast(int, lora.alpha),
        lora_dropout=lora.dropout,
        target_modules=names,
        use_dora=lora.dora,
    )
    inject_adapter_in_model(config, backbone)


def target_layers(backbone: nn.Module, targets: Sequence[str]) -> list[str]:
    """The full names of the linear layers inside the blocks that are called like one of the targets.

    Raises:
        SettingsError: a target is none of them; the message names those that there are.
    """
    linear = [name for name, module in backbone.named_modules() if isinstance(module, nn.Linear)]
    inside = {name: match.group(1) for name in linear if (match := INSIDE_A_BLOCK.search(name))}
    if not inside:
        raise SettingsError(
            "model.lora is for networks of transformer blocks, and this backbone has none",
            "take a ViT or Swin as model.backbone, or leave model.lora out",
        )
    if unknown := [target for target in targets if target not in inside.values()]:
        raise SettingsError(
            f"model.lora.targets names {', '.join(unknown)}, and the blocks of this backbone have no such linear layer",
            f"take some of: {', '.join(dict.fromkeys(inside.values()))}",
        )
    return [name for name, last in inside.items() if last in targets]


def _check_called(backbone: nn.Module, names: Sequence[str]) -> None:
    """Some blocks (BEiT, Swin V2) take the weights of a layer and never call it: an adapter would learn nothing."""
    called: set[str] = set()

    def note(name: str, *_: object) -> None:
        called.add(name)

    hooks = [backbone.get_submodule(name).register_forward_hook(partial(note, name)) for name in names]
    state = {name: value.to("meta") for name, value in [*backbone.named_parameters(), *backbone.named_buffers()]}
    try:
        with torch.no_grad():
            torch.func.functional_call(backbone, state, (_crop(backbone),))
    finally:
        for hook in hooks:
            hook.remove()
    if missed := {name.rsplit(".", 1)[1] for name in names if name not in called}:
        raise SettingsError(
            f"this backbone reads the weights of {', '.join(sorted(missed))} without calling the layer: adapters there "
            "would learn nothing",
            "leave it out of model.lora.targets",
        )


def _crop(backbone: nn.Module) -> Tensor:
    size = getattr(getattr(backbone, "patch_embed", None), "img_size", None)
    config = cast(Any, backbone).pretrained_cfg
    height, width = size or config["input_size"][1:]
    return torch.zeros(1, config["input_size"][0], height, width, device="meta")


def merged(network: Network) -> Network:
    """A copy whose adapters are added to the weights that they adapt: the same function by plain layers.

    A network without adapters is given back as it is.
    """
    if not any(hasattr(module, "base_layer") for module in network.modules()):
        return network
    from peft.tuners.tuners_utils import BaseTunerLayer

    plain = copy.deepcopy(network)
    for name, layer in [(n, m) for n, m in plain.named_modules() if isinstance(m, BaseTunerLayer)]:
        cast(Any, layer).merge(safe_merge=True)
        parent, _, last = name.rpartition(".")
        setattr(plain.get_submodule(parent), last, layer.get_base_layer())
    return plain
