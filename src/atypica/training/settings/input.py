"""What the network is given."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from atypica.core.settings import Settings


class InputSettings(Settings):
    """What the network is given beside the RGB crop, and how its colors are brought in line before.

    The field of view is a section of its own, `geometry`.
    """

    hed: bool = False
    """Three more channels: densities of hematoxylin, eosin and DAB (Ruifrok & Johnston 2001)."""
    inner_um: float = Field(default=0.0, ge=0)
    """Side of a second crop around the center, enlarged and read by the same backbone; 0 for none."""
    stain_normalization: Literal["none", "reinhard", "macenko"] = "none"
    """Bring every crop to the same colors, in training and at inference (`inference/stain`)."""
