"""Tensors of a checkpoint under timm's names, whatever names they were saved under."""

from __future__ import annotations

import math
import re
from typing import Any, cast

import torch
from torch import Tensor, nn

State = dict[str, Tensor]
_TRANSFORMERS = (
    (r"^embeddings\.cls_token$", "cls_token"),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.register_tokens$", "register_tokens"),
    (r"^embeddings\.mask_token$", "mask_token"),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^encoder\.layer\.", "blocks."),
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"\.attention\.attention\.", ".attn."),
    (r"\.layer_scale(\d)\.lambda1$", r".ls\1.gamma"),
    (r"\.mlp\.weights_in\.", ".mlp.fc1."),
    (r"\.mlp\.weights_out\.", ".mlp.fc2."),
    (r"^layernorm\.", "norm."),
)
_DINOV2 = ((r"\.mlp\.w12\.", ".mlp.fc1."), (r"\.mlp\.w3\.", ".mlp.fc2."))
_PART = r"\.attn\.(query|key|value)\."


def timm_state(state: State, network: nn.Module) -> State:
    """A state dict under timm's names.

    Those of DINOv2's own code and of DINOv2 (with or without registers) in the library transformers are renamed, their
    queries, keys and values joined; all others are left as they are.

    Args:
        state: name to tensor.
        network: the timm network that they are for.
    """
    foreign = "embeddings.cls_token" in state
    if foreign:
        state = _joined(_renamed(state, _TRANSFORMERS))
    if foreign or "mask_token" in state:
        state = _with_registers(_renamed(state, _DINOV2), bool(getattr(network, "no_embed_class", False)))
    return state


def fit_grid(network: nn.Module, state: State) -> None:
    """Bring a ViT to the size that a checkpoint's positions are for, so that they are read as they are."""
    model = cast(Any, network)
    if "pos_embed" not in state or not isinstance(getattr(network, "pos_embed", None), Tensor):
        return
    if not hasattr(network, "set_input_size") or state["pos_embed"].shape == model.pos_embed.shape:
        return
    places = state["pos_embed"].shape[1] - (0 if model.no_embed_class else model.num_prefix_tokens)
    side = math.isqrt(max(places, 0))
    if side and side * side == places and state["pos_embed"].shape[2] == model.pos_embed.shape[2]:
        model.set_input_size(img_size=tuple(side * patch for patch in model.patch_embed.patch_size))


def _renamed(state: State, rules: tuple[tuple[str, str], ...]) -> State:
    def rename(name: str) -> str:
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        return name

    return {rename(name): tensor for name, tensor in state.items()}


def _joined(state: State) -> State:
    """Queries, keys and values of every block as one tensor."""
    joined = {name: tensor for name, tensor in state.items() if not re.search(_PART, name)}
    for name in state:
        if ".attn.query." in name:
            every = [state[name.replace("query", part)] for part in ("query", "key", "value")]
            joined[name.replace("query", "qkv")] = torch.cat(every)
    return joined


def _with_registers(state: State, apart: bool) -> State:
    """Registers under timm's name. Where positions are of patches alone, the class token takes its own into itself."""
    state = {name: tensor for name, tensor in state.items() if name != "mask_token"}
    if "register_tokens" in state:
        state["reg_token"] = state.pop("register_tokens")
    if apart and "pos_embed" in state and "cls_token" in state:
        state["cls_token"] = state["cls_token"] + state["pos_embed"][:, :1]
        state["pos_embed"] = state["pos_embed"][:, 1:]
    return state
