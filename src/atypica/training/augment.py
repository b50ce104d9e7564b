"""Random changes of a whole batch of crops: place, stain, light, focus, noise. Seeded by a generator."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from atypica.inference.card import Geometry
from atypica.training.settings.augment import AugmentSettings

HED_FROM_RGB = torch.linalg.inv(
    torch.tensor([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]], dtype=torch.float32)
)
"""Optical density in RGB to density of hematoxylin, eosin, DAB (Ruifrok & Johnston 2001)."""
RGB_FROM_HED = torch.linalg.inv(HED_FROM_RGB)
_DARKEST = 1 / 255


class Augmentation:
    """Cuts the field of view out of larger crops at a random pose, and changes its look.

    Args:
        settings: the largest changes.
        kept: the field that the crops cover.
        seen: the field that the network sees.
    """

    def __init__(self, settings: AugmentSettings, kept: Geometry, seen: Geometry) -> None:
        self.settings = settings
        self.kept = kept
        self.seen = seen

    def __call__(self, crops: Tensor, generator: Generator) -> Tensor:
        """Bytes (n, 3, side, side) -> RGB in 0..1, (n, 3, S, S). The same generator state, the same result."""
        settings = self.settings
        seen = self._pose(crops.float() / 255, generator)
        if settings.stain or settings.stain_offset:
            seen = jitter_stain(seen, settings.stain, settings.stain_offset, generator)
        if settings.stain_mix:
            seen = mix_stain(seen, settings.stain_mix, generator)
        if settings.fourier_mix:
            seen = mix_fourier(seen, settings.fourier_mix, generator)
        if settings.brightness or settings.contrast:
            seen = jitter_light(seen, settings.brightness, settings.contrast, generator)
        if settings.blur_um and settings.blur_probability:
            seen = blur(seen, settings.blur_um / self.seen.mpp, settings.blur_probability, generator)
        if settings.noise:
            level = settings.noise * torch.rand(len(seen), 1, 1, 1, generator=generator)
            seen = seen + level.to(seen) * torch.randn(seen.shape, generator=generator).to(seen)
        return seen.clamp(0, 1)

    def _pose(self, crops: Tensor, generator: Generator) -> Tensor:
        settings, count = self.settings, len(crops)
        zoom = self.seen.field_um / self.kept.field_um * (1 + settings.scale * _symmetric((count,), generator))
        angle = math.pi * _symmetric((count,), generator) * settings.rotate
        mirror = _coin(count, 0.5, generator) if settings.flip else torch.zeros(count, dtype=torch.bool)
        side = torch.where(mirror, -1.0, 1.0)
        shift = 2 * settings.shift_um / self.kept.field_um * _symmetric((count, 2), generator)
        cosine, sine = zoom * angle.cos(), zoom * angle.sin()
        theta = torch.stack([cosine * side, -sine, shift[:, 0], sine * side, cosine, shift[:, 1]], 1).view(-1, 2, 3)
        size = self.seen.size_px
        grid = F.affine_grid(theta.to(crops), [count, 3, size, size], align_corners=False)
        return F.grid_sample(crops, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def jitter_stain(crops: Tensor, scale: float, offset: float, generator: Generator) -> Tensor:
    """Multiply and shift each stain's optical density, one draw a crop (Tellez et al., 2018)."""
    stains = _stains(crops)
    factor = 1 + scale * _symmetric((len(crops), 3, 1, 1), generator)
    added = offset * _symmetric((len(crops), 3, 1, 1), generator)
    return _colors(stains * factor.to(crops) + added.to(crops))


def mix_stain(crops: Tensor, probability: float, generator: Generator) -> Tensor:
    """Move mean and spread of each stain's density towards another crop's, each a random part of the way."""
    stains = _stains(crops)
    mean, spread = stains.mean((2, 3), keepdim=True), stains.std((2, 3), keepdim=True).clamp_min(1e-4)
    other, part = _partners(len(crops), probability, generator)
    part = part.to(crops)
    new_mean, new_spread = mean.lerp(mean[other], part), spread.lerp(spread[other], part)
    return _colors((stains - mean) / spread * new_spread + new_mean)


def mix_fourier(crops: Tensor, probability: float, generator: Generator) -> Tensor:
    """Move the amplitudes of each channel's Fourier transform towards another crop's; phases, so shapes, stay.

    Amplitude mix of Xu et al., "A Fourier-based framework for domain generalization", CVPR 2021.
    """
    spectrum = torch.fft.rfft2(crops)
    amplitude = spectrum.abs()
    other, part = _partners(len(crops), probability, generator)
    mixed = torch.polar(amplitude.lerp(amplitude[other], part.to(crops)), spectrum.angle())
    return torch.fft.irfft2(mixed, s=crops.shape[-2:]).clamp(0, 1)


def jitter_light(crops: Tensor, brightness: float, contrast: float, generator: Generator) -> Tensor:
    """Scale brightness, and contrast about the crop's mean, one draw a crop."""
    light = 1 + brightness * _symmetric((len(crops), 1, 1, 1), generator).to(crops)
    spread = 1 + contrast * _symmetric((len(crops), 1, 1, 1), generator).to(crops)
    mean = crops.mean(dim=(1, 2, 3), keepdim=True)
    return ((crops - mean) * spread + mean) * light


def blur(crops: Tensor, largest_sigma: float, probability: float, generator: Generator) -> Tensor:
    """Gaussian blur of a share of the crops, each with its own sigma in pixels up to `largest_sigma`."""
    count, size = len(crops), crops.shape[-1]
    sigma = largest_sigma * torch.rand(count, generator=generator) * _coin(count, probability, generator)
    radius = math.ceil(2.5 * largest_sigma)
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (offsets / sigma.clamp_min(1e-3)[:, None]) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).to(crops).repeat_interleave(3, 0)
    flat = F.pad(crops, (radius,) * 4, mode="reflect").view(1, count * 3, size + 2 * radius, size + 2 * radius)
    flat = F.conv2d(flat, kernel.view(-1, 1, 1, 2 * radius + 1), groups=count * 3)
    return F.conv2d(flat, kernel.view(-1, 1, 2 * radius + 1, 1), groups=count * 3).view(crops.shape)


def _stains(crops: Tensor) -> Tensor:
    return torch.einsum("nchw,cs->nshw", -torch.log10(crops.clamp_min(_DARKEST)), HED_FROM_RGB.to(crops))


def _colors(stains: Tensor) -> Tensor:
    return torch.pow(10.0, -torch.einsum("nshw,sc->nchw", stains, RGB_FROM_HED.to(stains))).clamp(0, 1)


def _partners(count: int, probability: float, generator: Generator) -> tuple[Tensor, Tensor]:
    """Another crop for each, and how far to go towards it, in 0..1: (n,) and (n, 1, 1, 1)."""
    other = torch.randperm(count, generator=generator)
    part = torch.rand(count, generator=generator) * _coin(count, probability, generator)
    return other, part.view(-1, 1, 1, 1)


def _symmetric(shape: tuple[int, ...], generator: Generator) -> Tensor:
    return 2 * torch.rand(shape, generator=generator) - 1


def _coin(count: int, probability: float, generator: Generator) -> Tensor:
    return torch.rand(count, generator=generator) < probability
