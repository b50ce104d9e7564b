"""Several views of one crop: rotations and flips, whose outputs are averaged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from atypica.core.errors import SettingsError
from atypica.inference.classifier import Classifier, Outputs

VIEWS = (1, 8)
"""One view as it is, or the eight symmetries of the square."""


def turn(crops: NDArray[np.uint8], view: int) -> NDArray[np.uint8]:
    """View number 0 to 7 of (N, S, S, 3): `view % 4` quarter turns, then a flip from 4 on. View 0 is the crop."""
    turned = np.rot90(crops, view % 4, axes=(1, 2))
    return np.ascontiguousarray(turned[:, :, ::-1] if view >= 4 else turned)


def turn_back(maps: NDArray[np.float32], view: int) -> NDArray[np.float32]:
    """Undo `turn` on maps (N, h, w)."""
    straight = maps[:, :, ::-1] if view >= 4 else maps
    return np.rot90(straight, -(view % 4), axes=(1, 2))


def forward_views(
    classifier: Classifier, crops: NDArray[np.uint8], views: int, names: Sequence[str] | None = None
) -> Outputs:
    """The outputs averaged over `views` views; activation maps are turned back first.

    Args:
        classifier: what types a batch.
        crops: (N, S, S, 3).
        views: one of `VIEWS`.
        names: which outputs; None for all.

    Raises:
        SettingsError: another number of views.
    """
    if views not in VIEWS:
        raise SettingsError(f"{views} views are not possible", "choose 1 or 8")
    if views == 1:
        return classifier.forward(crops, names)
    every = [_straight(classifier.forward(turn(crops, view), names), view) for view in range(views)]
    return {name: np.stack([outputs[name] for outputs in every]).mean(axis=0) for name in every[0]}


def _straight(outputs: Outputs, view: int) -> Outputs:
    return outputs | {"cam": turn_back(outputs["cam"], view)} if "cam" in outputs else outputs
