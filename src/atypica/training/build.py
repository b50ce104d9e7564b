"""The network that a recipe asks for, as a training starts with."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from atypica.inference.bundle import Bundle
from atypica.models.frozen import adapt
from atypica.models.lora import Lora
from atypica.models.network import FigureNetwork, build_network
from atypica.training.objective import trained_heads
from atypica.training.recipe import Recipe
from atypica.training.start import go_on_from


def first_network(
    recipe: Recipe, targets: Mapping[str, Tensor], start: Bundle | None = None, seed: int = 0
) -> FigureNetwork:
    """Build a recipe's network.

    Args:
        recipe: model, heads, input and geometry.
        targets: of every head.
        start: the bundle whose weights it goes on from; None for the backbone's.
        seed: of the weights that are not pretrained; of those that training leaves as they are, the recipe's.

    Raises:
        MissingExtraError: it has adapters, and peft is not installed.
        SettingsError: its weights are not to be had or do not fit, or its backbone cannot be changed as it says.
    """
    model = recipe.model
    torch.manual_seed(recipe.seed if model.keeps_weights else seed)
    network = build_network(
        model.backbone,
        "random" if start else model.weights,
        trained_heads(recipe.heads, targets),
        model.dropout,
        model.drop_path,
        kind=recipe.heads.kind,
        hidden=recipe.heads.hidden,
        pooling=model.pooling,
        size_px=recipe.geometry.size_px,
        hed=recipe.input.hed,
        inner_share=recipe.input.inner_um / recipe.geometry.field_um,
        beside=(model.beside.backbone, "random" if start else model.beside.weights) if model.beside else None,
    )
    if start:
        go_on_from(start, network)
    if not model.keeps_weights:
        return network
    torch.manual_seed(seed)
    lora = Lora(**model.lora.model_dump()) if model.lora else None
    return adapt(network, freeze=model.is_frozen, lora=lora, prompts=model.prompts)


def outline(recipe: Recipe, targets: Mapping[str, Tensor]) -> FigureNetwork:
    """The same network in names and shapes alone: no weights are read, none take memory."""
    model = recipe.model
    beside = model.beside and model.beside.model_copy(update={"weights": "random"})
    bare = recipe.model_copy(update={"model": model.model_copy(update={"weights": "random", "beside": beside})})
    with torch.device("meta"):
        return first_network(bare, targets)
