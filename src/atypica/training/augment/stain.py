"""Stain: each dye's density jittered, or moved towards another crop's."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from atypica.models.stains import colors, densities
from atypica.training.augment.draws import coin, symmetric


def jitter_stain(crops: Tensor, scale: float, offset: float, generator: Generator) -> Tensor:
    """Multiply and shift each stain's optical density, one draw a crop (Tellez et al., 2018)."""
    stains = densities(crops)
    factor = 1 + scale * symmetric((len(crops), 3, 1, 1), generator)
    added = offset * symmetric((len(crops), 3, 1, 1), generator)
    return colors(stains * factor.to(crops) + added.to(crops))


def mix_stain(crops: Tensor, probability: float, generator: Generator) -> Tensor:
    """Move mean and spread of each stain's density towards another crop's, each a random part of the way."""
    stains = densities(crops)
    mean, spread = stains.mean((2, 3), keepdim=True), stains.std((2, 3), keepdim=True).clamp_min(1e-4)
    other, part = partners(len(crops), probability, generator)
    part = part.to(crops)
    new_mean, new_spread = mean.lerp(mean[other], part), spread.lerp(spread[other], part)
    return colors((stains - mean) / spread * new_spread + new_mean)


def partners(count: int, probability: float, generator: Generator) -> tuple[Tensor, Tensor]:
    """Another crop for each, and how far to go towards it, in 0..1: (n,) and (n, 1, 1, 1)."""
    other = torch.randperm(count, generator=generator)
    part = torch.rand(count, generator=generator) * coin(count, probability, generator)
    return other, part.view(-1, 1, 1, 1)
