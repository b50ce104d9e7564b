"""Stain and scanner: from amounts of dye to the pixels that a slide scanner writes."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from atypica.data.drawn.grid import Field

Color = tuple[float, float, float]
Picture = NDArray[np.uint8]
"""Shape (size, size, 3), RGB."""


@dataclass(frozen=True)
class Stain:
    """How a laboratory's hematoxylin and eosin absorb red, green and blue light.

    Attributes:
        hematoxylin: optical density (natural log) of one unit of the dye in R, G, B.
        eosin: the same for eosin.
        hematoxylin_strength: multiplies every amount of hematoxylin; 1 is usual.
        eosin_strength: multiplies every amount of eosin; 1 is usual.
    """

    hematoxylin: Color
    eosin: Color
    hematoxylin_strength: float = 1.0
    eosin_strength: float = 1.0


STAINS = {
    "violet": Stain((0.58, 0.75, 0.29), (0.21, 0.94, 0.24), 1.0, 1.0),
    "rose": Stain((0.55, 0.72, 0.42), (0.20, 0.76, 0.60), 0.95, 0.85),
    "magenta": Stain((0.47, 0.81, 0.35), (0.18, 0.89, 0.40), 1.05, 0.90),
    "blue": Stain((0.69, 0.65, 0.31), (0.26, 0.94, 0.20), 0.90, 0.80),
    "brown": Stain((0.54, 0.74, 0.40), (0.16, 0.79, 0.59), 1.10, 1.15),
    "deep": Stain((0.56, 0.75, 0.37), (0.27, 0.92, 0.24), 1.10, 1.20),
}
"""Looks of H&E as they differ among laboratories."""


@dataclass(frozen=True)
class Scanner:
    """What a slide scanner does to the light.

    Attributes:
        name: as in the column `scanner`.
        mpp: micrometers per pixel.
        blur: Gaussian sigma of the optics, micrometers.
        sharpening: share of the fine detail that is added again.
        noise: standard deviation in gray levels.
        white: R, G, B of empty glass.
        quality: of the JPEG tiles.
    """

    name: str
    mpp: float = 0.25
    blur: float = 0.24
    sharpening: float = 0.4
    noise: float = 2.0
    white: Color = (252.0, 246.0, 250.0)
    quality: int = 85


SCANNERS = (
    Scanner("drawn scanner A", 0.25, 0.20, 0.6, 2.0, (255.0, 247.0, 251.0), 85),
    Scanner("drawn scanner B", 0.23, 0.24, 0.4, 1.5, (248.0, 236.0, 247.0), 80),
    Scanner("drawn scanner C", 0.25, 0.18, 0.8, 3.0, (253.0, 246.0, 248.0), 75),
    Scanner("drawn scanner D", 0.26, 0.26, 0.4, 2.5, (246.0, 233.0, 246.0), 90),
)


def random_stain(rng: np.random.Generator) -> Stain:
    """One of `STAINS`, varied a little in color and strength."""
    return vary(list(STAINS.values())[rng.integers(len(STAINS))], rng)


def vary(stain: Stain, rng: np.random.Generator, amount: float = 1.0) -> Stain:
    """The stain of another batch of the same laboratory."""
    colors = [np.clip(np.array(c) + amount * rng.normal(0, 0.02, 3), 0.05, 1) for c in (stain.hematoxylin, stain.eosin)]
    hematoxylin, eosin = ((float(r), float(g), float(b)) for r, g, b in colors)
    strength = np.exp(amount * rng.normal(0, (0.1, 0.22)))
    return Stain(
        hematoxylin,
        eosin,
        float(stain.hematoxylin_strength * strength[0]),
        float(stain.eosin_strength * strength[1]),
    )


def transmit(hematoxylin: Field, eosin: Field, stain: Stain) -> NDArray[np.float32]:
    """Light that passes through the dyes (Beer-Lambert): exp(-sum of amount x absorbance).

    Args:
        hematoxylin: amounts, shape (size, size).
        eosin: amounts, shape (size, size).
        stain: the absorbances.

    Returns:
        Transmitted share in R, G, B, shape (size, size, 3).
    """
    absorb_h = np.array(stain.hematoxylin, dtype=np.float32) * np.float32(stain.hematoxylin_strength)
    absorb_e = np.array(stain.eosin, dtype=np.float32) * np.float32(stain.eosin_strength)
    return np.exp(-(hematoxylin[..., None] * absorb_h + eosin[..., None] * absorb_e))


def scan(
    light: NDArray[np.float32], scanner: Scanner, rng: np.random.Generator, mpp: float, defocus: float = 0.0
) -> Picture:
    """Photograph transmitted light: optics, sensor noise, sharpening, white balance, JPEG.

    Args:
        light: shape (size, size, 3), 0 to 1.
        scanner: the device; its own `mpp` is not used.
        rng: for the sensor noise.
        mpp: micrometers per pixel of `light`.
        defocus: additional blur, Gaussian sigma in micrometers.

    Returns:
        Shape (size, size, 3), RGB.
    """
    sigma = float(np.hypot(scanner.blur, defocus)) / mpp
    sharp = gaussian_filter(light, (sigma, sigma, 0), mode="nearest", truncate=2.5)
    seen = sharp * np.array(scanner.white, dtype=np.float32)
    grain = rng.standard_normal((*light.shape[:2], 1), dtype=np.float32) * np.float32(scanner.noise)
    gray = (seen[..., :1] + seen[..., 1:2] + seen[..., 2:]) / np.float32(3)
    detail = gray - gaussian_filter(gray, (0.4 / mpp, 0.4 / mpp, 0), mode="nearest", truncate=2.5)
    seen += grain + np.float32(scanner.sharpening) * detail
    return _jpeg(np.clip(seen, 0, 255).astype(np.uint8), scanner.quality)


def _jpeg(picture: Picture, quality: int) -> Picture:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    return np.array(Image.open(buffer))
