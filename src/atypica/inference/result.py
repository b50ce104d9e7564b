"""What `classify` gives back: the predictions, the cases, and what a report needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from atypica.core.errors import ExitCode, SettingsError
from atypica.core.tables import write_table
from atypica.data.figures import Figures
from atypica.inference.card import Card
from atypica.inference.cases import summarize_cases
from atypica.inference.classifier import Classifier
from atypica.inference.counting import SCORE, Limits
from atypica.inference.crops import CropSource
from atypica.inference.hotspot import HOTSPOT_MM2
from atypica.inference.pipeline import prepare
from atypica.inference.rate_by_cut import rate_by_cut
from atypica.inference.resolution import Resolution
from atypica.inference.slide_files import write_slide_geojson
from atypica.inference.slide_tables import slide_table, with_slides
from atypica.inference.slides import SlideFindings, find_slides
from atypica.inference.views import forward_views

TableFormat = Literal["csv", "parquet"]
EXPLAIN_BATCH = 16


@dataclass(frozen=True)
class Result:
    """Typed figures.

    Attributes:
        predictions: one row a figure, in the order of the source; see the documentation's "predictions".
        figures: the figure table that was typed.
        classifier: what typed them.
        notes: what was understood and assumed, as sentences.
        views: how many views of each crop were averaged.
        limits: which typed figures count.
        maps: the activation maps of all figures (n, h, w), if they were kept.
    """

    predictions: pd.DataFrame
    figures: Figures
    classifier: Classifier
    notes: tuple[str, ...]
    views: int
    crops: CropSource = field(repr=False)
    resolution: Resolution = field(repr=False)
    limits: Limits = field(default_factory=Limits)
    maps: NDArray[np.float32] | None = field(default=None, repr=False)

    @property
    def card(self) -> Card:
        """The card of the model."""
        return self.classifier.card

    @property
    def failed(self) -> int:
        """How many figures could not be typed."""
        return int(self.predictions["p_amf"].isna().sum())

    @property
    def exit_code(self) -> ExitCode:
        """All typed, some failed, or none typed."""
        if self.failed == len(self.predictions):
            return ExitCode.UNUSABLE_INPUT
        return ExitCode.SOME_FAILED if self.failed else ExitCode.OK

    def cases(self) -> pd.DataFrame:
        """The AMF rate of each case and of all together, with intervals; see `summarize_cases`."""
        listed = [slide.case for slide in self.figures.slides if slide.case is not None]
        return summarize_cases(self.predictions, self.card.thresholds, listed)

    def rate_by_cut(self) -> pd.DataFrame:
        """How the AMF rate and the number of figures move with the limits; see `rate_by_cut`."""
        return rate_by_cut(self.predictions, self.limits)

    def slides(self, hotspot_mm2: float = HOTSPOT_MM2) -> tuple[SlideFindings, ...]:
        """What is known of each slide that figures lie on: density over its tissue, hotspot; empty without slides.

        Opens every slide once, so keep what it gives.

        Args:
            hotspot_mm2: area of the hotspot in square millimeters.

        Raises:
            SettingsError: the area is not possible.
        """
        return find_slides(self.predictions, self.figures, self.resolution, hotspot_mm2)

    def explain(self, rows: list[int]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """The crops of some figures as the network saw them, and what moved it.

        Args:
            rows: positions in `predictions` of figures that were typed.

        Returns:
            Crops (n, S, S, 3) RGB, and class activation maps (n, h, w): positive pulls to AMF, the mean over a map
            plus a constant is the logit.

        Raises:
            FigureError: a figure cannot be read (any more).
        """
        parts = [self._explain(rows[start : start + EXPLAIN_BATCH]) for start in range(0, len(rows), EXPLAIN_BATCH)]
        self.crops.close()
        if not parts:
            return np.zeros((0, 1, 1, 3), dtype=np.uint8), np.zeros((0, 1, 1), dtype=np.float32)
        return np.concatenate([crops for crops, _ in parts]), np.concatenate([maps for _, maps in parts])

    def _explain(self, rows: list[int]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        crops = np.stack([prepare(self.classifier, self.crops, self.resolution, row).crop for row in rows])
        if self.maps is not None:
            return crops, self.maps[rows]
        return crops, forward_views(self.classifier, crops, self.views, ["cam"])["cam"]

    def write(
        self, out_dir: str | Path, table_format: TableFormat = "csv", slides: Sequence[SlideFindings] = ()
    ) -> tuple[Path, ...]:
        """Write the tables `predictions` and `cases`; where there are slides, also the table `slides` and the figures
        of each as GeoJSON for QuPath. Each file appears whole or not at all.

        With detection scores, or a limit that is set, also `rate_by_cut`.

        Args:
            out_dir: the folder; made if it is not there.
            table_format: `csv` or `parquet`.
            slides: of `Result.slides`.

        Returns:
            The files.

        Raises:
            OutputError: they cannot be written.
        """
        if table_format not in {"csv", "parquet"}:
            raise SettingsError(f"there is no table format '{table_format}'", "choose csv or parquet")
        tables = {"predictions": self.predictions, "cases": self.cases()}
        if slides:
            tables = {**tables, "cases": with_slides(tables["cases"], slides), "slides": slide_table(slides)}
        if SCORE in self.predictions or self.limits:
            tables["rate_by_cut"] = self.rate_by_cut()
        files = [write_table(table, Path(out_dir) / f"{n}.{table_format}") for n, table in tables.items()]
        if slides:
            files += write_slide_geojson(self.predictions, slides, Path(out_dir))
        return tuple(files)
