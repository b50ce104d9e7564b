"""How a timm backbone lays its features out, and how they become one vector a crop.

| family | `forward_features` | the vector |
|---|---|---|
| convolutional | (N, C, h, w) | mean over places |
| Swin, MambaOut | (N, h, w, C) | mean over places |
| ViT and its kin | (N, tokens, C) | as the backbone pools: class token, mean of the patch tokens, or attention |
| ViT whose card says so (Virchow) | (N, tokens, C) | class token and mean of the patch tokens, joined: (N, 2 C) |

Where a backbone has a layer norm between its mean and its classifier (ConvNeXt, MaxViT, ViT with mean pooling), the
vector is normed by it. Hidden layers of a backbone's own classifier are left out.
"""

from __future__ import annotations

import math
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Pooling = Literal["own", "average"]


def planes(backbone: nn.Module, features: Tensor) -> Tensor:
    """What `forward_features` gave as a map (N, C, h, w); of tokens, those of the (square) grid of patches."""
    if features.ndim == 3:
        patches = features[:, prefix_tokens(backbone, features.shape[1]) :]
        side = math.isqrt(patches.shape[1])
        return patches.transpose(1, 2).unflatten(2, (side, side))
    return features.permute(0, 3, 1, 2) if getattr(backbone, "output_fmt", "NCHW") == "NHWC" else features


def prefix_tokens(backbone: nn.Module, tokens: int) -> int:
    """How many tokens (class, registers) stand before those of the patches."""
    return int(getattr(backbone, "num_prefix_tokens", tokens - math.isqrt(tokens) ** 2))


def averages(backbone: nn.Module, features: Tensor, pooling: Pooling) -> bool:
    """Whether the vector is the mean of the map, so that a map of shares is exact."""
    if features.ndim == 4 or pooling == "average":
        return True
    own = getattr(backbone, "global_pool", "") == "avg" and getattr(backbone, "attn_pool", None) is None
    return own and not getattr(backbone, "pool_include_prefix", False)


def joins(backbone: nn.Module, pooling: Pooling) -> bool:
    """Whether the vector is the class token joined with the mean of the patch tokens, as the backbone's card says."""
    return pooling == "own" and getattr(backbone, "card_pooling", "") == "class_and_mean"


def embedding_width(backbone: nn.Module, pooling: Pooling) -> int:
    """How many numbers the vector has."""
    return int(cast(Any, backbone).num_features) * (2 if joins(backbone, pooling) else 1)


def attends(backbone: nn.Module) -> bool:
    """Whether a backbone pools its tokens by an attention of its own: no patch speaks the language of its vector."""
    return getattr(backbone, "attn_pool", None) is not None


def embed(backbone: nn.Module, features: Tensor, pooling: Pooling) -> Tensor:
    """What `forward_features` gave as one vector a crop, (N, `embedding_width`)."""
    if joins(backbone, pooling):
        return torch.cat([features[:, 0], planes(backbone, features).mean(dim=(2, 3))], dim=1)
    if not averages(backbone, features, pooling):
        return cast(Any, backbone).forward_head(features, pre_logits=True)
    mean = planes(backbone, features).mean(dim=(2, 3))
    norm = norm_after_mean(backbone)
    return F.layer_norm(mean, (mean.shape[1],), norm.weight, norm.bias, norm.eps) if norm else mean


def norm_after_mean(backbone: nn.Module) -> nn.LayerNorm | None:
    """The layer norm between a backbone's mean and its classifier, if there is one."""
    for owner, name in ((getattr(backbone, "head", None), "norm"), (backbone, "fc_norm")):
        norm = getattr(owner, name, None)
        if isinstance(norm, nn.LayerNorm):
            return norm
    return None


def on_places(backbone: nn.Module, weights: Tensor, features: Tensor, pooling: Pooling) -> Tensor:
    """Weights on the vector as weights on what lies at each place.

    Of a mean they are exact, in a joined vector those of its half; of a class token, those that it would have as a
    patch (a hint); of attention there are none.

    Args:
        backbone: a timm network.
        weights: (N, `embedding_width`).
        features: what `forward_features` gave.
        pooling: the backbone's own, or the average of its map.

    Returns:
        (N, C).
    """
    if joins(backbone, pooling):
        return weights[:, features.shape[2] :]
    if averages(backbone, features, pooling):
        return before_norm(backbone, weights, planes(backbone, features).mean(dim=(2, 3)))
    return torch.zeros_like(weights) if attends(backbone) else weights


def before_norm(backbone: nn.Module, weights: Tensor, mean: Tensor) -> Tensor:
    """Weights on the normed vector as weights on the mean, both (N, C), the crop's spread over channels held.

    The layer norm is (mean - m) / s * g + b, with m and s of the mean's channels. Its product with w is then
    sum_c v_c mean_c plus a constant, v = (w g - average of w g) / s.
    """
    norm = norm_after_mean(backbone)
    if norm is None:
        return weights
    scaled = weights * norm.weight
    spread = (mean.var(dim=1, keepdim=True, unbiased=False) + norm.eps).sqrt()
    return (scaled - scaled.mean(dim=1, keepdim=True)) / spread
