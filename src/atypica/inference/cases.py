"""The AMF rate of every case, with an interval that says of which kind it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from atypica.evaluation.intervals import Interval, percentile_limits, wilson
from atypica.inference.card import Thresholds
from atypica.inference.case_counts import CaseCounts
from atypica.inference.correction import CORRECTED, CaseCorrection

FEW_FIGURES = 10
"""A rate from fewer counted figures is marked."""
FEWEST_CASES = 5
"""With fewer cases, cases cannot be drawn again to say how much they differ."""
REPLICATES = 2000
MOST_KEPT = 2_000
"""Cases up to which all draws are made at once, and kept."""
LEVEL = 0.95
ALL = "all"
NO_CASES = "no cases given"
BLANK = "some figures have no case"
NO_FIGURES = "no figure was found"
NOTHING = np.zeros(4, dtype=np.int64)
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
    return summarize_counts(CaseCounts.of(predictions), thresholds, others, grouped="case" in predictions)


def summarize_counts(
    counts: CaseCounts, thresholds: Thresholds | None = None, others: Iterable[str] = (), *, grouped: bool = True
) -> pd.DataFrame:
    """`summarize_cases` of figures that are counted already.

    Args:
        counts: of all figures.
        thresholds: as for `summarize_cases`.
        others: the same.
        grouped: whether cases are known; without them there is only the row for all.
    """
    correction = CaseCorrection.of(counts.thresholds, thresholds)
    _, _, number, amf = counts.values
    blank = None in counts.names
    interval = _overall(amf, number, NO_CASES if not grouped else BLANK if blank else "")
    every = _row(ALL, counts.values.sum(axis=1), interval)
    by_case = every["interval"].startswith("bootstrap")
    every |= correction(amf, number) if by_case else correction(amf.sum(keepdims=True), number.sum(keepdims=True))
    if not grouped:
        return _table([every])
    rows = [_case(name, of_case) | correction(of_case[3:], of_case[2:3]) for name, of_case in _each(counts)]
    nothing = correction(NOTHING[3:], NOTHING[2:3])
    known = set(counts.names)
    rows += [no_figures(name) | nothing for name in dict.fromkeys(others) if name not in known]
    return _table([*rows, every])


def no_figures(case: str | None = None) -> dict[str, Any]:
    """The row of a case, or the counts of a slide, without any figure; a rate is undefined."""
    return _row(case, NOTHING, None) | {"interval": NO_FIGURES}


def _each(counts: CaseCounts) -> Iterator[tuple[str | None, NDArray[np.int64]]]:
    return zip(counts.names, counts.values.T, strict=True)


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _case(name: str | None, counts: NDArray[np.int64]) -> dict[str, Any]:
    return _row(name, counts, _wilson(int(counts[3]), int(counts[2]), "Wilson 95 %"))


def _row(name: str | None, counts: NDArray[np.int64], interval: Interval | None) -> dict[str, Any]:
    """A row from the four counts of `CaseCounts.values`."""
    figures, typed, number, amf = counts.tolist()
    return {
        "case": name,
        "figures": figures,
        "failed": figures - typed,
        "left_out": typed - number,
        "amf": amf,
        "amf_rate": round(amf / number, 6) if number else None,
        "low": round(interval.low, 6) if interval else None,
        "high": round(interval.high, 6) if interval else None,
        "interval": interval.method if interval else "every figure is left out" if typed else "no figure was typed",
        "few_figures": number < FEW_FIGURES,
    }


def _wilson(amf: int, number: int, method: str) -> Interval | None:
    interval = wilson(amf, number, LEVEL)
    return interval and Interval(interval.low, interval.high, LEVEL, method)


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
    of_case = np.zeros(len(typed), dtype=np.int64) if codes is None else codes
    counts = np.bincount(of_case[typed])
    positives = np.bincount(of_case[typed & amf], minlength=len(counts))
    return _overall(positives, counts, NO_CASES if codes is None else BLANK if blank else "")


def _overall(positives: NDArray[np.int64], counts: NDArray[np.int64], why: str) -> Interval | None:
    """`overall_interval` from the counts of each case; `why` the figures cannot be grouped, "" where they can."""
    amf, number = int(positives.sum()), int(counts.sum())
    held = counts > 0
    cases = int(held.sum())
    if cases == 1 and not why:
        return _wilson(amf, number, "Wilson 95 %")
    if cases < FEWEST_CASES:
        why = why or f"only {cases} cases"
    elif amf in {0, number}:
        # Every resample of the cases would give the same rate: an interval of no width.
        why = why or "all figures of one type"
    if why:
        return _wilson(amf, number, f"Wilson 95 %, ungrouped ({why}): likely too narrow")
    low, high = percentile_limits(bootstrap_rates(positives[held], counts[held]), cases, LEVEL)
    return Interval(max(low, 0.0), min(high, 1.0), LEVEL, f"bootstrap 95 %, by case ({cases} cases)")


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
    if len(counts) <= MOST_KEPT:
        draws = _draws(len(counts), replicates, seed)
        return (draws @ positives) / (draws @ counts)
    rng, step = np.random.default_rng(seed), max(1, REPLICATES * MOST_KEPT // len(counts))
    some = (_drawn(rng, len(counts), min(step, replicates - start)) for start in range(0, replicates, step))
    return np.concatenate([(draws @ positives) / (draws @ counts) for draws in some])


@lru_cache(maxsize=1)
def _draws(cases: int, replicates: int, seed: int) -> NDArray[np.int32]:
    """How often each case is drawn, (replicates, cases). Kept for the next rate of as many cases: it takes longest."""
    return _drawn(np.random.default_rng(seed), cases, replicates)


def _drawn(rng: np.random.Generator, cases: int, replicates: int) -> NDArray[np.int32]:
    return rng.multinomial(cases, np.full(cases, 1 / cases), size=replicates).astype(np.int32)
