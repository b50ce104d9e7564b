"""The cases as a report lists them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from atypica.reporting.corrected import Corrected
from atypica.reporting.gallery import flags
from atypica.reporting.redaction import Shown


@dataclass(frozen=True)
class CaseRow:
    """One case as the report shows it; a rate of None is undefined (no figure was typed)."""

    case: str
    figures: int
    failed: int
    left_out: int
    amf: int
    rate: float | None
    low: float | None
    high: float | None
    interval: str
    few: bool
    corrected: Corrected


def case_rows(cases: pd.DataFrame, shown: Shown) -> list[CaseRow]:
    """The rows of `Result.cases()`, the last of which is all cases together."""
    few = _few(cases)
    records: list[dict[str, Any]] = [{str(k): v for k, v in row.items()} for row in cases.to_dict("records")]
    return [_case_row(row, mark, shown) for row, mark in zip(records, few, strict=True)]


def _few(cases: pd.DataFrame) -> list[bool]:
    if "reliable" in cases:
        return [not mark for mark in flags(cases, "reliable")]
    return [bool(mark) for mark in flags(cases, "few_figures")]


def _case_row(row: dict[str, Any], few: bool, shown: Shown) -> CaseRow:
    return CaseRow(
        case=shown(row["case"]) if pd.notna(row["case"]) else "(no case)",
        figures=int(row["figures"]),
        failed=int(row.get("failed", 0)),
        left_out=int(row.get("left_out", 0)),
        amf=int(row["amf"]),
        rate=_number(row.get("amf_rate")),
        low=_number(row.get("low")),
        high=_number(row.get("high")),
        interval=str(row["interval"]) if pd.notna(row.get("interval")) else "",
        few=few,
        corrected=Corrected.of(row),
    )


def _number(value: Any) -> float | None:
    number = float(value) if value is not None and pd.notna(value) else np.nan
    return number if np.isfinite(number) else None
