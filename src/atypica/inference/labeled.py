"""Labeled figures as a model sees them: logits and strangeness beside labels and cases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atypica.core.errors import SourceError
from atypica.core.votes import majority
from atypica.data.figures import Figures
from atypica.data.readers import MAX_PIXELS
from atypica.inference.crops import FileCrops
from atypica.inference.model import Model
from atypica.inference.pipeline import Plan, run
from atypica.inference.predictions import strangeness
from atypica.inference.resolution import Resolution
from atypica.inference.resolution_tally import ResolutionTally


@dataclass(frozen=True)
class LabeledLogits:
    """Figures with a label that could be typed.

    Attributes:
        name: of the source.
        labels: (figures,): 1 AMF, 0 NMF.
        logits: (figures,): of AMF, not calibrated.
        cases: (figures,); None where any figure has none.
        ood: (figures,): share of held-out training figures less unlike; NaN where the model does not say.
        in_training: how many trained the model; 0 where it does not say.
        unlabeled, failed: figures left out.
        notes: what was understood and assumed, as sentences.
    """

    name: str
    labels: NDArray[np.float64]
    logits: NDArray[np.float64]
    cases: NDArray[np.object_] | None
    ood: NDArray[np.float64]
    in_training: int = 0
    unlabeled: int = 0
    failed: int = 0
    notes: tuple[str, ...] = ()


def labeled_logits(
    model: Model, figures: Figures, *, mpp: float | None = None, plan: Plan | None = None, max_pixels: int = MAX_PIXELS
) -> LabeledLogits:
    """Type the figures that have a label (else the majority of their votes).

    Args:
        model: what types them.
        figures: with labels or votes.
        mpp: micrometers per pixel of figures whose table does not say it.
        plan: views, threads, batch; one view and every core if None.
        max_pixels: a larger image is refused unread.

    Raises:
        SourceError: no figure has a label, or none of those that have one can be typed.
    """
    truth = figures.labels
    if np.isnan(truth).all() and figures.votes.shape[1]:
        truth = majority(figures.votes)
    known = ~np.isnan(truth)
    if not known.any():
        raise SourceError(f"{figures.name} has no labels", "fill the column 'label' with AMF or NMF")
    chosen = figures.where(known)
    resolution = Resolution(chosen, mpp)
    crops, plan = FileCrops(chosen, max_pixels), plan or Plan()
    columns = run(model.classifier, crops, resolution, len(chosen), plan, trained_on=model.trained_on)
    logits = columns.outputs["amf"].reshape(-1).astype(np.float64)
    typed = ~np.isnan(logits)
    if not typed.any():
        raise SourceError(f"no labeled figure of {figures.name} could be typed: {columns.errors[0]}", "mend them")
    return LabeledLogits(
        name=figures.name,
        labels=truth[known][typed],
        logits=logits[typed],
        cases=_cases(chosen, typed),
        ood=strangeness(columns.outputs.get("distance"), model.card.strangeness, len(chosen))[typed],
        in_training=columns.in_training.count(True),
        unlabeled=int((~known).sum()),
        failed=int((~typed).sum()),
        notes=(*figures.notes, *ResolutionTally.of(columns.mpp, columns.origins).notes),
    )


def _cases(figures: Figures, typed: NDArray[np.bool_]) -> NDArray[np.object_] | None:
    if "case" not in figures.table or bool(figures.table["case"][typed].isna().any()):
        return None
    return figures.table["case"][typed].astype(str).to_numpy(dtype=object)
