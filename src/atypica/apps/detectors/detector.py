"""What a detector of mitotic figures is to atypica."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pandas as pd

COLUMNS = ("x_px", "y_px", "detection_score", "detection_class")
"""The table of detections: centers in pixels of level 0, the detector's own score (higher is surer) and class."""


@dataclass(frozen=True)
class DetectorOptions:
    """How a detector is run; None is the detector's own choice.

    Attributes:
        device: `cpu` or `cuda`.
        batch: patches at a time.
        weights: a file with the weights; downloaded by the detector's package if None.
        min_score: the least score that it gives out.
        detector_mpp: micrometers per pixel at which it looks at the slide.
        slide_mpp: of the slide, where its file does not say it.
    """

    device: str = "cpu"
    batch: int = 8
    weights: Path | None = None
    min_score: float | None = None
    detector_mpp: float | None = None
    slide_mpp: float | None = None


class Detector(Protocol):
    """Finds mitotic figures on a slide."""

    @property
    def name(self) -> str:
        """With the version of its package, for messages."""
        ...

    def detect(self, slide: Path) -> pd.DataFrame:
        """The detections on a slide, `COLUMNS`; no rows where there are none.

        Raises:
            DetectorError: it failed, or gave out what cannot be read.
        """
        ...
