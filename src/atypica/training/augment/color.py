"""Color: brightness, contrast, saturation and hue, each one draw a crop."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from atypica.training.augment.draws import symmetric

GREY = (0.299, 0.587, 0.114)
"""Share of red, green and blue in the grey value (ITU-R BT.601)."""


def jitter_light(crops: Tensor, brightness: float, contrast: float, generator: Generator) -> Tensor:
    """Scale brightness, and contrast about the crop's mean, one draw a crop."""
    light = 1 + brightness * symmetric((len(crops), 1, 1, 1), generator).to(crops)
    spread = 1 + contrast * symmetric((len(crops), 1, 1, 1), generator).to(crops)
    mean = crops.mean(dim=(1, 2, 3), keepdim=True)
    return ((crops - mean) * spread + mean) * light


def jitter_saturation(crops: Tensor, saturation: float, generator: Generator) -> Tensor:
    """Move each pixel away from its grey value, or towards it, one draw a crop."""
    factor = 1 + saturation * symmetric((len(crops), 1, 1, 1), generator).to(crops)
    grey = (crops * torch.tensor(GREY).to(crops).view(1, 3, 1, 1)).sum(1, keepdim=True)
    return (grey + (crops - grey) * factor).clamp(0, 1)


def jitter_hue(crops: Tensor, hue: float, generator: Generator) -> Tensor:
    """Turn the color circle, one draw a crop, by up to `hue` of a full turn."""
    return turn_hue(crops.clamp(0, 1), hue * symmetric((len(crops), 1, 1, 1), generator).to(crops))


def turn_hue(crops: Tensor, turns: Tensor) -> Tensor:
    """Change the hue and keep saturation and value (HSV).

    Args:
        crops: RGB in 0..1, (n, 3, h, w).
        turns: share of the color circle, (n, 1, 1, 1).
    """
    value, largest = crops.max(1, keepdim=True)
    chroma = value - crops.min(1, keepdim=True).values
    red, green, blue = crops.split(1, 1)
    sixths = torch.cat([green - blue, blue - red, red - green], 1).gather(1, largest) / chroma.clamp_min(1e-8)
    hue = sixths + 2 * largest + 6 * turns
    from_channel = torch.tensor([5.0, 3.0, 1.0]).to(crops).view(1, 3, 1, 1)
    place = (from_channel + hue) % 6
    return value - chroma * torch.minimum(place, 4 - place).clamp(0, 1)
