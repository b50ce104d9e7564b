"""Color transfer of Reinhard et al., "Color transfer between images", IEEE CG&A 21(5), 2001."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from atypica.core.settings import Settings

Triple = tuple[float, float, float]
LMS_FROM_RGB = np.array([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]])
RGB_FROM_LMS = np.linalg.inv(LMS_FROM_RGB)
LAB_FROM_LOG_LMS = np.diag([1 / np.sqrt(3), 1 / np.sqrt(6), 1 / np.sqrt(2)]) @ np.array(
    [[1, 1, 1], [1, 1, -2], [1, -1, 0]]
)
LOG_LMS_FROM_LAB = np.linalg.inv(LAB_FROM_LOG_LMS)
_DARKEST = 1 / 255
LEAST_SPREAD = 1e-3
"""Of the lightness: below it a crop shows nothing."""


class Reinhard(Settings):
    """Mean and standard deviation of each channel of the l-alpha-beta space.

    The reference is the average over crops of AMi-Br's training split.
    """

    method: Literal["reinhard"] = "reinhard"
    mean: Triple = (-0.497, -0.068, 0.025)
    spread: Triple = (0.294, 0.054, 0.011)

    def normalize(self, crop: NDArray[np.uint8], center: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Give a crop (h, w, 3), whose colors are measured in its `center`, the reference's mean and spread."""
        measured = lab_from_rgb(center).reshape(-1, 3)
        mean, spread = measured.mean(axis=0), measured.std(axis=0)
        if spread[0] < LEAST_SPREAD:
            return crop
        scaled = (lab_from_rgb(crop) - mean) / np.maximum(spread, 1e-6)
        return rgb_from_lab(scaled * np.array(self.spread) + np.array(self.mean))


def lab_from_rgb(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """RGB bytes -> l-alpha-beta (Ruderman et al., 1998), same shape."""
    rgb = np.maximum(pixels / 255, _DARKEST)
    return np.log10(rgb @ LMS_FROM_RGB.T) @ LAB_FROM_LOG_LMS.T


def rgb_from_lab(lab: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The way back from `lab_from_rgb`; what no screen can show is clipped."""
    rgb = np.power(10.0, lab @ LOG_LMS_FROM_LAB.T) @ RGB_FROM_LMS.T
    return np.clip(np.rint(rgb * 255), 0, 255).astype(np.uint8)
