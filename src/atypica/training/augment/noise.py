"""Noise of the camera."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def add_noise(crops: Tensor, largest: float, generator: Generator) -> Tensor:
    """Gaussian noise, each crop with its own standard deviation up to `largest`."""
    level = largest * torch.rand(len(crops), 1, 1, 1, generator=generator)
    return crops + level.to(crops) * torch.randn(crops.shape, generator=generator).to(crops)
