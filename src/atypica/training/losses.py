"""Losses on probabilities as targets, with what is unknown left out."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from atypica.core.vocabulary import NMF_SUBTYPES

SIDE = len(NMF_SUBTYPES)
"""The first four subtypes are normal, the other four atypical."""


def masked_bce(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean binary cross-entropy over the known targets (NaN = unknown); 0 where none is known.

    Args:
        logits: any shape.
        targets: the same shape, probabilities or NaN.
    """
    known = ~targets.isnan()
    losses = F.binary_cross_entropy_with_logits(logits, targets.nan_to_num(0.0), reduction="none")
    return (losses * known).sum() / known.sum().clamp_min(1)


def side_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of the subtype given its side: softmax within the four normal and the four atypical ones.

    Args:
        logits: (n, 8).
        targets: (n, 8), shares that sum to 1; NaN rows are left out.
    """
    known = ~targets.isnan().any(dim=1, keepdim=True)
    shares = targets.nan_to_num(0.0)
    losses = -(shares * side_log_softmax(logits)).sum(dim=1, keepdim=True)
    return (losses * known).sum() / known.sum().clamp_min(1)


def side_log_softmax(logits: Tensor) -> Tensor:
    """log p(subtype | side), (n, 8)."""
    return torch.cat([logits[:, :SIDE].log_softmax(1), logits[:, SIDE:].log_softmax(1)], dim=1)


def probabilities(logits: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Each head's logits as the probabilities that its targets are: subtypes sum to 1 over both sides."""
    result = {name: values.sigmoid() for name, values in logits.items() if name != "subtype"}
    if "subtype" in logits:
        amf = result["amf"]
        sides = torch.cat([(1 - amf).expand(-1, SIDE), amf.expand(-1, SIDE)], dim=1)
        result["subtype"] = sides * side_log_softmax(logits["subtype"]).exp()
    return result


def multi_head_loss(
    logits: Mapping[str, Tensor], targets: Mapping[str, Tensor], weights: Mapping[str, float]
) -> Tensor:
    """The weighted sum of every head's loss."""
    losses = [
        weights[name] * (side_cross_entropy if name == "subtype" else masked_bce)(values, targets[name])
        for name, values in logits.items()
    ]
    return torch.stack(losses).sum()
