"""How the AMF rate moves with the limits on a detector's score and on strangeness."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from atypica.evaluation.cuts import Keeps, even_cuts, kept_by_cut
from atypica.inference.case_counts import called_amf
from atypica.inference.cases import overall_interval
from atypica.inference.counting import OOD, SCORE, Limits, counted, leave_out

COLUMNS = ("cut_by", "cut", "in_use", "figures", "amf", "amf_rate", "low", "high", "interval")
OOD_CUTS = (*np.linspace(0.5, 0.9, 9).round(2).tolist(), *np.linspace(0.91, 1, 10).round(2).tolist())
"""Every 0.05 from 0.5 on, and every 0.01 from 0.9 on, where the limits of cards lie."""


def rate_by_cut(predictions: pd.DataFrame, limits: Limits) -> pd.DataFrame:
    """The figures counted and their AMF rate, all cases together, at each of a row of cuts.

    Each cut moves alone; the other limit stays as it is set. At the cut in use, a row says what the row `all` of the
    cases says.

    Args:
        predictions: a predictions table.
        limits: those that are set.

    Returns:
        `COLUMNS`, by rising cut: for `detection_score` figures with a score of at least the cut count (round
        numbers over the range of the scores), for `ood` those of at most the cut. Without typed figures that have
        a score, or an `ood`, there are no such rows. `in_use` marks the cut that is set.
    """
    rows = [
        *_rows(predictions, replace(limits, min_detection_score=None), SCORE, limits.min_detection_score, "at least"),
        *_rows(predictions, replace(limits, max_ood=None), OOD, limits.max_ood, "at most"),
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(
    predictions: pd.DataFrame, others: Limits, column: str, in_use: float | None, keeps: Keeps
) -> list[dict[str, Any]]:
    if column not in predictions:
        return []
    counts = counted(leave_out(predictions, others))
    scores = predictions[column].to_numpy(dtype=np.float64)
    known = scores[counts & np.isfinite(scores)]
    if not len(known):
        return []
    grid = even_cuts(known) if column == SCORE else np.array(OOD_CUTS)
    cuts = np.unique(grid if in_use is None else np.append(grid, in_use))
    amf, (codes, blank) = called_amf(predictions), _cases(predictions)
    return [
        {"cut_by": column, "cut": cut, "in_use": cut == in_use}
        | _rate(codes, counts & kept, amf & counts & kept, blank)
        for cut, kept in zip(cuts.tolist(), kept_by_cut(scores, cuts, keeps), strict=True)
    ]


def _rate(
    codes: NDArray[np.int64] | None, counts: NDArray[np.bool_], amf: NDArray[np.bool_], blank: bool
) -> dict[str, Any]:
    number, interval = int(counts.sum()), overall_interval(codes, counts, amf, blank=blank)
    return {
        "figures": number,
        "amf": int(amf.sum()),
        "amf_rate": round(float(amf.sum() / number), 6) if number else None,
        "low": round(interval.low, 6) if interval else None,
        "high": round(interval.high, 6) if interval else None,
        "interval": interval.method if interval else "no figure counts",
    }


def _cases(predictions: pd.DataFrame) -> tuple[NDArray[np.int64] | None, bool]:
    """The number of each figure's case (None where there are no cases), and whether some have none."""
    if "case" not in predictions:
        return None, False
    codes, _ = pd.factorize(predictions["case"], use_na_sentinel=False)
    return codes, bool(predictions["case"].isna().any())
