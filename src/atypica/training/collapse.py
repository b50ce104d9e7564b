"""A collapsed fold: noticed by what it says of its held-out figures, or by how far it is from the other folds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from atypica.training.validation import sensitivity_and_specificity

LEAST_BALANCED_ACCURACY = 0.55
"""At or below it, at 0.5, a network tells nothing apart (0.5 is chance)."""
FEWEST_FOLDS = 3
FAR = 5.0
"""Standard deviations (1.4826 times the median absolute deviation, as of a Gaussian) below the others' median."""
LEAST_GAP = 0.1
"""Of the AUROC: folds that agree closely make no nearer one far. Honest folds by patient differ by 0.05."""
_GAUSSIAN = 1.4826


def one_class(labels: NDArray[np.float64], logits: NDArray[np.float32]) -> str:
    """Why a fold's network counts as collapsed, "" where it does not, or where there is one class to judge by.

    Args:
        labels: of the held-out figures, 1 AMF, 0 NMF.
        logits: what the fold's network says of them, AMF at 0 and above.

    >>> one_class(np.array([1.0, 0.0]), np.array([-1.0, -2.0], dtype=np.float32))
    'every held-out figure is called NMF at 0.5'
    """
    if not np.isfinite(logits).all():
        return "the network answers what is not a number"
    if len(np.unique(labels)) < 2:
        return ""
    called = logits >= 0
    if called.all() or not called.any():
        return f"every held-out figure is called {'AMF' if called.all() else 'NMF'} at 0.5"
    sensitivity, specificity = sensitivity_and_specificity(labels, logits)
    accuracy = (sensitivity + specificity) / 2
    if min(sensitivity, specificity) > 0 and accuracy > LEAST_BALANCED_ACCURACY:
        return ""
    return (
        f"balanced accuracy {accuracy:.2f} at 0.5 on the held-out figures (sensitivity {sensitivity:.2f}, "
        f"specificity {specificity:.2f})"
    )


def far_folds(aurocs: Mapping[int, float]) -> dict[int, str]:
    """The folds whose AUROC is far below that of the others, and why; none where there are fewer than three.

    Far is more than the larger of `LEAST_GAP` and `FAR` standard deviations below the median of all other folds, the
    deviation being 1.4826 times their median absolute one.

    Args:
        aurocs: of each finished fold.

    >>> far_folds({0: 0.90, 1: 0.91, 2: 0.92, 3: 0.93, 4: 0.70})
    {4: 'AUROC 0.700, the other folds have 0.915 (median); below 0.815 is far'}
    """
    if len(aurocs) < FEWEST_FOLDS:
        return {}
    found: dict[int, str] = {}
    for fold, value in aurocs.items():
        median, limit = _limit([of_other for other, of_other in aurocs.items() if other != fold])
        if value < limit:
            found[fold] = f"AUROC {value:.3f}, the other folds have {median:.3f} (median); below {limit:.3f} is far"
    return found


def _limit(others: list[float]) -> tuple[float, float]:
    """The others' median, and the value below which a fold is far from them."""
    median = float(np.median(others))
    deviation = _GAUSSIAN * float(np.median(np.abs(np.array(others) - median)))
    return median, median - max(LEAST_GAP, FAR * deviation)
