"""Splits of figures that never cut a case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from atypica.core.errors import SourceError
from atypica.core.files import sha256_bytes
from atypica.core.votes import disagreement
from atypica.data.figures import Figures

Strata = Literal["label", "label x hardness"]
Folds = NDArray[np.int64]


def kfold(figures: Figures, folds: int, seed: int, stratify: Strata = "label") -> Folds:
    """Assign each figure to one of `folds` folds: cases whole, strata spread evenly.

    Args:
        figures: labeled, with cases.
        folds: how many, at least 2 and at most the number of cases.
        seed: of the assignment.
        stratify: by label, or by label and whether the votes disagree.

    Returns:
        the fold of each figure, from 0, shape (figures,); every fold has at least one figure.

    Raises:
        SourceError: no labels, no cases, or fewer cases than folds.
    """
    cases, strata = figures.cases, _strata(figures, stratify)
    found = len(set(cases))
    if not 2 <= folds <= found:
        raise SourceError(f"{figures.name}: {folds} folds of {found} cases", f"choose 2 to {found} folds")
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    result = np.full(len(figures), -1, dtype=np.int64)
    for fold, (_, held_out) in enumerate(splitter.split(strata, strata, cases)):
        result[held_out] = fold
    return result


def split_hash(figure_ids: Sequence[str], folds: Sequence[int] | Folds) -> str:
    """A short hash of which figure is in which fold; the same for any order of the rows."""
    pairs = sorted(f"{figure}\t{int(fold)}" for figure, fold in zip(figure_ids, folds, strict=True))
    return sha256_bytes("\n".join(pairs).encode())[:16]


def _strata(figures: Figures, stratify: Strata) -> NDArray[np.int64]:
    labels = figures.labels
    if np.isnan(labels).any():
        count = int(np.isnan(labels).sum())
        raise SourceError(f"{figures.name} has {count} figures without a label", "fill the column 'label' (AMF, NMF)")
    if stratify == "label":
        return labels.astype(np.int64)
    hard = np.nan_to_num(disagreement(figures.votes))
    return pd.factorize(labels * 2 + hard, sort=True)[0].astype(np.int64)
