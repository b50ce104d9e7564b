"""Place: turned, mirrored, zoomed, shifted, and cut at random; all in one resampling."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from atypica.inference.card import Geometry
from atypica.training.augment.draws import coin, symmetric
from atypica.training.settings.augment import AugmentSettings

ASPECT = 4 / 3
"""Largest ratio of the sides of a random resized crop, as torchvision has it."""


def pose(crops: Tensor, settings: AugmentSettings, kept: Geometry, seen: Geometry, generator: Generator) -> Tensor:
    """Cut the field of view out of larger crops at a random pose.

    Args:
        crops: RGB in 0..1, (n, 3, side, side), of the field `kept`.
        settings: the largest changes.
        kept, seen: what the crops cover, and what comes out.
        generator: of the draws.

    Returns:
        (n, 3, S, S); beyond the crops' edge they are mirrored.
    """
    theta = _affine(len(crops), settings, kept, seen, generator)
    if settings.vertical_flip or settings.transpose:
        theta = _mirrored(theta, settings, generator)
    if settings.resized_crop < 1:
        theta = _resized_crop(theta, settings.resized_crop, generator)
    grid = F.affine_grid(theta.to(crops), [len(crops), 3, seen.size_px, seen.size_px], align_corners=False)
    return F.grid_sample(crops, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _affine(count: int, settings: AugmentSettings, kept: Geometry, seen: Geometry, generator: Generator) -> Tensor:
    """From places of what is seen to places of what is kept, both in -1..1: (n, 2, 3)."""
    change = settings.scale * symmetric((count,), generator)
    turn = math.pi * symmetric((count,), generator) * settings.rotate
    mirror = coin(count, 0.5, generator) if settings.flip else torch.zeros(count, dtype=torch.bool)
    shift = 2 * settings.shift_um / kept.field_um * symmetric((count, 2), generator)
    if settings.rotate_degrees < 180:
        turn = turn * (settings.rotate_degrees / 180)
    if settings.affine_probability < 1:
        moved = coin(count, settings.affine_probability, generator)
        change, turn, shift = change * moved, turn * moved, shift * moved[:, None]
    zoom = seen.field_um / kept.field_um * (1 + change)
    side = torch.where(mirror, -1.0, 1.0)
    cosine, sine = zoom * turn.cos(), zoom * turn.sin()
    return torch.stack([cosine * side, -sine, shift[:, 0], sine * side, cosine, shift[:, 1]], 1).view(-1, 2, 3)


def _mirrored(theta: Tensor, settings: AugmentSettings, generator: Generator) -> Tensor:
    """Upside down, and rows as columns: what comes out is mirrored, so the columns of the matrix are."""
    upside = coin(len(theta), settings.vertical_flip, generator)
    turned = coin(len(theta), settings.transpose, generator)
    x, y, shift = theta.unbind(2)
    y = torch.where(upside[:, None], -y, y)
    swapped = torch.where(turned[:, None, None], torch.stack([y, x], 2), torch.stack([x, y], 2))
    return torch.cat([swapped, shift[:, :, None]], 2)


def _resized_crop(theta: Tensor, least: float, generator: Generator) -> Tensor:
    """A random part of the field: area uniform in `least`..1, ratio of the sides log-uniform (Szegedy et al., 2015)."""
    area = least + (1 - least) * torch.rand(len(theta), generator=generator)
    ratio = torch.exp(math.log(ASPECT) * symmetric((len(theta),), generator))
    size = torch.stack([(area * ratio).sqrt(), (area / ratio).sqrt()], 1).clamp_max(1)
    center = (1 - size) * symmetric((len(theta), 2), generator)
    linear, shift = theta[:, :, :2], theta[:, :, 2]
    moved = shift + torch.einsum("nij,nj->ni", linear, center)
    return torch.cat([linear * size[:, None, :], moved[:, :, None]], 2)
