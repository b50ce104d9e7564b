"""Random changes of a training crop."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from atypica.core.settings import Settings

BlurKind = Literal["gaussian", "box", "motion", "median"]


class AugmentSettings(Settings):
    """Random changes of a training crop. Ranges are symmetric: each value is the largest change.

    A probability is the share of the crops that a family changes; each draws its own strength.
    """

    rotate: bool = True
    rotate_degrees: float = Field(default=180.0, gt=0, le=180)
    """Largest angle to either side, where `rotate` is on."""
    flip: bool = True
    """Left for right, half of the crops."""
    vertical_flip: float = Field(default=0.0, ge=0, le=1)
    """Probability of upside down."""
    transpose: float = Field(default=0.0, ge=0, le=1)
    """Probability of rows for columns."""
    scale: float = Field(default=0.0, ge=0, lt=0.5)
    """Relative; covers scanners of other mpp."""
    shift_um: float = Field(default=0.0, ge=0)
    affine_probability: float = Field(default=1.0, ge=0, le=1)
    """Of rotation, scale and shift together."""
    resized_crop: float = Field(default=1.0, gt=0, le=1)
    """Least area of a random part of the field, enlarged to the whole; 1 cuts nothing."""
    stain: float = Field(default=0.0, ge=0)
    """Relative change of each stain's density (HED, Ruifrok & Johnston 2001)."""
    stain_offset: float = Field(default=0.0, ge=0)
    """Density added to each stain."""
    stain_probability: float = Field(default=1.0, ge=0, le=1)
    brightness: float = Field(default=0.0, ge=0)
    contrast: float = Field(default=0.0, ge=0)
    saturation: float = Field(default=0.0, ge=0, le=1)
    hue: float = Field(default=0.0, ge=0, le=0.5)
    """Share of the color circle."""
    color_probability: float = Field(default=1.0, ge=0, le=1)
    """Of brightness, contrast, saturation and hue together."""
    blur_um: float = Field(default=0.0, ge=0)
    """Largest standard deviation of a blur."""
    blur_probability: float = Field(default=0.0, ge=0, le=1)
    blur_kinds: tuple[BlurKind, ...] = Field(default=("gaussian",), min_length=1)
    """One of these for each blurred crop; a box and a line are as wide as their standard deviation asks."""
    noise: float = Field(default=0.0, ge=0)
    """Largest standard deviation of Gaussian noise, for RGB in 0..1."""
    noise_probability: float = Field(default=1.0, ge=0, le=1)
    jpeg_quality: int = Field(default=50, ge=1, le=100)
    """The least; each crop that is compressed draws its own up to 100."""
    jpeg_probability: float = Field(default=0.0, ge=0, le=1)
    grid_dropout: float = Field(default=0.5, gt=0, lt=1)
    """Side of the blanked square over that of its cell; ten cells lie along a side."""
    grid_dropout_probability: float = Field(default=0.0, ge=0, le=1)
    stain_mix: float = Field(default=0.0, ge=0, le=1)
    """Share of the crops whose stains take on mean and spread of another crop's (part of the way)."""
    fourier_mix: float = Field(default=0.0, ge=0, le=1)
    """Share of the crops whose Fourier amplitudes take on another crop's (part of the way; FACT, CVPR 2021)."""
