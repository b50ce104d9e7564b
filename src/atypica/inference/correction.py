"""The AMF rate of a case corrected by what the card knows of the model's sensitivity and specificity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from atypica.evaluation.prevalence import Accuracy, corrected_rate, effective_size
from atypica.inference.card import Thresholds

CORRECTED = ("corrected_rate", "corrected_low", "corrected_high", "corrected_note")
SAME = 1e-9
UNMEASURED = "the model's card has no sensitivity and specificity"
OTHER_THRESHOLD = "sensitivity and specificity are known at the model's default threshold only"


@dataclass(frozen=True)
class CaseCorrection:
    """Corrects rates, or says why it does not.

    Attributes:
        accuracy: of the model at the threshold that was used; None where it is not known.
        reason: why it is not.
    """

    accuracy: Accuracy | None
    reason: str = ""

    @classmethod
    def of(cls, predictions: pd.DataFrame, thresholds: Thresholds | None) -> CaseCorrection:
        """For a predictions table made with a card's thresholds; only its default one has a known accuracy."""
        if thresholds is None or thresholds.accuracy is None:
            return cls(None, UNMEASURED)
        used = predictions["threshold"].dropna() if "threshold" in predictions else pd.Series([np.nan])
        if not bool(((used - thresholds.default).abs() < SAME).all()):
            return cls(None, OTHER_THRESHOLD)
        known = thresholds.accuracy
        return cls(Accuracy(known.sensitivity, known.specificity, known.effective_amf, known.effective_nmf))

    def __call__(self, called: NDArray[np.bool_], cases: NDArray[np.int64] | None = None) -> dict[str, Any]:
        """The columns `CORRECTED` (Rogan-Gladen with the 95 % interval of Lang and Reiczigel), blank with a note.

        Args:
            called: of each typed figure, whether it was called AMF.
            cases: the case of each; with them the interval knows that figures of one case are alike.
        """
        if self.accuracy is None:
            return dict(zip(CORRECTED, (None, None, None, self.reason), strict=True))
        figures = effective_size(called, None if cases is None else cases.tolist())
        share = float(called.mean()) if len(called) else 0.0
        found = corrected_rate(share * figures, figures, self.accuracy)
        if found.value is None or found.interval is None:
            return dict(zip(CORRECTED, (None, None, None, found.reason), strict=True))
        numbers = (round(number, 6) for number in (found.value, found.interval.low, found.interval.high))
        return dict(zip(CORRECTED, (*numbers, found.interval.note), strict=True))
