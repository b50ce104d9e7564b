"""Where a slide has tissue, from its thumbnail: what densities are over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

THUMBNAIL_PX = 1024
"""Longer side of the thumbnail that tissue is looked for on."""
BINS = 256
FAINTEST, PALEST = 0.03, 0.10
"""The threshold of saturation is kept between these. A lower one would take the noise of white glass for tissue; a
higher one, as Otsu finds on a region full of tissue, would part strong stain from weak stain."""
SMOOTH_PX = 1.0
"""Standard deviation of the smoothing before the threshold, in pixels of the thumbnail."""
CLOSED_UM = 10.0
"""Gaps narrower than twice this count as tissue: clefts, capillaries, the white between fibers."""
SMALLEST_MM2 = 0.005
"""Smaller pieces are dirt."""


@dataclass(frozen=True)
class Tissue:
    """The tissue of a slide.

    Attributes:
        mask: where on the thumbnail, (height, width).
        mm2: its area; None where the resolution is unknown or there is none.
        reason: why there is no area; empty where there is.
    """

    mask: NDArray[np.bool_]
    mm2: float | None
    reason: str = ""

    def share(self, left: float, top: float, width: float, height: float, size: tuple[int, int]) -> float:
        """How much of a rectangle on the slide is tissue, 0 to 1.

        Args:
            left, top, width, height: in level-0 pixels.
            size: of the slide, in level-0 pixels.
        """
        rows, columns = self.mask.shape
        x, y = columns / size[0], rows / size[1]
        part = self.mask[
            int(top * y) : max(int(np.ceil((top + height) * y)), int(top * y) + 1),
            int(left * x) : max(int(np.ceil((left + width) * x)), int(left * x) + 1),
        ]
        return float(part.mean()) if part.size else 0.0


def find_tissue(thumbnail: NDArray[np.uint8], size: tuple[int, int], mpp: float | None) -> Tissue:
    """The stained part of a slide, by Otsu's threshold on the saturation of its thumbnail.

    H&E is colored, glass and light are not: saturation (of HSV: 1 - min / max of RGB) parts them whatever the
    brightness of the lamp, and black borders or felt-pen count as glass (as in CLAM: Lu et al., Nature Biomedical
    Engineering 2021). Otsu's threshold (IEEE Transactions on Systems, Man, and Cybernetics 1979) is kept between
    `FAINTEST` and `PALEST`. Colored pen, ink and dirt are taken for tissue; fat and other unstained tissue for glass.

    Args:
        thumbnail: the whole slide, (height, width, 3) RGB.
        size: width and height of the slide in level-0 pixels.
        mpp: micrometers per pixel of level 0, if known. Gaps and dirt are judged by it; without it they stay.
    """
    smooth = ndimage.gaussian_filter(thumbnail.astype(np.float32), (SMOOTH_PX, SMOOTH_PX, 0))
    colored = saturation(np.asarray(smooth, dtype=np.float32))
    mask = colored > np.clip(otsu(colored), FAINTEST, PALEST)
    if mpp is None:
        return Tissue(mask, None, "the micrometers per pixel are not known")
    pixel_mm2 = (size[0] * mpp / 1000) * (size[1] * mpp / 1000) / mask.size
    mask = _tidied(mask, pixel_mm2)
    if not mask.any():
        return Tissue(mask, None, "no tissue was found on the thumbnail")
    return Tissue(mask, float(mask.sum() * pixel_mm2))


def saturation(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    """Saturation of HSV, (height, width), 0 to 1; black is 0.

    Args:
        rgb: (height, width, 3), 0 to 255.
    """
    high, low = rgb.max(axis=2), rgb.min(axis=2)
    return np.where(high > 0, (high - low) / np.maximum(high, 1e-6), 0).astype(np.float32)


def otsu(values: NDArray[np.float32]) -> float:
    """The threshold that parts values (0 to 1) into two classes with the greatest variance between them.

    >>> bool(0.2 < otsu(np.array([0.1, 0.1, 0.2, 0.8, 0.9], dtype=np.float32)) < 0.8)
    True
    """
    counts, edges = np.histogram(values, BINS, (0, 1))
    centers = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * centers)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    best = np.nan_to_num(between)
    # Between two far classes the variance is the same all the way: the middle of that stretch.
    return float(edges[1:][best >= best.max() * (1 - 1e-9)].mean())


def _tidied(mask: NDArray[np.bool_], pixel_mm2: float) -> NDArray[np.bool_]:
    reach = CLOSED_UM / 1000 / pixel_mm2**0.5
    if mask.any() and reach >= 1:
        # A closing by a disk: grown by the reach, then shrunk by it.
        grown = ndimage.distance_transform_edt(~mask) <= reach
        mask = grown if grown.all() else ndimage.distance_transform_edt(grown) > reach
    labels = np.zeros(mask.shape, dtype=np.int32)
    ndimage.label(mask, output=labels)
    areas = np.bincount(labels.reshape(-1)) * pixel_mm2
    areas[0] = 0
    return (areas >= SMALLEST_MM2)[labels]
