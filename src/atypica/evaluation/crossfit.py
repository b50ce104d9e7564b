"""Folds that keep the figures of a case together, for settings that must not be judged on what they were fitted to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atypica.core.errors import EvaluationError
from atypica.evaluation.arrays import Integers, case_codes, checked_labels

FOLDS = 5


def case_folds(
    y: ArrayLike, cases: Sequence[object] | NDArray[np.object_] | None, folds: int = FOLDS, seed: int = 0
) -> Integers:
    """The fold of each figure, shape (figures,): no case in two folds, every fold's rest holding both classes.

    Cases go, largest AMF count first (then the larger, then at random), to the fold that holds the fewest AMF (then
    the fewest figures). There are fewer folds where a class has fewer cases.

    Args:
        y: labels, shape (figures,): 1 AMF, 0 NMF.
        cases: the case of each figure; None takes each figure as its own.
        folds: at most so many.
        seed: of the order among equal cases.

    Raises:
        EvaluationError: a blank case, or a class that only one case holds (or none).
    """
    labels = checked_labels(y)
    codes = np.arange(len(labels)) if cases is None else case_codes(cases, len(labels))[1]
    units = int(codes.max()) + 1 if len(codes) else 0
    amf = np.bincount(codes, weights=labels, minlength=units).astype(np.float64)
    sizes = np.bincount(codes, minlength=units).astype(np.int64)
    unit = "figures" if cases is None else "cases"
    for name, holders in (("AMF", int(np.sum(amf > 0))), ("NMF", int(np.sum(sizes > amf)))):
        folds = min(folds, holders)
        if holders < 2:
            raise EvaluationError(
                f"{holders} {unit if holders != 1 else unit[:-1]} with {name}: nothing can be cross-validated",
                f"label {name} figures of at least two {unit}",
            )
    place = _dealt(amf, sizes, folds, seed)[codes]
    for fold in range(folds):
        if len(np.unique(labels[place != fold])) < 2:
            raise EvaluationError(
                f"the {unit} cannot be split so that both classes stay on either side", f"label more {unit}"
            )
    return place


def _dealt(amf: NDArray[np.float64], sizes: NDArray[np.int64], folds: int, seed: int) -> Integers:
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.lexsort((-sizes[order], -amf[order]))]
    held = np.zeros((2, folds))
    place = np.zeros(len(sizes), dtype=np.int64)
    for unit in order:
        fold = int(np.lexsort((held[1], held[0]))[0] if amf[unit] else np.lexsort((held[0], held[1]))[0])
        place[unit] = fold
        held[:, fold] += amf[unit], sizes[unit]
    return place
