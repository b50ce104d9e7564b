"""Random changes of a training crop."""

from __future__ import annotations

from pydantic import Field

from atypica.core.settings import Settings


class AugmentSettings(Settings):
    """Random changes of a training crop. Ranges are symmetric: each value is the largest change."""

    rotate: bool = True
    flip: bool = True
    scale: float = Field(default=0.0, ge=0, lt=0.5)
    """Relative; covers scanners of other mpp."""
    shift_um: float = Field(default=0.0, ge=0)
    stain: float = Field(default=0.0, ge=0)
    """Relative change of each stain's density (HED, Ruifrok & Johnston 2001)."""
    stain_offset: float = Field(default=0.0, ge=0)
    """Density added to each stain."""
    brightness: float = Field(default=0.0, ge=0)
    contrast: float = Field(default=0.0, ge=0)
    blur_um: float = Field(default=0.0, ge=0)
    """Largest standard deviation of a Gaussian blur."""
    blur_probability: float = Field(default=0.0, ge=0, le=1)
    noise: float = Field(default=0.0, ge=0)
    """Largest standard deviation of Gaussian noise, for RGB in 0..1."""
    stain_mix: float = Field(default=0.0, ge=0, le=1)
    """Share of the crops whose stains take on mean and spread of another crop's (part of the way)."""
    fourier_mix: float = Field(default=0.0, ge=0, le=1)
    """Share of the crops whose Fourier amplitudes take on another crop's (part of the way; FACT, CVPR 2021)."""
