"""The AMF rate of a case corrected by what the card knows of the model's sensitivity and specificity."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atypica.evaluation.prevalence import Accuracy, corrected_rate, effective_size_of_counts
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
    def of(cls, used: Iterable[float], thresholds: Thresholds | None) -> CaseCorrection:
        """For calls made at the thresholds `used`; of a card's thresholds only the default has a known accuracy."""
        if thresholds is None or thresholds.accuracy is None:
            return cls(None, UNMEASURED)
        if not all(abs(threshold - thresholds.default) < SAME for threshold in used):
            return cls(None, OTHER_THRESHOLD)
        known = thresholds.accuracy
        return cls(Accuracy(known.sensitivity, known.specificity, known.effective_amf, known.effective_nmf))

    def __call__(self, called: NDArray[np.int64], sizes: NDArray[np.int64]) -> dict[str, Any]:
        """The columns `CORRECTED` (Rogan-Gladen with the 95 % interval of Lang and Reiczigel), blank with a note.

        Args:
            called: (cases,), figures called AMF of each. Of one case, or of all as one, the figures count as
                independent; of several the interval knows that figures of one case are alike.
            sizes: (cases,), figures that count of each.
        """
        if self.accuracy is None:
            return dict(zip(CORRECTED, (None, None, None, self.reason), strict=True))
        figures, counted = effective_size_of_counts(called, sizes), int(sizes.sum())
        share = float(called.sum()) / counted if counted else 0.0
        found = corrected_rate(share * figures, figures, self.accuracy)
        if found.value is None or found.interval is None:
            return dict(zip(CORRECTED, (None, None, None, found.reason), strict=True))
        numbers = (round(number, 6) for number in (found.value, found.interval.low, found.interval.high))
        return dict(zip(CORRECTED, (*numbers, found.interval.note), strict=True))
