"""Optical densities of hematoxylin, eosin and DAB in RGB (Ruifrok & Johnston 2001)."""

from __future__ import annotations

import torch
from torch import Tensor

HED_FROM_RGB = torch.linalg.inv(
    torch.tensor([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]], dtype=torch.float32)
)
"""Optical density in RGB to density of hematoxylin, eosin, DAB."""
RGB_FROM_HED = torch.linalg.inv(HED_FROM_RGB)
_DARKEST = 1 / 255


def densities(crops: Tensor) -> Tensor:
    """RGB in 0..1, (n, 3, h, w) -> density of each stain, (n, 3, h, w)."""
    return torch.einsum("nchw,cs->nshw", -torch.log10(crops.clamp_min(_DARKEST)), HED_FROM_RGB.to(crops))


def colors(stains: Tensor) -> Tensor:
    """The way back from `densities`: (n, 3, h, w) -> RGB in 0..1."""
    return torch.pow(10.0, -torch.einsum("nshw,sc->nchw", stains, RGB_FROM_HED.to(stains))).clamp(0, 1)
