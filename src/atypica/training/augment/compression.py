"""Compression: crops written as JPEG and read again, on the CPU."""

from __future__ import annotations

import imagecodecs
import numpy as np
import torch
from torch import Generator, Tensor


def compress(crops: Tensor, least_quality: int, generator: Generator) -> Tensor:
    """Write and read each crop as JPEG (colors at half resolution), its quality uniform in `least_quality`..100."""
    quality = torch.randint(least_quality, 101, (len(crops),), generator=generator).tolist()
    pixels = (crops.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()
    written = [_through_jpeg(crop, level) for crop, level in zip(pixels, quality, strict=True)]
    return torch.from_numpy(np.stack(written)).permute(0, 3, 1, 2).to(crops) / 255


def _through_jpeg(crop: np.ndarray, quality: int) -> np.ndarray:
    return imagecodecs.jpeg8_decode(imagecodecs.jpeg8_encode(crop, level=quality, subsampling="420"))
