"""The work of a batch: decode, resample, type; a figure that fails becomes its row's error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from atypica.core.errors import FigureError
from atypica.inference.crops import CropSource
from atypica.inference.model import Model
from atypica.inference.pipeline import Prepared, one_line, prepare
from atypica.inference.predictions import needed, typed_columns
from atypica.inference.resolution import Resolution
from atypica.inference.views import forward_views

Row = dict[str, Any]
"""What became of a figure: prediction columns by name, or `error` alone."""


@dataclass(frozen=True)
class Job:
    """One figure of a request.

    Attributes:
        crops: where the request's pixels are.
        row: the figure among them.
        resolution: knows its micrometers per pixel.
        threshold: p_amf from which it is AMF.
    """

    crops: CropSource
    row: int
    resolution: Resolution
    threshold: float


class Typist:
    """Types batches whose figures may come from several requests; called from several threads.

    Args:
        model: the model.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._classifier = model.classifier
        self._names = needed(model.card)

    def __call__(self, jobs: Sequence[Job], views: int) -> list[Row]:
        """The row of each job, in order."""
        found = [self._prepare(job) for job in jobs]
        good = [(job, part) for job, part in zip(jobs, found, strict=True) if isinstance(part, Prepared)]
        typed = iter(self._type(good, views))
        return [next(typed) if isinstance(part, Prepared) else {"error": part} for part in found]

    def _prepare(self, job: Job) -> Prepared | str:
        hashed = self._model.trained_on is not None
        try:
            return prepare(self._classifier, job.crops, job.resolution, job.row, hashed=hashed)
        except FigureError as error:
            return one_line(error)

    def _type(self, good: Sequence[tuple[Job, Prepared]], views: int) -> list[Row]:
        if not good:
            return []
        outputs = forward_views(self._classifier, np.stack([part.crop for _, part in good]), views, self._names)
        thresholds = np.array([job.threshold for job, _ in good])
        columns = {name: list(values) for name, values in typed_columns(outputs, self._model.card, thresholds).items()}
        rows = [{name: _plain(values[at]) for name, values in columns.items()} for at in range(len(good))]
        return [row | self._known(part) for row, (_, part) in zip(rows, good, strict=True)]

    def _known(self, part: Prepared) -> Row:
        trained_on = self._model.trained_on
        in_training = None if trained_on is None else part.hash in trained_on
        return {"mpp": part.mpp, "mpp_origin": part.origin.value, "in_training": in_training, "error": None}


def _plain(value: Any) -> Any:
    """A value of a column as JSON knows it; what is missing is None."""
    if value is None or pd.isna(value):
        return None
    return value.item() if isinstance(value, np.generic) else value
