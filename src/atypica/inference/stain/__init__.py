"""Stain normalization: every crop brought to the colors of one reference, the same in training and at inference."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from atypica.inference.stain.macenko import Macenko
from atypica.inference.stain.reinhard import Reinhard

MEASURED_UM = 32.0
"""Side of the center in which a crop's own colors are measured, so that larger crops give the same result."""
StainReference = Annotated[Reinhard | Macenko, Field(discriminator="method")]
REFERENCES: dict[str, Reinhard | Macenko] = {"reinhard": Reinhard(), "macenko": Macenko()}
"""The methods by name, with their standard reference."""


def normalize_stain(crop: NDArray[np.uint8], mpp: float, reference: Reinhard | Macenko) -> NDArray[np.uint8]:
    """Bring a crop to the colors of a reference.

    Args:
        crop: (height, width, 3) RGB.
        mpp: its micrometers per pixel.
        reference: method and colors.

    Returns:
        (height, width, 3); the crop as it is where too little of it is stained to measure.
    """
    side = max(1, round(MEASURED_UM / mpp))
    top, left = (max(0, (length - side) // 2) for length in crop.shape[:2])
    return reference.normalize(crop, crop[top : top + side, left : left + side])
