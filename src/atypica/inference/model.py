"""A loaded model: the Python API's front door."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from atypica.core.errors import SettingsError
from atypica.core.machine import default_threads
from atypica.data.detections import Boxes, Units
from atypica.data.figures import Figures
from atypica.data.readers import MAX_PIXELS
from atypica.data.sources import Reading
from atypica.inference.bundle import DEFAULT_BUNDLE, Bundle, read_bundle
from atypica.inference.card import Card
from atypica.inference.classifier import Classifier
from atypica.inference.counting import LeftOut, Limits, leave_out
from atypica.inference.crop_sources import crops_for
from atypica.inference.crops import CropSource
from atypica.inference.engines import open_classifier
from atypica.inference.intake import Source, take
from atypica.inference.pipeline import BATCH, Plan, run
from atypica.inference.predictions import tabulate
from atypica.inference.resolution import Resolution
from atypica.inference.resolution_tally import ResolutionTally
from atypica.inference.result import Result

MAPS = 10_000
"""Of at most as many figures the activation maps are kept (100 bytes a figure with the shipped model), so that the
report's gallery need not type its figures again."""


@dataclass(frozen=True)
class Asked:
    """What is asked of a model besides the figures; with the same, each figure's row is the same wherever it is typed.

    Attributes:
        threshold: p_amf from which a figure is AMF.
        mpp: micrometers per pixel of figures that do not say it.
        views: of each crop.
        limits: which typed figures count.
        max_pixels: a larger image is refused undecoded.
    """

    threshold: float
    mpp: float | None = None
    views: int = 1
    limits: Limits = field(default_factory=Limits)
    max_pixels: int = MAX_PIXELS


class Typed(NamedTuple):
    """Figures that were typed: their predictions, where their pixels came from, and at which resolutions; their
    activation maps (n, h, w), NaN for one that failed, if they were asked for.
    """

    predictions: pd.DataFrame
    crops: CropSource
    resolution: Resolution
    resolutions: ResolutionTally
    maps: NDArray[np.float32] | None = None


class Model:
    """Types mitotic figures.

    Args:
        bundle: a verified bundle.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    @property
    def card(self) -> Card:
        """What the model is, what it was trained on, how good it is."""
        return self._bundle.card

    @property
    def path(self) -> Path:
        """The folder or zip file of its bundle."""
        return self._bundle.path

    @property
    def trained_on(self) -> frozenset[str] | None:
        """The hashes of its training figures; None where the bundle does not say."""
        return self._bundle.trained_on

    @cached_property
    def classifier(self) -> Classifier:
        """The network itself."""
        return open_classifier(self._bundle)

    def classify(
        self,
        source: Source,
        *,
        mpp: float | None = None,
        views: int = 1,
        threshold: float | str | None = None,
        threads: int | None = None,
        batch: int = BATCH,
        max_pixels: int = MAX_PIXELS,
        figures: str | Path | None = None,
        units: Units | None = None,
        boxes: Boxes | None = None,
        classes: Sequence[str] | None = None,
        min_detection_score: float | None = None,
        max_ood: float | str | None = None,
    ) -> Result:
        """Type every figure of a source. A figure that cannot be read keeps its row, with the error.

        Args:
            source: a dataset's name, a path (folder, image, multi-page TIFF, figure table), a `Figures` or
                DataFrame, an array (H, W, 3) or (N, H, W, 3), a Pillow image, a list of paths or images; a slide's path
                with `figures`, or a table of slides (columns `slide` and `figures`).
            mpp: micrometers per pixel of figures whose table does not say it. Without it, a TIFF's resolution tag
                is taken where sane, else 0.25 is assumed; `Result.notes` says which. For slides: at level 0, of those
                whose file does not say it; nothing is assumed.
            views: 1, or 8 (rotations and flips averaged: better, eight times slower).
            threshold: p_amf from which a figure is AMF, or the name of one of the card's thresholds; None for the
                card's default.
            threads: worker threads; None for one a core.
            batch: figures a batch.
            max_pixels: a larger image is refused unread.
            figures: the file of detections on a slide: CSV, Parquet, GeoJSON, COCO, MIDOG++ or SlideRunner.
            units: of the coordinates in it, `px` (of level 0) or `um`, where it does not say them.
            boxes: the layout of COCO or MIDOG++ boxes, `xywh` or `xyxy`; told by the boxes if None.
            classes: of the detections that are figures, by name; `all` takes every one. If None, all; of COCO, MIDOG++
                and SlideRunner the mitotic figures alone, where a class is named so.
            min_detection_score: figures with a lower `detection_score` are typed but count nowhere.
            max_ood: the same for figures with a higher `ood`: a number, or `card` for the limit of the card.

        Raises:
            SourceError: the source cannot be used at all.
            SettingsError: a setting is not possible.
        """
        cut = self.threshold(threshold)
        reading = Reading(units, boxes, mpp, max_pixels, None if classes is None else tuple(classes))
        table, memory = take(source, max_pixels, None if figures is None else Path(figures), reading)
        limits = Limits.of(table, self.card, min_detection_score, max_ood)
        asked = Asked(cut, mpp, views, limits, max_pixels)
        maps = len(table) <= MAPS
        typed = self.type_figures(table, asked, memory, threads=threads, batch=batch, maps=maps)
        notes = (
            *table.notes,
            *typed.resolutions.notes,
            *LeftOut.of(typed.predictions, limits).notes(limits),
        )
        return Result(
            typed.predictions, table, self.classifier, notes, views, typed.crops, typed.resolution, limits, typed.maps
        )

    def type_figures(
        self,
        figures: Figures,
        asked: Asked,
        crops: CropSource | None = None,
        *,
        threads: int | None = None,
        batch: int = BATCH,
        title: str | None = "typing",
        maps: bool = False,
    ) -> Typed:
        """Type figures whose table is known, all of them or a part.

        Args:
            figures: the table.
            asked: what the predictions depend on.
            crops: their pixels; None to read the files that the table names.
            threads: worker threads; None for one a core.
            batch: figures a batch.
            title: of the progress bar; None for none.
            maps: keep the activation maps.

        Raises:
            SettingsError: a setting is not possible.
        """
        plan = Plan(asked.views, default_threads() if threads is None else threads, batch)
        resolution = Resolution(figures, asked.mpp)
        crops = crops or crops_for(figures, resolution, self.card, asked.max_pixels)
        columns = run(
            self.classifier, crops, resolution, len(figures), plan, title, trained_on=self.trained_on, maps=maps
        )
        predictions = tabulate(
            figures, columns.outputs, columns.errors, self.card, asked.threshold, columns.in_training, columns.border
        )
        tally = ResolutionTally.of(columns.mpp, columns.origins, resolution.overruled)
        kept = columns.outputs.get("cam") if maps else None
        return Typed(leave_out(predictions, asked.limits), crops, resolution, tally, kept)

    def threshold(self, wanted: float | str | None) -> float:
        """A threshold by value or by its name in the card; None for the default.

        Raises:
            SettingsError: not between 0 and 1, or no such name.
        """
        named = {"default": self.card.thresholds.default, **self.card.thresholds.others}
        if wanted is None or wanted in named:
            return named["default" if wanted is None else str(wanted)]
        try:
            value = float(wanted)
        except ValueError:
            value = -1.0
        if not 0 <= value <= 1:
            raise SettingsError(
                f"'{wanted}' is no threshold", f"give a number from 0 to 1, or one of {', '.join(named)}"
            )
        return value


def load_model(path: str | Path | None = None) -> Model:
    """Load a model bundle; the one that comes with the package if no path is given.

    Raises:
        BundleError: missing, damaged, or of another version.
    """
    return Model(read_bundle(DEFAULT_BUNDLE if path is None else Path(path)))
