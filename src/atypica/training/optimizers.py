"""The optimizers, what rate and decay each weight has, and which weights are trained."""

from __future__ import annotations

from typing import Any, cast

import torch
from timm.optim import Adan, param_groups_layer_decay  # pyright: ignore[reportPrivateImportUsage]
from torch import nn
from torch.optim import Optimizer

from atypica.core.errors import SettingsError
from atypica.models.frozen import figure_networks, inner_backbone
from atypica.models.network import FigureNetwork
from atypica.training.settings.optimizer import OptimizerName, OptimizerSettings

OPTIMIZERS: dict[OptimizerName, Any] = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "adan": Adan}


def new_optimizer(network: FigureNetwork, settings: OptimizerSettings, lr: float) -> Optimizer:
    """The optimizer of all weights of a network that are trained.

    Args:
        network: what is trained.
        settings: of the recipe.
        lr: the full rate, that of the heads.

    Raises:
        SettingsError: the backbone does not say what its layers are, which `layer_decay` needs.
    """
    groups = _groups(network, settings) if settings.layer_decay == 1 else _groups_by_layer(network, settings)
    for group in groups:
        group["lr"] = lr * group.pop("lr_scale", 1.0)
    return OPTIMIZERS[settings.name](groups, lr=lr, **_fused(network, settings.name))


def _fused(network: FigureNetwork, name: OptimizerName) -> dict[str, bool]:
    """On a CPU one pass over the weights takes less than half the time; a GPU's loss scaling does not go with it."""
    if name == "adan" or next(network.parameters()).device.type != "cpu":
        return {}
    return {"fused": True}


def _groups(network: FigureNetwork, settings: OptimizerSettings) -> list[dict[str, Any]]:
    parameters = [weight for weight in network.parameters() if weight.requires_grad]
    small_decay = settings.weight_decay if settings.decay_norms else 0.0
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": small_decay},
    ]


def _groups_by_layer(network: FigureNetwork, settings: OptimizerSettings) -> list[dict[str, Any]]:
    return [
        group
        for part in figure_networks(network)
        for group in param_groups_layer_decay(
            _Stack(part),
            weight_decay=settings.weight_decay,
            weight_decay_exclude_1d=not settings.decay_norms,
            layer_decay=settings.layer_decay,
        )
    ]


class _Stack(nn.Module):
    """A backbone and the heads on it, by the names that timm's grouping expects: heads count as its classifier."""

    def __init__(self, network: FigureNetwork) -> None:
        super().__init__()
        backbone = inner_backbone(network.backbone)
        if not hasattr(backbone, "group_matcher"):
            raise SettingsError("this backbone does not say what its layers are", "set optimizer.layer_decay to 1")
        self.group_matcher = cast(Any, backbone).group_matcher
        heads = {"figure_head": network.head} | ({"figure_shared": network.shared} if network.shared else {})
        self._named = dict(backbone.named_parameters())
        for name, layer in heads.items():
            self._named |= dict(layer.named_parameters(prefix=name))

    def named_parameters(self, *args: Any, **kwargs: Any) -> Any:
        return iter(self._named.items())


def freeze_backbones(network: FigureNetwork, frozen: bool) -> None:
    """Keep backbones as they are, the statistics of their batch norms included, or let them be trained."""
    for part in figure_networks(network):
        part.backbone.requires_grad_(not frozen).train(not frozen)
    network.keep_held()


def forget(optimizer: Optimizer) -> None:
    """Make an optimizer as it was before its first step; rates stay."""
    optimizer.state.clear()
    for group in optimizer.param_groups:
        group.pop("step", None)  # Adan counts here
