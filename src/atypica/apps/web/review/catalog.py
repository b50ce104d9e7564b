"""The figures of a study as the page sees them: columns to sort and filter by, and all that is known of one figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from atypica.apps.web.review.keys import key_of
from atypica.core.vocabulary import Subtype, parse_subtype
from atypica.data.figures import Figures, numbered
from atypica.inference.predictions import flags
from atypica.inference.result import Result
from atypica.reporting.redaction import without_folders
from atypica.reporting.summary import strange

Texts = NDArray[np.object_]
Floats = NDArray[np.float64]
NO_CASE = "(no case)"
UNREADABLE = "this figure cannot be shown"
"""All that a blinded reader is told of an error; it may hold a file's name."""


@dataclass(frozen=True)
class Opinion:
    """What the model, and earlier experts, say of a figure."""

    prediction: str | None
    p_amf: float | None
    threshold: float | None
    subtype: Subtype | None
    odds: tuple[tuple[Subtype, float], ...]
    uncertainty: float | None
    disagreement: float | None
    ood: float | None
    abstain: bool
    strange: bool
    earlier: tuple[tuple[str, str], ...]
    """Who and what: the label and the votes that came with the figure."""


class Catalog:
    """Every figure of a result, by row and by key.

    A figure's key is made from its id and the study's secret, so that it stays the same when the result is made again
    in another order, and tells nobody the id.

    Args:
        result: typed figures.
        secret: of the study.
        blinded: names are made from keys, as a figure's id or file may tell its label.
    """

    def __init__(self, result: Result, secret: str, *, blinded: bool = False) -> None:
        table = result.predictions.reset_index(drop=True)
        self._table, self._figures = table, result.figures
        shown = without_folders(result.figures.root, table.get("image", ()))
        self.ids: list[str] = [str(value) for value in result.figures.table["figure_id"]]
        self.keys: list[str] = [key_of(secret, f"figure {figure}") for figure in self.ids]
        self.rows: dict[str, int] = {key: row for row, key in enumerate(self.keys)}
        self.row_of: dict[str, int] = {figure: row for row, figure in enumerate(self.ids)}
        self.blinded = blinded
        self.names: list[str] = (
            [f"figure {key[:8]}" for key in self.keys] if blinded else [shown(figure) for figure in self.ids]
        )
        self.images: list[str] = [str(image) for image in result.figures.table["image"]]
        self.case: Texts = _texts(table, "case", NO_CASE)
        self.slide: Texts = _texts(table, "slide", "")
        self.prediction: Texts = _texts(table, "prediction", "")
        self.subtype: Texts = _texts(table, "subtype", "")
        errors = _texts(table, "error", "")
        self.error: Texts = np.array(
            [text and (UNREADABLE if blinded else shown(text)) for text in errors], dtype=object
        )
        self.p_amf, self.threshold = _numbers(table, "p_amf"), _numbers(table, "threshold")
        self.uncertainty = _numbers(table, "uncertainty")
        self.disagreement, self.ood = _numbers(table, "p_disagreement"), _numbers(table, "ood")
        self.abstain = flags(table, "abstain")
        self.strange = strange(table, result.card).to_numpy(dtype=bool)
        self.typed = np.isfinite(self.p_amf)
        self.has_cases = "case" in table and bool(table["case"].notna().any())
        self.case_codes, self.cases = _codes(self.case)
        sha = _texts(table, "model_sha256", "")
        self.model_sha256: list[str | None] = [value or None for value in sha]
        self.model = next((value for value in _texts(table, "model", "") if value), "")

    def __len__(self) -> int:
        return len(self.ids)

    def opinion(self, row: int) -> Opinion:
        """What is said of one figure; whoever asks must be allowed to know."""
        odds = [(subtype, _number(self._table, f"p_{subtype.value}", row)) for subtype in Subtype]
        return Opinion(
            prediction=self.prediction[row] or None,
            p_amf=_finite(self.p_amf[row]),
            threshold=_finite(self.threshold[row]),
            subtype=parse_subtype(self.subtype[row]) if self.subtype[row] else None,
            odds=tuple((subtype, p) for subtype, p in odds if p is not None),
            uncertainty=_finite(self.uncertainty[row]),
            disagreement=_finite(self.disagreement[row]),
            ood=_finite(self.ood[row]),
            abstain=bool(self.abstain[row]),
            strange=bool(self.strange[row]),
            earlier=_earlier(self._figures, row),
        )

    def model_calls(self) -> Floats:
        """The model's calls as votes, (figures,): 1 AMF, 0 NMF, NaN not typed."""
        return np.where(self.prediction == "AMF", 1.0, np.where(self.prediction == "NMF", 0.0, np.nan))

    def values(self, column: str) -> list[str]:
        """The values to filter by, sorted."""
        return sorted({str(value) for value in getattr(self, column) if value})


def _earlier(figures: Figures, row: int) -> tuple[tuple[str, str], ...]:
    table, said = figures.table, list[tuple[str, str]]()
    if "label" in table and (label := table["label"][row]):
        subtype = table["subtype"][row] if "subtype" in table else None
        said.append(("label", f"{label}, {Subtype(subtype).display}" if subtype else str(label)))
    for column in numbered(table, "vote_"):
        if pd.notna(vote := table[column][row]):
            said.append((column.replace("_", " "), "AMF" if vote == 1 else "NMF"))
    return tuple(said)


def _codes(values: Texts) -> tuple[NDArray[np.int64], list[str]]:
    codes, names = pd.factorize(values, sort=True)
    return np.asarray(codes, dtype=np.int64), [str(name) for name in names]


def _texts(table: pd.DataFrame, column: str, blank: str) -> Texts:
    if column not in table:
        return np.full(len(table), blank, dtype=object)
    return np.array([blank if pd.isna(value) else str(value) for value in table[column]], dtype=object)


def _numbers(table: pd.DataFrame, column: str) -> Floats:
    if column not in table:
        return np.full(len(table), np.nan)
    return pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64)


def _number(table: pd.DataFrame, column: str, row: int) -> float | None:
    entry: Any = table[column][row] if column in table else None
    return _finite(float(entry)) if entry is not None and pd.notna(entry) else None


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
