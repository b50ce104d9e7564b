"""Networks of which a training changes a part: the rest is held as it came, in memory once, and saved with nothing."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor, nn

from atypica.core.errors import SettingsError
from atypica.models.beside import BesideBackbone
from atypica.models.lora import Lora, add_adapters
from atypica.models.network import BATCH_NORMS, FigureNetwork
from atypica.models.prompts import add_prompts
from atypica.models.stem import TwoFields

SAMPLED = 64
"""Values of every tensor that its fingerprint is made of."""


def figure_networks(network: nn.Module) -> list[FigureNetwork]:
    """A network and those inside it, each of a backbone and heads."""
    return [part for part in network.modules() if isinstance(part, FigureNetwork)]


def inner_backbone(backbone: nn.Module) -> nn.Module:
    """The network of timm that is trained, inside what stands around it."""
    while isinstance(backbone, TwoFields | BesideBackbone):
        backbone = backbone.backbone
    return backbone


def adapt(network: FigureNetwork, *, freeze: bool, lora: Lora | None = None, prompts: int = 0) -> FigureNetwork:
    """Freeze what is to be frozen and add what is trained in its place, in place.

    Args:
        network: with its first weights.
        freeze: the backbone keeps its weights; what the others add is trained.
        lora: adapters.
        prompts: learned tokens a block.

    Raises:
        MissingExtraError: peft is not installed.
        SettingsError: the backbone cannot have them.
    """
    for part in figure_networks(network):
        backbone = inner_backbone(part.backbone)
        if freeze:
            part.backbone.requires_grad_(False)
        if lora:
            add_adapters(backbone, lora)
        if prompts:
            add_prompts(backbone, prompts)
    network.held = frozenset(name for name, weight in network.named_parameters() if not weight.requires_grad)
    network.held_hash = _fingerprint(network)
    return network


def trained_state(network: FigureNetwork) -> dict[str, Tensor]:
    """All tensors by name but those that are held."""
    return {name: value for name, value in network.state_dict().items() if name not in network.held}


def load_trained_state(network: FigureNetwork, state: Mapping[str, Tensor], held_hash: str) -> None:
    """Give a network what `trained_state` gave, in place; what it holds it must have already.

    Args:
        network: with the weights that are held.
        state: of another network of the same making.
        held_hash: of that network.

    Raises:
        SettingsError: it was trained on other weights.
    """
    check_held(network, held_hash)
    network.load_state_dict({**network.state_dict(), **state})


def check_held(network: FigureNetwork, held_hash: str) -> None:
    """Refuse to lay what was trained on one network's weights over another's.

    Raises:
        SettingsError: a network with this hash held other weights.
    """
    if held_hash != network.held_hash:
        raise SettingsError(
            "what was trained in this run stands on other weights than those of the backbone here",
            "give the weights (model.weights, model.beside.weights) that the run was started with",
        )


def checkpoint_blocks(network: FigureNetwork) -> None:
    """Keep in a training step what enters each block, and compute the rest again on the way back, in place.

    Args:
        network: in training mode.

    Raises:
        SettingsError: a backbone has no blocks to do so, or batch norms, which would count every batch twice.
    """
    for part in figure_networks(network):
        backbone = inner_backbone(part.backbone)
        if any(isinstance(module, BATCH_NORMS) and module.training for module in backbone.modules()):
            raise SettingsError(
                "training.gradient_checkpointing would count every batch twice in the batch norms of this backbone",
                "set it to false, and training.batch_size lower with training.accumulate higher",
            )
        try:
            cast(Any, backbone).set_grad_checkpointing(True)
        except (AttributeError, AssertionError) as error:
            raise SettingsError(
                "this backbone cannot compute its blocks again", "set training.gradient_checkpointing to false"
            ) from error


def twin(network: FigureNetwork) -> FigureNetwork:
    """A copy that shares what is held."""
    return copy.deepcopy(
        network, {id(weight): weight for name, weight in network.named_parameters() if name in network.held}
    )


def _fingerprint(network: FigureNetwork) -> str:
    """Of some values of every tensor that is held; empty where there are none, or none with values."""
    digest = hashlib.sha256()
    held = {name: weight for name, weight in network.named_parameters() if name in network.held}
    if not held or any(weight.is_meta for weight in held.values()):
        return ""
    for name, weight in sorted(held.items()):
        values = weight.detach().flatten()
        chosen = values[:: max(1, len(values) // SAMPLED)]
        digest.update(f"{name} {tuple(weight.shape)} ".encode() + chosen.float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]
