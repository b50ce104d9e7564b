"""Style: amplitudes of the Fourier transform moved towards another crop's."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from atypica.training.augment.stain import partners


def mix_fourier(crops: Tensor, probability: float, generator: Generator) -> Tensor:
    """Move the amplitudes of each channel's Fourier transform towards another crop's; phases, so shapes, stay.

    Amplitude mix of Xu et al., "A Fourier-based framework for domain generalization", CVPR 2021.
    """
    spectrum = torch.fft.rfft2(crops)
    amplitude = spectrum.abs()
    other, part = partners(len(crops), probability, generator)
    mixed = torch.polar(amplitude.lerp(amplitude[other], part.to(crops)), spectrum.angle())
    return torch.fft.irfft2(mixed, s=crops.shape[-2:]).clamp(0, 1)
