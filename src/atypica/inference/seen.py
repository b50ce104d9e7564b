"""Crops of a source as a network sees them, some of them drawn by lot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atypica.core.errors import FigureError, SourceError
from atypica.core.progress import ProgressBar
from atypica.data.figures import Figures
from atypica.data.readers import MAX_PIXELS
from atypica.inference.classifier import Classifier
from atypica.inference.crop_sources import crops_for
from atypica.inference.pipeline import prepare
from atypica.inference.resolution import Resolution


@dataclass(frozen=True)
class SeenCrops:
    """What a network sees of some figures.

    Attributes:
        crops: (n, S, S, 3) RGB at the field of view, in the order of the lot.
        rows: (n,), the rows of their figures.
        failed: figures that could not be read; others were taken in their place.
    """

    crops: NDArray[np.uint8]
    rows: NDArray[np.int64]
    failed: int


def draw_crops(
    classifier: Classifier, figures: Figures, count: int, *, seed: int = 0, mpp: float | None = None
) -> SeenCrops:
    """Up to `count` figures of a source by lot, brought to the field of view as for typing.

    Args:
        classifier: whose field of view and colors they are brought to.
        figures: the source.
        count: how many at most.
        seed: of the lot.
        mpp: micrometers per pixel of figures whose table does not say it.

    Raises:
        SourceError: none of them can be read.
    """
    resolution = Resolution(figures, mpp)
    source = crops_for(figures, resolution, classifier.card, MAX_PIXELS)
    wanted = min(count, len(figures))
    crops: dict[int, NDArray[np.uint8]] = {}
    errors: list[str] = []
    with ProgressBar("reading crops", wanted) as bar:
        for row in np.random.default_rng(seed).permutation(len(figures)).tolist():
            if len(crops) == wanted:
                break
            try:
                crops[row] = prepare(classifier, source, resolution, row).crop
                bar.advance()
            except FigureError as error:
                errors.append(error.message)
    source.close()
    if not crops:
        why = errors[0] if errors else "there is none"
        raise SourceError(f"no figure of {figures.name} can be read: {why}", "mend the table, or take other figures")
    return SeenCrops(np.stack(list(crops.values())), np.array(list(crops), dtype=np.int64), len(errors))
