"""Types parts, one after the other, with a model that is loaded once."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from atypica.core.errors import BundleError, OutputError
from atypica.data.figures import Figures
from atypica.inference.classifier import DEVICE
from atypica.inference.counting import SCORE
from atypica.inference.crops import EncodedCrops
from atypica.inference.model import Asked, Model, load_model
from atypica.inference.parts.file import PartRecord, write_part
from atypica.inference.parts.part import Part
from atypica.inference.resolution_tally import ResolutionTally


@dataclass(frozen=True)
class MakePartWorker:
    """Loads the model where the work is done. Travels there by pickle.

    Attributes:
        bundle: its path there.
        sha256: of its graph.
        asked: what the predictions depend on.
        threads: of a worker.
        batch: figures a batch.
        folder: where the parts go; every worker must see it.
        device: of ATYPICA_DEVICE where the run was started.
    """

    bundle: Path
    sha256: str
    asked: Asked
    threads: int
    batch: int
    folder: Path
    device: str

    def __call__(self) -> PartWorker:
        """A worker for this process.

        Raises:
            BundleError: there is another model at that path than where the run was started.
            OutputError: the folder is not to be seen from here.
        """
        os.environ[DEVICE] = self.device
        model = load_model(self.bundle)
        if model.card.onnx_sha256 != self.sha256:
            raise BundleError(f"{self.bundle} is another model here than where the run was started", "copy it here")
        if not self.folder.is_dir():
            raise OutputError(f"a worker does not see the folder {self.folder}", "choose --out on a shared disk")
        return PartWorker(model, self)


class PartWorker:
    """Types a part and writes its file.

    Args:
        model: the model.
        made_by: with what is asked of it.
    """

    def __init__(self, model: Model, made_by: MakePartWorker) -> None:
        self._model, self._made_by = model, made_by

    def __call__(self, part: Part) -> None:
        """Type one part.

        Raises:
            SourceError: its figures cannot be read.
            OutputError: it cannot be written.
        """
        given, tables, resolutions = self._made_by, list[pd.DataFrame](), ResolutionTally()
        for rows, images in part.rows.read():
            figures = _with_scores(rows) if given.asked.limits.min_detection_score is not None else rows
            crops = None if images is None else EncodedCrops(figures, images, given.asked.max_pixels)
            typed = self._model.type_figures(
                figures, given.asked, crops, threads=given.threads, batch=given.batch, title=None
            )
            tables.append(typed.predictions)
            resolutions.add(typed.resolutions)
        write_part(tables, PartRecord(part.identity, resolutions), given.folder / f"{part.name}.parquet")


def _with_scores(figures: Figures) -> Figures:
    """Figures with the column that a limit is set on; a shard without it has figures that nobody doubted."""
    return figures if SCORE in figures.table else replace(figures, table=figures.table.assign(**{SCORE: np.nan}))
