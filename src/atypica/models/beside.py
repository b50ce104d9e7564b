"""A frozen backbone beside one that is trained (the hybrid of Kotte et al., MIDOG 2025)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from atypica.models.layout import Pooling, embed, planes


class BesideBackbone(nn.Module):
    """Two backbones on one crop: the first one's map, and beside it as channels the second one's embedding.

    The embedding has no place, so every place holds it: the mean over places is both embeddings joined, and an
    activation map shows the first backbone's part where it lies and the second one's evenly.

    Args:
        backbone: a timm network.
        frozen: another; keeps its weights.
        width: of its embedding.
        pooling: how it pools.
        normalization: mean and standard deviation of RGB that the crops come with.
        own: those that the frozen backbone was trained with.
    """

    def __init__(
        self,
        backbone: nn.Module,
        frozen: nn.Module,
        width: int,
        pooling: Pooling,
        normalization: tuple[Sequence[float], Sequence[float]],
        own: tuple[Sequence[float], Sequence[float]],
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.frozen = frozen.requires_grad_(False)
        self.pooling: Pooling = pooling
        self.num_features = int(cast(Any, backbone).num_features) + width
        (mean, std), (own_mean, own_std) = ([torch.tensor(part) for part in parts] for parts in (normalization, own))
        self.register_buffer("scale", (std / own_std).view(1, 3, 1, 1))
        self.register_buffer("offset", ((mean - own_mean) / own_std).view(1, 3, 1, 1))

    def forward_features(self, crops: Tensor) -> Tensor:
        """(N, channels, S, S) -> (N, num_features, h, w); RGB is the first three channels."""
        own = planes(self.backbone, cast(Any, self.backbone).forward_features(crops))
        return self._joined(own, crops)

    def forward_intermediates(self, crops: Tensor, indices: int) -> tuple[Tensor, list[Tensor]]:
        """The features, and the maps of the last `indices` stages of the backbone that is trained; see timm."""
        if not hasattr(self.backbone, "forward_intermediates"):
            features = self.forward_features(crops)
            return features, [features]
        own, stages = cast(Any, self.backbone).forward_intermediates(crops, indices=indices)
        return self._joined(planes(self.backbone, own), crops), stages

    def _joined(self, own: Tensor, crops: Tensor) -> Tensor:
        rgb = crops[:, :3] * cast(Tensor, self.scale) + cast(Tensor, self.offset)
        embedding = embed(self.frozen, cast(Any, self.frozen).forward_features(rgb), self.pooling)
        everywhere = embedding[:, :, None, None].expand(-1, -1, own.shape[2], own.shape[3])
        return torch.cat([own, everywhere], dim=1)
