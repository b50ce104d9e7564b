"""Stain normalization of Macenko et al., "A method for normalizing histology slides", ISBI 2009."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from atypica.core.settings import Settings

Triple = tuple[float, float, float]
Stains = NDArray[np.float64]
"""(2, 3): unit vectors of optical density in RGB, of hematoxylin and eosin."""
BETA = 0.15
"""Optical density below which a pixel is taken as not stained."""
ALPHA = 1.0
"""Percent of the angles left out on either side."""
STRONG = 99.0
"""Percentile of a density that is matched."""
LEAST_STAINED = 0.01
"""Share of the pixels."""
LEAST_ANGLE = 0.05
"""Radians between the two stains: below it there is only one."""
_DARKEST = 1 / 255


class Macenko(Settings):
    """Unit vectors of the two stains' optical density in RGB, and a strong density (99th percentile) of each.

    The reference is the average over crops of AMi-Br's training split.
    """

    method: Literal["macenko"] = "macenko"
    hematoxylin: Triple = (0.546, 0.753, 0.367)
    eosin: Triple = (0.158, 0.862, 0.482)
    strong: tuple[float, float] = (1.316, 0.497)

    def normalize(self, crop: NDArray[np.uint8], center: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Give a crop (h, w, 3), whose stains are measured in its `center`, the reference's stains."""
        measured = density(center).reshape(-1, 3)
        stains = stain_vectors(measured)
        if stains is None:
            return crop
        strong = np.percentile(amounts(measured, stains), STRONG, axis=0)
        if strong.min() <= 0:
            return crop
        scaled = amounts(density(crop), stains) * (np.array(self.strong) / strong)
        light = np.power(10.0, -(scaled @ np.array([self.hematoxylin, self.eosin])))
        return np.clip(np.rint(light * 255), 0, 255).astype(np.uint8)


def density(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """RGB bytes -> optical density (decadic), same shape."""
    return -np.log10(np.maximum(pixels / 255, _DARKEST))


def stain_vectors(densities: NDArray[np.float64]) -> Stains | None:
    """The two stains that explain densities (n, 3); None where too little is stained, or by one stain alone."""
    stained = densities[np.linalg.norm(densities, axis=1) >= BETA]
    if len(stained) < max(2, LEAST_STAINED * len(densities)):
        return None
    axes = np.linalg.eigh(np.cov(stained, rowvar=False))[1][:, :0:-1]
    axes = axes * np.where(axes.sum(axis=0) < 0, -1.0, 1.0)
    angles = np.arctan2(*(stained @ axes).T[::-1])
    extremes = np.percentile(angles, [ALPHA, 100 - ALPHA])
    if extremes[1] - extremes[0] < LEAST_ANGLE:
        return None
    vectors = np.stack([np.cos(extremes), np.sin(extremes)], axis=1) @ axes.T
    # Hematoxylin absorbs more red than eosin does.
    return vectors[np.argsort(-vectors[:, 0])]


def amounts(densities: NDArray[np.float64], stains: Stains) -> NDArray[np.float64]:
    """How much of each stain explains densities (..., 3) best (least squares): (..., 2)."""
    return densities @ np.linalg.pinv(stains)
