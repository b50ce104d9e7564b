"""What a backbone is given beside the RGB crop: stain densities as channels, and a closer look at the center."""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from timm.models import adapt_input_conv
from torch import Tensor, nn

from atypica.core.errors import SettingsError
from atypica.models.layout import planes
from atypica.models.stains import densities

HED_MEAN = (0.193, 0.175, 0.176)
HED_STD = (0.292, 0.138, 0.183)
"""Of hematoxylin, eosin and DAB over the pixels of crops of AMi-Br's training split."""


def with_densities(crops: Tensor) -> Tensor:
    """RGB in 0..1, (N, 3, S, S) -> the same with the densities of hematoxylin, eosin and DAB, (N, 6, S, S)."""
    return torch.cat([crops, densities(crops)], dim=1)


def enlarged_center(crops: Tensor, share: float) -> Tensor:
    """The central square with this share of the side, in whole pixels, enlarged: (N, C, S, S) -> (N, C, S, S)."""
    size = crops.shape[-1]
    edge = round(size * (1 - share) / 2)
    center = crops[:, :, edge : size - edge, edge : size - edge]
    return F.interpolate(center, size=(size, size), mode="bilinear", align_corners=False)


def widen_first_layer(backbone: nn.Module, channels: int) -> None:
    """Let a timm backbone take more channels, in place; its weights for RGB are repeated and scaled down, as in timm.

    Raises:
        SettingsError: its first layer is no convolution.
    """
    name = cast(Any, backbone).pretrained_cfg["first_conv"]
    first = backbone.get_submodule(name) if isinstance(name, str) else None
    if not isinstance(first, nn.Conv2d):
        raise SettingsError("this backbone cannot take more than three channels", "set input.hed to false")
    first.weight = nn.Parameter(adapt_input_conv(channels, first.weight.detach()))
    first.in_channels = channels


class TwoFields(nn.Module):
    """One backbone on the whole field and on its center enlarged; the two maps side by side as channels.

    The map of the center is laid where the center lies, each of its places divided among those that it covers, so
    that its sum stays the same: the mean over places, and so every logit, is that of the two maps, and an activation
    map shows both in their place.

    Args:
        backbone: a timm network.
        share: side of the center over that of the field.
    """

    def __init__(self, backbone: nn.Module, share: float) -> None:
        super().__init__()
        self.backbone = backbone
        self.share = share
        self.num_features = 2 * int(cast(Any, backbone).num_features)

    def forward_features(self, crops: Tensor) -> Tensor:
        """(N, channels, S, S) -> (N, num_features, h, w)."""
        both = self._planes(cast(Any, self.backbone).forward_features(self._both(crops)))
        return self._side_by_side(both)

    def forward_intermediates(self, crops: Tensor, indices: int) -> tuple[Tensor, list[Tensor]]:
        """The features, and the maps of the last `indices` stages; see timm."""
        both, stages = cast(Any, self.backbone).forward_intermediates(self._both(crops), indices=indices)
        return self._side_by_side(self._planes(both)), [torch.cat(_halves(stage), dim=1) for stage in stages]

    def _both(self, crops: Tensor) -> Tensor:
        return torch.cat([crops, enlarged_center(crops, self.share)])

    def _planes(self, features: Tensor) -> Tensor:
        return planes(self.backbone, features)

    def _side_by_side(self, both: Tensor) -> Tensor:
        whole, center = _halves(both)
        rows, columns = (placement(side, self.share).to(center) for side in center.shape[2:])
        return torch.cat([whole, rows @ center @ columns.T], dim=1)


def _halves(both: Tensor) -> list[Tensor]:
    """Not `chunk`, for which the exporter would freeze the batch size."""
    return list(both.unflatten(0, (2, -1)).unbind(0))


def placement(side: int, share: float) -> Tensor:
    """How much of each place of the center falls on each place of the whole, along one side: (side, side).

    Columns sum to 1.

    >>> placement(2, 0.5)
    tensor([[1., 0.],
            [0., 1.]])
    """
    whole = torch.arange(side + 1, dtype=torch.float64)
    center = side / 2 + (whole - side / 2) * share
    end = torch.minimum(whole[1:, None], center[None, 1:])
    start = torch.maximum(whole[:-1, None], center[None, :-1])
    return ((end - start).clamp_min(0) / share).float()
