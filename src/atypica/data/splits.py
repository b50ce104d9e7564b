"""Splits of figures that never cut a case."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from atypica.core.errors import SourceError
from atypica.core.files import sha256_bytes
from atypica.core.votes import disagreement
from atypica.data.figures import Figures

Strata = Literal["label", "label x hardness"]
Unit = Literal["case", "figure"]
"""What a split leaves whole. By figure, figures of one case stand on both sides, and results flatter."""
Folds = NDArray[np.int64]
Parts = NDArray[np.object_]

PARTS = {2: ("train", "test"), 3: ("train", "val", "test")}
"""What the parts of a holdout split are called, by their number."""


def kfold(figures: Figures, folds: int, seed: int, stratify: Strata = "label", unit: Unit = "case") -> Folds:
    """Assign each figure to one of `folds` folds: cases whole, strata spread evenly.

    The assignment is scikit-learn's `StratifiedGroupKFold`, as in the published benchmarks; a fold that it leaves
    empty (few, uneven cases) gets the smallest case of the fold with the most cases.

    Args:
        figures: labeled, with cases.
        folds: how many, at least 2 and at most the number of cases.
        seed: of the assignment.
        stratify: by label, or by label and whether the votes disagree.
        unit: `figure` cuts cases, as some papers did.

    Returns:
        the fold of each figure, from 0, shape (figures,); every fold has at least one figure.

    Raises:
        SourceError: no labels, no cases, or fewer cases or figures of a label than folds.
    """
    cases, strata = _units(figures, unit), _strata(figures, stratify)
    found = len(set(cases))
    if not 2 <= folds <= found:
        raise SourceError(f"{figures.name}: {folds} folds of {found} {unit}s", f"choose 2 to {found} folds")
    if folds > np.bincount(strata).max():
        raise SourceError(f"{figures.name}: {folds} folds, but no label has so many figures", "choose fewer folds")
    kind = StratifiedKFold if unit == "figure" else StratifiedGroupKFold
    splitter = kind(folds, shuffle=True, random_state=seed)
    result = np.full(len(figures), -1, dtype=np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a rare stratum is spread as far as it goes
        for fold, (_, held_out) in enumerate(splitter.split(strata, strata, cases)):
            result[held_out] = fold
    return _without_empty(result, cases, folds)


def holdout(
    figures: Figures,
    shares: Sequence[float],
    seed: int,
    stratify: Strata = "label",
    unit: Unit = "case",
    within: str = "",
) -> Parts:
    """Divide figures into train and test, or train, val and test: cases whole, strata in proportion.

    Cases are taken in random order, larger ones first, and each goes to the part that is then nearest to its share
    of every stratum.

    Args:
        figures: labeled, with cases.
        shares: two or three positive numbers; 80:20 and 0.8:0.2 say the same.
        seed: of the order.
        stratify: by label, or by label and whether the votes disagree.
        unit: `figure` cuts cases, as some papers did.
        within: a column (dataset) each of whose values is divided in these shares; a case of two of them stays whole.

    Returns:
        "train", "val" or "test" for each figure, shape (figures,); no part is empty.

    Raises:
        SourceError: no labels, no cases, fewer cases than parts, or other shares.
    """
    if len(shares) not in PARTS or min(shares) <= 0:
        raise SourceError(f"{':'.join(map(str, shares))} are no shares", "give two or three, such as 70:15:15")
    units = _units(figures, unit)
    cases, inverse = np.unique(units, return_inverse=True)
    if len(cases) < len(shares):
        raise SourceError(f"{figures.name} has {len(cases)} {unit}s for {len(shares)} parts", "choose fewer parts")
    strata = _strata(figures, stratify)
    if within:
        values = pd.factorize(figures.table[within].fillna(""), sort=True)[0]
        strata = pd.factorize(values * (strata.max() + 1) + strata, sort=True)[0].astype(np.int64)
    counts = np.zeros((len(cases), strata.max() + 1))
    np.add.at(counts, (inverse, strata), 1)
    parts = _deal(counts, np.asarray(shares, dtype=np.float64) / sum(shares), np.random.default_rng(seed))
    return np.array(PARTS[len(shares)], dtype=object)[_without_empty(parts[inverse], units, len(shares))]


def leave_one_out(figures: Figures, domain: str) -> Parts:
    """One fold for each domain: the figures to hold out while training on all other domains.

    Args:
        figures: with the column `domain` (tumor, species, scanner, lab, or any other).
        domain: the column.

    Returns:
        the domain of each figure, shape (figures,).

    Raises:
        SourceError: no such column, blanks in it, a single domain, or a case in two domains.
    """
    if domain not in figures.table:
        columns = ", ".join(map(str, figures.table.columns))
        raise SourceError(f"{figures.name} has no column '{domain}'", f"choose one of {columns}")
    values = figures.table[domain]
    if values.isna().any():
        raise SourceError(f"{figures.name}: {int(values.isna().sum())} figures have no {domain}", "fill or drop them")
    if values.nunique() < 2:
        raise SourceError(f"{figures.name} has a single {domain}, {values.iloc[0]}", "choose another column")
    cut = cut_cases(figures, values.to_numpy(dtype=object)) if "case" in figures.table else []
    if cut:
        raise SourceError(f"{figures.name}: case {cut[0]} lies in two values of {domain}", "mend the table")
    return values.astype(str).to_numpy(dtype=object)


def official(figures: Figures) -> Parts:
    """The split that a dataset was published with (the column `split`), shape (figures,).

    Raises:
        SourceError: there is none, it has blanks, or it cuts a case.
    """
    if "split" not in figures.table or figures.table["split"].isna().any():
        raise SourceError(f"{figures.name} has no official split", "choose another kind of split")
    parts = figures.table["split"].to_numpy(dtype=object)
    cut = cut_cases(figures, parts) if "case" in figures.table else []
    if cut:
        raise SourceError(f"{figures.name}: the split cuts {len(cut)} cases ({cut[0]})", "choose another kind of split")
    return parts


def cut_cases(figures: Figures, parts: NDArray[Any]) -> list[str]:
    """The cases that have figures in more than one part; figures without a case or part do not count."""
    pairs = pd.DataFrame({"case": figures.table["case"], "part": parts}).dropna()
    spread = pairs.groupby("case", sort=True)["part"].nunique()
    return [str(case) for case in spread.index[spread > 1]]


def split_table(figures: Figures, parts: Folds | Parts) -> pd.DataFrame:
    """A split as it is kept: `figure_id` and `fold` (numbers or domains) or `split` (train, val, test)."""
    names = {name for group in PARTS.values() for name in group}
    column = "split" if set(map(str, parts)) <= names else "fold"
    return pd.DataFrame({"figure_id": figures.table["figure_id"], column: parts})


def split_hash(figure_ids: Sequence[str], folds: Sequence[int] | Folds) -> str:
    """A short hash of which figure is in which fold; the same for any order of the rows."""
    pairs = sorted(f"{figure}\t{int(fold)}" for figure, fold in zip(figure_ids, folds, strict=True))
    return sha256_bytes("\n".join(pairs).encode())[:16]


def _units(figures: Figures, unit: Unit) -> NDArray[np.object_]:
    return figures.cases if unit == "case" else figures.table["figure_id"].to_numpy(dtype=object)


def _strata(figures: Figures, stratify: Strata) -> NDArray[np.int64]:
    labels = figures.labels
    if np.isnan(labels).any():
        count = int(np.isnan(labels).sum())
        raise SourceError(f"{figures.name} has {count} figures without a label", "fill the column 'label' (AMF, NMF)")
    if stratify == "label":
        return labels.astype(np.int64)
    if figures.votes.shape[1] < 2:
        raise SourceError(f"{figures.name} has no two experts' votes", "stratify by label, or add vote_1, vote_2")
    hard = np.nan_to_num(disagreement(figures.votes))
    return pd.factorize(labels * 2 + hard, sort=True)[0].astype(np.int64)


def _deal(counts: NDArray[np.float64], shares: NDArray[np.float64], rng: np.random.Generator) -> Folds:
    """The part of each case, from its count of each stratum, shape (cases, strata)."""
    order = rng.permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    target = shares[:, None] * counts.sum(axis=0)
    given = np.zeros_like(target)
    parts = np.zeros(len(counts), dtype=np.int64)
    for case in order:
        # How full each stratum would be if this part took the case, relative to what it should hold.
        fullness = ((given + counts[case]) / np.maximum(target, 1e-9))[:, counts[case] > 0]
        parts[case] = int(np.argmin(fullness.max(axis=1)))
        given[parts[case]] += counts[case]
    return parts


def _without_empty(parts: Folds, cases: NDArray[Any], number: int) -> Folds:
    """Give each empty part the smallest case of the part that has the most cases."""
    result = parts.copy()
    for empty in sorted(set(range(number)) - set(parts.tolist())):
        table = pd.DataFrame({"case": cases, "part": result})
        richest = table.groupby("part")["case"].nunique().idxmax()
        sizes = table.loc[table["part"] == richest, "case"].value_counts(sort=False)
        result[cases == sizes.idxmin()] = empty
    return result
