"""From a table of predictions and a table of labels to the arrays of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from atypica.apps.cli.left_out import copies, training_figures
from atypica.core.errors import SourceError
from atypica.core.vocabulary import Subtype, parse_label, parse_subtype
from atypica.core.votes import disagreement, majority
from atypica.data.figures import Figures, numbered
from atypica.data.matching import match_figures
from atypica.evaluation.arrays import Floats
from atypica.evaluation.people import SubtypeCalls
from atypica.evaluation.summary import SubtypeInput

DOMAINS = ("dataset", "source", "tumor", "species", "scanner", "lab", "hardness")
MOST_VALUES = 30
DEFAULT_THRESHOLD = 0.5
SUBTYPE_COLUMNS = [f"p_{subtype.value}" for subtype in Subtype]
_INDEX = {subtype.value: float(index) for index, subtype in enumerate(Subtype)}


@dataclass(frozen=True)
class Scored:
    """Figures with a label and a score, ready to evaluate.

    Attributes:
        y, p: labels and p_amf, shape (figures,).
        rows: which row of the labels each figure is, shape (figures,).
        threshold: p at or above it is called AMF.
        threshold_origin: where it comes from, as words.
        cases: the case of each figure; None where any is blank.
        domains: column to its value for each figure.
        subtypes: the eight classes, if both tables have them.
        votes: of the experts, shape (figures, experts); experts may be 0.
        experts: the names of the votes' columns, as words.
        subtype_calls: subtypes by two or more experts and by the model, if there are such.
        called: whether each figure was called AMF, as the column `prediction` says, else by the threshold.
        folds: the fold of each figure as the predictions say; None where they do not.
        matched_by: the key on which the tables were matched.
        counts: rows of the predictions, failed, without a label, and so on.
        notes: what the person must know, as sentences.
        models: the models that the predictions name.
    """

    y: Floats
    p: Floats
    rows: NDArray[np.int64]
    threshold: float
    threshold_origin: str
    cases: NDArray[np.object_] | None
    domains: dict[str, Sequence[object]]
    subtypes: SubtypeInput | None
    votes: Floats
    experts: tuple[str, ...]
    subtype_calls: SubtypeCalls | None
    called: NDArray[np.bool_]
    folds: list[str | None] | None
    matched_by: str
    counts: dict[str, int]
    notes: tuple[str, ...]
    models: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """What `metrics.json` says of its input."""
        return {
            **self.counts,
            "matched_by": self.matched_by,
            "threshold_origin": self.threshold_origin,
            "models": list(self.models),
            "notes": list(self.notes),
        }


def scored_figures(
    predictions: pd.DataFrame,
    labels: Figures,
    names: tuple[str, str],
    threshold: float | None = None,
    by: Sequence[str] | None = None,
    *,
    keep_training_figures: bool = False,
    keep_duplicates: bool = True,
) -> Scored:
    """Join predictions to labels; failed predictions and figures without a label are counted, not scored.

    Args:
        predictions: with `p_amf`, and `figure_id` or `image`.
        labels: with `label`, or votes whose majority is taken.
        names: what to call the two in messages.
        threshold: in place of the predictions' own.
        by: columns to split the figures by; None for those of `DOMAINS` that tell figures apart.
        keep_training_figures: score what the predictions mark as training figures of the model.
        keep_duplicates: score figures with the same pixels as often as they stand there, and read no image.

    Raises:
        SourceError: a column is missing or holds no numbers, nothing matches, no matched figure has a label,
            several thresholds, an unknown column in `by`, or nothing but training figures.
    """
    scores = _scores(predictions, names[0])
    typed = predictions.loc[scores.notna()].reset_index(drop=True)
    truth, origin = _truth(labels, names[1])
    match = match_figures(typed, labels.table, names)
    known = ~np.isnan(truth[match.right])
    left, right = match.left[known], match.right[known]
    if not len(left):
        raise SourceError(f"none of the {len(match)} matched figures of {names[1]} has a label", "fill 'label'")
    fresh = training_figures(typed.iloc[left], keep_training_figures)
    once = None if keep_duplicates else copies(labels, right[fresh.kept], truth[right[fresh.kept]])
    with_prediction, left, right = len(left), left[fresh.kept], right[fresh.kept]
    if once:
        left, right = left[once.kept], right[once.kept]
    rows, context = typed.iloc[left].reset_index(drop=True), _context(labels, right)
    cases, case_note = _cases(rows, context)
    value, value_origin = _threshold(rows, names[0], threshold)
    p = scores.dropna().to_numpy(dtype=np.float64)[left]
    notes = (origin, match.doubt, case_note, _disagreeing(rows, p, value, threshold), *fresh.notes)
    columns = numbered(labels.table, "vote_")
    return Scored(
        y=truth[right],
        p=p,
        rows=right,
        threshold=value,
        threshold_origin=value_origin,
        cases=cases,
        domains=_domains(rows, context, by, names),
        subtypes=_subtypes(rows, context),
        votes=labels.votes[right],
        experts=tuple(column.replace("vote_", "expert ") for column in columns),
        subtype_calls=_subtype_calls(rows, context, columns),
        called=_called(rows, p >= value, threshold),
        folds=_folds(rows),
        matched_by=match.key,
        counts={
            "predictions": len(predictions),
            "failed": int(scores.isna().sum()),
            "labels": len(labels),
            "matched": len(match),
            "scored": len(left),
            "predictions_without_label": len(typed) - with_prediction,
            "labels_without_prediction": int((~np.isnan(truth)).sum()) - with_prediction,
            **fresh.counts,
            **(once.counts if once else {}),
        },
        notes=tuple(note for note in (*notes, *(once.notes if once else ())) if note),
        models=tuple(sorted(set(rows["model"].dropna().astype(str)))) if "model" in rows else (),
    )


def _scores(predictions: pd.DataFrame, name: str) -> pd.Series:
    """p_amf; missing where the prediction failed."""
    if "p_amf" not in predictions:
        columns = ", ".join(map(str, predictions.columns))
        raise SourceError(f"{name} has no column 'p_amf' (it has: {columns})", "give the table that classify wrote")
    scores = pd.to_numeric(predictions["p_amf"], errors="coerce").astype(np.float64)
    strange = (scores.isna() & predictions["p_amf"].notna()) | (scores < 0) | (scores > 1)
    if strange.any():
        row = int(np.argmax(strange.to_numpy()))
        value = predictions["p_amf"].iloc[row]
        raise SourceError(f"{name}, row {row + 2}: p_amf '{value}' is not between 0 and 1", "give probabilities of AMF")
    if not scores.notna().any():
        raise SourceError(f"{name}: every prediction failed", "see its column 'error'")
    failed = _filled(predictions, "error")
    return scores.where(~failed)


def _filled(table: pd.DataFrame, column: str) -> pd.Series:
    if column not in table:
        return pd.Series(False, index=table.index)
    return table[column].notna() & (table[column].astype(str).str.strip() != "")


def _truth(labels: Figures, name: str) -> tuple[Floats, str]:
    truth = labels.labels
    if not np.isnan(truth).all():
        return truth, ""
    truth = majority(labels.votes) if labels.votes.shape[1] else truth
    if np.isnan(truth).all():
        raise SourceError(f"{name} has no labels", "give a table with the column 'label' (AMF or NMF)")
    return truth, "labels are the majority of the experts' votes; figures with a tie have none"


def _context(labels: Figures, rows: NDArray[np.int64]) -> pd.DataFrame:
    """The labels' rows of the scored figures, with `hardness` from the votes where there is no such column."""
    table = labels.table.iloc[rows].reset_index(drop=True)
    if "hardness" not in table and labels.votes.shape[1] > 1:
        hard = disagreement(labels.votes[rows])
        table["hardness"] = [{0.0: "easy", 1.0: "hard"}.get(value) for value in hard]
    return table


def _column(name: str, rows: pd.DataFrame, context: pd.DataFrame) -> list[object] | None:
    """A column of the labels, else of the predictions; blanks as None."""
    for table in (context, rows):
        if name in table and table[name].notna().any():
            return [None if pd.isna(value) else value for value in table[name]]
    return None


def _cases(rows: pd.DataFrame, context: pd.DataFrame) -> tuple[NDArray[np.object_] | None, str]:
    cases = _column("case", rows, context)
    if cases is None:
        return None, "no cases are known: single figures are resampled, and the intervals are likely too narrow"
    blank = sum(case is None for case in cases)
    if blank:
        return (
            None,
            f"{blank} figures have no case: single figures are resampled, and the intervals are likely too narrow",
        )
    datasets = _column("dataset", rows, context)
    if datasets and len(set(datasets)) > 1:
        # Two datasets may number their cases alike.
        cases = [f"{dataset} {case}" for dataset, case in zip(datasets, cases, strict=True)]
    return np.array([str(case) for case in cases], dtype=object), ""


def _threshold(rows: pd.DataFrame, name: str, given: float | None) -> tuple[float, str]:
    if given is not None:
        return given, "given by --threshold"
    if "threshold" not in rows or not rows["threshold"].notna().any():
        return DEFAULT_THRESHOLD, f"{name} has no column 'threshold', so {DEFAULT_THRESHOLD} was taken"
    found = sorted(set(rows["threshold"].dropna().astype(np.float64)))
    if len(found) > 1:
        raise SourceError(
            f"{name} holds {len(found)} thresholds ({', '.join(f'{value:g}' for value in found[:4])})",
            "evaluate one model's predictions at a time, or give --threshold",
        )
    return found[0], f"the column 'threshold' of {name}"


def _disagreeing(rows: pd.DataFrame, p: Floats, threshold: float, given: float | None) -> str:
    if given is not None or "prediction" not in rows:
        return ""
    calls = [parse_label(value) if pd.notna(value) else None for value in rows["prediction"]]
    odd = sum(
        call is not None and (call == "AMF") != (score >= threshold) for call, score in zip(calls, p, strict=True)
    )
    return (
        f"{odd} figures are called in 'prediction' otherwise than p_amf >= threshold says; the latter counts"
        if odd
        else ""
    )


def _domains(
    rows: pd.DataFrame, context: pd.DataFrame, by: Sequence[str] | None, names: tuple[str, str]
) -> dict[str, Sequence[object]]:
    if by is None:
        found = {name: _column(name, rows, context) for name in DOMAINS}
        return {name: values for name, values in found.items() if values and 1 < len(set(values)) <= MOST_VALUES}
    domains: dict[str, Sequence[object]] = {}
    for name in by:
        values = _column(name, rows, context)
        if values is None:
            columns = ", ".join(dict.fromkeys([*map(str, context.columns), *map(str, rows.columns)]))
            raise SourceError(f"neither {names[1]} nor {names[0]} has a column '{name}'", f"choose among: {columns}")
        domains[name] = values
    return domains


def _subtypes(rows: pd.DataFrame, context: pd.DataFrame) -> SubtypeInput | None:
    if "subtype" not in context or not set(SUBTYPE_COLUMNS) <= set(rows.columns):
        return None
    truth = _codes(context["subtype"])
    probabilities = rows[SUBTYPE_COLUMNS].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    if np.isnan(truth).all() or np.isnan(probabilities).all():
        return None
    called = _codes(rows["subtype"]) if "subtype" in rows and rows["subtype"].notna().any() else None
    return SubtypeInput(truth, probabilities, called)


def _codes(values: pd.Series) -> Floats:
    parsed = [None if pd.isna(value) else parse_subtype(value) for value in values]
    return np.array([np.nan if subtype is None else _INDEX[subtype.value] for subtype in parsed])


def _subtype_calls(rows: pd.DataFrame, context: pd.DataFrame, votes: Sequence[str]) -> SubtypeCalls | None:
    """The experts' subtypes in the order of their votes, blank for those who named none, beside the model's."""
    columns = [column.replace("vote_", "subtype_") for column in votes]
    if sum(column in context for column in columns) < 2 or "subtype" not in rows:
        return None
    none = np.full(len(rows), np.nan)
    experts = [_codes(context[column]) if column in context else none for column in columns]
    return SubtypeCalls(np.column_stack(experts), _codes(rows["subtype"]))


def _called(rows: pd.DataFrame, by_threshold: NDArray[np.bool_], given: float | None) -> NDArray[np.bool_]:
    if given is not None or "prediction" not in rows:
        return by_threshold
    calls = [parse_label(value) if pd.notna(value) else None for value in rows["prediction"]]
    return np.array([ours if call is None else call == "AMF" for call, ours in zip(calls, by_threshold, strict=True)])


def _folds(rows: pd.DataFrame) -> list[str | None] | None:
    if "fold" not in rows or rows["fold"].isna().all():
        return None
    return [None if pd.isna(value) else _plain(value) for value in rows["fold"]]


def _plain(value: object) -> str:
    """3.0, which pandas makes of 3 in a column with blanks, is '3' again."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
