"""The AMF rate of every case, with an interval that says of which kind it is."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from atypica.core.vocabulary import Label
from atypica.evaluation.intervals import Interval, percentile_limits, wilson
from atypica.inference.card import Thresholds
from atypica.inference.correction import CORRECTED, CaseCorrection
from atypica.inference.counting import counted

FEW_FIGURES = 10
"""A rate from fewer counted figures is marked."""
FEWEST_CASES = 5
"""With fewer cases, cases cannot be drawn again to say how much they differ."""
REPLICATES = 2000
LEVEL = 0.95
ALL = "all"
NO_CASES = "no cases given"
NO_FIGURES = "no figure was found"
COLUMNS = (
    "case",
    "figures",
    "failed",
    "left_out",
    "amf",
    "amf_rate",
    "low",
    "high",
    "interval",
    "few_figures",
    *CORRECTED,
)


def summarize_cases(
    predictions: pd.DataFrame, thresholds: Thresholds | None = None, others: Iterable[str] = ()
) -> pd.DataFrame:
    """One row a case, and a last row for all figures together.

    Args:
        predictions: a predictions table; without a column `case` there is only the row for all.
        thresholds: those of the model's card, with the accuracy that corrects the rates.
        others: cases that may have no figure, as their slides have none; they get a row too.

    Returns:
        `COLUMNS`: `figures` counts all rows of the case, `failed` those that could not be typed, `left_out` those
        that were typed but do not count (see `counting`); `amf_rate` is AMF / (figures - failed - left_out) and lies
        between `low` and `high` with 95 % confidence; `interval` says how those were made. A case's own interval is
        Wilson's, its figures being the sample. The row for all draws the cases again (bootstrap) where there are
        enough; otherwise it takes the figures as independent, and says so. `corrected_rate` to `corrected_note` are
        of `CaseCorrection`.
    """
    correction = CaseCorrection.of(predictions, thresholds)
    typed = predictions["p_amf"].notna().to_numpy(dtype=bool)
    counts = counted(predictions)
    amf = called_amf(predictions) & counts
    if "case" not in predictions:
        row = _row(ALL, typed, counts, amf, overall_interval(None, counts, amf, blank=False))
        return _table([row | correction(amf[counts])])
    codes, names = pd.factorize(predictions["case"], use_na_sentinel=False)
    rows: list[dict[str, Any]] = []
    for code, name in enumerate(names):
        its = codes == code
        rows.append(_case(name, typed[its], counts[its], amf[its]) | correction(amf[counts & its]))
    nothing = correction(np.zeros(0, dtype=bool))
    rows += [no_figures(name) | nothing for name in dict.fromkeys(others) if name not in set(names)]
    blank = bool(predictions["case"].isna().any())
    every = _row(ALL, typed, counts, amf, overall_interval(codes, counts, amf, blank=blank))
    grouped = every["interval"].startswith("bootstrap")
    return _table([*rows, every | correction(amf[counts], codes[counts] if grouped else None)])


def no_figures(case: str | None = None) -> dict[str, Any]:
    """The row of a case, or the counts of a slide, without any figure; a rate is undefined."""
    none = np.zeros(0, dtype=bool)
    return _row(case, none, none, none, None) | {"interval": NO_FIGURES}


def called_amf(predictions: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows were called AMF, shape (rows,)."""
    return (predictions["prediction"] == Label.AMF.value).to_numpy(dtype=bool)


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _case(name: object, typed: NDArray[np.bool_], counts: NDArray[np.bool_], amf: NDArray[np.bool_]) -> dict[str, Any]:
    interval = _wilson(amf, counts, "Wilson 95 %")
    return _row(None if pd.isna(name) else str(name), typed, counts, amf, interval)  # pyright: ignore[reportArgumentType, reportCallIssue]


def _row(
    name: str | None,
    typed: NDArray[np.bool_],
    counts: NDArray[np.bool_],
    amf: NDArray[np.bool_],
    interval: Interval | None,
) -> dict[str, Any]:
    number, readable = int(counts.sum()), int(typed.sum())
    return {
        "case": name,
        "figures": len(typed),
        "failed": len(typed) - readable,
        "left_out": readable - number,
        "amf": int(amf.sum()),
        "amf_rate": round(float(amf.sum() / number), 6) if number else None,
        "low": round(interval.low, 6) if interval else None,
        "high": round(interval.high, 6) if interval else None,
        "interval": interval.method if interval else "every figure is left out" if readable else "no figure was typed",
        "few_figures": number < FEW_FIGURES,
    }


def _wilson(amf: NDArray[np.bool_], typed: NDArray[np.bool_], method: str) -> Interval | None:
    interval = wilson(int(amf.sum()), int(typed.sum()), LEVEL)
    return interval and Interval(interval.low, interval.high, LEVEL, method)


def _ungrouped(amf: NDArray[np.bool_], typed: NDArray[np.bool_], why: str) -> Interval | None:
    return _wilson(amf, typed, f"Wilson 95 %, ungrouped ({why}): likely too narrow")


def overall_interval(
    codes: NDArray[np.int64] | None, typed: NDArray[np.bool_], amf: NDArray[np.bool_], *, blank: bool
) -> Interval | None:
    """The interval of the AMF rate of all figures together; None where no figure counts.

    Args:
        codes: (figures,): the number of each figure's case; None where no cases are known.
        typed: (figures,): whether it counts.
        amf: (figures,): whether it is AMF; only typed ones are.
        blank: whether some figures have no case.
    """
    if codes is None:
        return _ungrouped(amf, typed, NO_CASES)
    held = np.unique(codes[typed])
    if blank:
        return _ungrouped(amf, typed, "some figures have no case")
    if len(held) == 1:
        return _wilson(amf, typed, "Wilson 95 %")
    if len(held) < FEWEST_CASES:
        return _ungrouped(amf, typed, f"only {len(held)} cases")
    if amf[typed].all() or not amf[typed].any():
        # Every resample of the cases would give the same rate: an interval of no width.
        return _ungrouped(amf, typed, "all figures of one type")
    counts = np.bincount(codes[typed])[held]
    positives = np.bincount(codes[typed & amf], minlength=len(codes))[held]
    low, high = percentile_limits(bootstrap_rates(positives, counts), len(held), LEVEL)
    return Interval(max(low, 0.0), min(high, 1.0), LEVEL, f"bootstrap 95 %, by case ({len(held)} cases)")


def bootstrap_rates(
    positives: NDArray[np.int64], counts: NDArray[np.int64], replicates: int = REPLICATES, seed: int = 0
) -> NDArray[np.float64]:
    """AMF rates of resamples of whole cases with replacement (cluster bootstrap of a ratio), (replicates,).

    Args:
        positives: AMF of each case.
        counts: typed figures of each case, at least 1.
        replicates: how many resamples.
        seed: of the draws.
    """
    draws = _draws(len(counts), replicates, seed)
    return (draws @ positives) / (draws @ counts)


@lru_cache(maxsize=1)
def _draws(cases: int, replicates: int, seed: int) -> NDArray[np.int32]:
    """How often each case is drawn, (replicates, cases). Kept for the next rate of as many cases: it takes longest."""
    return np.random.default_rng(seed).multinomial(cases, np.full(cases, 1 / cases), size=replicates).astype(np.int32)
