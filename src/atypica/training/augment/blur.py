"""Focus: Gaussian, box, motion and median blur, each crop by a kernel of its own.

The strength of every kind is a standard deviation: a box or a line of that spread, a median over such a box.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from atypica.training.augment.draws import coin

WIDTH = math.sqrt(12)
"""Width of a box over its standard deviation."""
LEAST_SIGMA = 1e-3


def blur(crops: Tensor, largest_sigma: float, probability: float, generator: Generator) -> Tensor:
    """Gaussian blur of a share of the crops, each with its own sigma in pixels up to `largest_sigma`."""
    sigma = largest_sigma * torch.rand(len(crops), generator=generator) * coin(len(crops), probability, generator)
    return _along_both(crops, _gaussian(sigma, math.ceil(2.5 * largest_sigma)))


def blur_somehow(
    crops: Tensor, kinds: Sequence[str], largest_sigma: float, probability: float, generator: Generator
) -> Tensor:
    """Blur a share of the crops, each by one of `kinds` (a key of `KINDS`) and with its own sigma."""
    sigma = largest_sigma * torch.rand(len(crops), generator=generator)
    angle = math.pi * torch.rand(len(crops), generator=generator)
    kind = torch.randint(len(kinds), (len(crops),), generator=generator)
    blurred = coin(len(crops), probability, generator)
    for index, name in enumerate(kinds):
        rows = (blurred & (kind == index)).nonzero()[:, 0]
        if len(rows):
            place = rows.to(crops.device)
            crops = crops.index_copy(0, place, KINDS[name](crops[place], sigma[rows], angle[rows]))
    return crops


def gaussian_blur(crops: Tensor, sigma: Tensor, _: Tensor) -> Tensor:
    """Blur each crop (n, 3, S, S) by its sigma (n,) in pixels."""
    return _along_both(crops, _gaussian(sigma, math.ceil(2.5 * float(sigma.max()))))


def box_blur(crops: Tensor, sigma: Tensor, _: Tensor) -> Tensor:
    """The mean over a square of width `WIDTH * sigma`, edge pixels in part."""
    half = _half_width(sigma)
    offsets = _offsets(math.ceil(float(half.max()) - 0.5))
    return _along_both(crops, (half[:, None] + 0.5 - offsets.abs()).clamp(0, 1))


def motion_blur(crops: Tensor, sigma: Tensor, angle: Tensor) -> Tensor:
    """The mean along a line of length `WIDTH * sigma` at an angle (n,) in radians."""
    half = _half_width(sigma)[:, None, None]
    offsets = _offsets(math.ceil(float(half.max()) - 0.5))
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    along = offsets[None, None, :] * cosine + offsets[None, :, None] * sine
    across = offsets[None, :, None] * cosine - offsets[None, None, :] * sine
    return _convolved(crops, (half + 0.5 - along.abs()).clamp(0, 1) * (1 - across.abs()).clamp(0, 1))


def median_blur(crops: Tensor, sigma: Tensor, _: Tensor) -> Tensor:
    """The median over a square of the odd width nearest to `WIDTH * sigma`, at least 3."""
    sides = [max(3, 2 * round((float(width) - 1) / 2) + 1) for width in WIDTH * sigma]
    return torch.stack([_median(crop, side) for crop, side in zip(crops, sides, strict=True)])


KINDS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "gaussian": gaussian_blur,
    "box": box_blur,
    "motion": motion_blur,
    "median": median_blur,
}


def _median(crop: Tensor, side: int) -> Tensor:
    padded = F.pad(crop[None], (side // 2,) * 4, mode="reflect")[0]
    windows = padded.unfold(1, side, 1).unfold(2, side, 1)
    return windows.flatten(3).median(3).values


def _half_width(sigma: Tensor) -> Tensor:
    """Never less than the pixel itself."""
    return (WIDTH * sigma / 2).clamp_min(0.5)


def _offsets(radius: int) -> Tensor:
    return torch.arange(-radius, radius + 1, dtype=torch.float32)


def _gaussian(sigma: Tensor, radius: int) -> Tensor:
    return torch.exp(-0.5 * (_offsets(radius) / sigma.clamp_min(LEAST_SIGMA)[:, None]) ** 2)


def _along_both(crops: Tensor, kernel: Tensor) -> Tensor:
    """Convolve each crop (n, 3, S, S) with its own row of `kernel` (n, k), along both sides."""
    count, size, radius = len(crops), crops.shape[-1], kernel.shape[1] // 2
    kernel = (kernel / kernel.sum(1, keepdim=True)).to(crops).repeat_interleave(3, 0)
    flat = F.pad(crops, (radius,) * 4, mode="reflect").view(1, count * 3, size + 2 * radius, size + 2 * radius)
    flat = F.conv2d(flat, kernel.view(-1, 1, 1, 2 * radius + 1), groups=count * 3)
    return F.conv2d(flat, kernel.view(-1, 1, 2 * radius + 1, 1), groups=count * 3).view(crops.shape)


def _convolved(crops: Tensor, kernel: Tensor) -> Tensor:
    """Convolve each crop (n, 3, S, S) with its own square of `kernel` (n, k, k)."""
    count, size, radius = len(crops), crops.shape[-1], kernel.shape[1] // 2
    kernel = (kernel / kernel.sum((1, 2), keepdim=True)).to(crops).repeat_interleave(3, 0)
    flat = F.pad(crops, (radius,) * 4, mode="reflect").view(1, count * 3, size + 2 * radius, size + 2 * radius)
    return F.conv2d(flat, kernel[:, None], groups=count * 3).view(crops.shape)
