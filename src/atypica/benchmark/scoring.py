"""From predictions to the leaderboard's numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from atypica.benchmark.predict import CIRCULAR, Predicted
from atypica.benchmark.suite import OWN, Suite
from atypica.core.errors import EvaluationError
from atypica.core.vocabulary import Subtype
from atypica.evaluation.binary import binary_estimates, binary_metrics
from atypica.evaluation.bootstrap import BootstrapSettings
from atypica.evaluation.calibration import reliability
from atypica.evaluation.comparison import ModelComparison, ModelScores, compare_models
from atypica.evaluation.doubt import closeness, ensemble_spread
from atypica.evaluation.fold_comparison import FoldComparison, compare_folds
from atypica.evaluation.leaderboard import FOLD_METRICS, Calibrated, Scored
from atypica.evaluation.referral import Referral, refer
from atypica.evaluation.significance import FoldSummary
from atypica.evaluation.subtypes import SubtypeScorer
from atypica.evaluation.summary import Evaluation, SubtypeInput, evaluate
from atypica.inference.predictions import subtype_probabilities
from atypica.training.settings.ensemble import Ensemble

Floats = NDArray[np.float64]
COMPARED_FOLDS = ("balanced_accuracy", "auroc")


@dataclass(frozen=True)
class Rows:
    """The scored rows of what a run said of a test set.

    Attributes:
        predicted: all of it.
        table: the rows that count.
        y: labels, (figures,).
        z: logits of each network, (figures, networks), NaN where a network does not answer.
        subtype: (figures, networks, 8), or None.
        disagreement: logits of each network that the experts differ, (figures, networks), or None.
    """

    predicted: Predicted
    table: pd.DataFrame
    y: Floats
    z: Floats
    subtype: Floats | None
    disagreement: Floats | None

    @classmethod
    def of(cls, predicted: Predicted) -> Rows:
        """Take the rows whose column `scored` holds."""
        rows = predicted.table["scored"].to_numpy(dtype=bool)
        table = predicted.table[rows].reset_index(drop=True)
        y = (table["label"] == "AMF").to_numpy(dtype=np.float64)
        answers = predicted.answers
        subtype = None if answers.subtype is None else answers.subtype[rows]
        disagreement = None if answers.disagreement is None else answers.disagreement[rows]
        return cls(predicted, table, y, answers.amf[rows], subtype, disagreement)

    @property
    def p(self) -> Floats:
        """Of the networks that answer, as one, (figures,)."""
        return expit(self.one)

    @property
    def one(self) -> Floats:
        """The logit of the networks that answer, as one, (figures,)."""
        return combined(self.z, self.predicted.ensemble)

    @property
    def cases(self) -> NDArray[np.object_] | None:
        """The case of each figure; None where any has none."""
        if "case" not in self.table or bool(self.table["case"].isna().any()):
            return None
        return self.table["case"].astype(str).to_numpy(dtype=object)

    def doubts(self, threshold: float) -> dict[str, Floats]:
        """Those of `DOUBTS` that are known of every figure, each of shape (figures,)."""
        found = {"spread": ensemble_spread(expit(self.z))}
        if self.disagreement is not None:
            found["disagreement"] = np.nanmean(self.disagreement, axis=1)
        found["closeness"] = closeness(self.p, threshold)
        return {name: doubt for name, doubt in found.items() if np.isfinite(doubt).all()}

    @property
    def scored_by(self) -> list[tuple[int, NDArray[np.bool_]]]:
        """Each network with the figures that it answers for."""
        known = ~np.isnan(self.z)
        return [(k, known[:, k]) for k in range(self.z.shape[1]) if known[:, k].any()]


def combined(logits: Floats, ensemble: Ensemble) -> Floats:
    """The logits of several networks, (figures, networks), NaN where one does not answer, as one's, (figures,)."""
    if ensemble == "first":
        return logits[:, 0]
    if ensemble == "mean_logit":
        return np.nanmean(logits, axis=1)
    return logit(np.nanmean(expit(logits), axis=1))


def score(predicted: Predicted, suite: Suite, label: str, settings: BootstrapSettings) -> Scored:
    """Score what an entry said of a test set.

    Raises:
        EvaluationError: no figure is left to score.
    """
    rows = Rows.of(predicted)
    if not len(rows.y):
        raise EvaluationError(f"no figure of {predicted.test} is left to score", "see the column 'leak' of its file")
    thresholds = _thresholds(suite, predicted)
    calibrated, note = _calibrated(rows, settings)
    subtypes = _subtype_input(rows) if suite.target == "subtype" else None
    several = predicted.kind != "distilled"
    return Scored(
        entry=predicted.entry,
        seed=predicted.seed,
        label=label if several else f"{label} (distilled)",
        kind=predicted.kind,
        test=predicted.test,
        leaked=int((predicted.table["leak"] != "").sum()),
        leaks=predicted.leaks,
        shared_cases=predicted.shared_cases,
        thresholds=thresholds,
        folds={name: _folds(rows, value) for name, value in thresholds.items()} if several else {},
        evaluations={
            name: _evaluate(rows, value, suite.domains, subtypes, settings) for name, value in thresholds.items()
        },
        referrals={name: _referrals(rows, value, settings) for name, value in thresholds.items()},
        calibrated=calibrated,
        calibration_note=note,
        subtype_folds=_subtype_folds(rows) if subtypes and several else None,
        collapses=predicted.collapses,
    )


def threshold_name(value: float | str) -> str:
    """What tables call a threshold of a suite.

    >>> threshold_name(0.5)
    '0.5'
    """
    return value if isinstance(value, str) else f"{value:g}"


def _thresholds(suite: Suite, predicted: Predicted) -> dict[str, float]:
    own = predicted.operating.logit
    values = {threshold_name(value): own if value == OWN else float(value) for value in suite.thresholds}
    found = {name: float(expit(value)) if name == OWN else value for name, value in values.items() if value is not None}
    return found or {"0.5": 0.5}


def _evaluate(
    rows: Rows, threshold: float, domains: list[str], subtypes: SubtypeInput | None, settings: BootstrapSettings
) -> Evaluation:
    return evaluate(
        rows.y,
        rows.p,
        threshold,
        cases=rows.cases,
        domains={name: rows.table[name].tolist() for name in domains if name in rows.table},
        subtypes=subtypes,
        seed=settings.seed,
        replicates=settings.replicates,
        level=settings.level,
        method=settings.method,
    )


def _referrals(rows: Rows, threshold: float, settings: BootstrapSettings) -> dict[str, Referral]:
    hard = rows.table["hard"].to_numpy(dtype=np.float64)
    return {
        name: refer(rows.y, rows.p, threshold, doubt, hard=hard, cases=rows.cases, settings=settings)
        for name, doubt in rows.doubts(threshold).items()
    }


def fold_values(rows: Rows, threshold: float, metric: str) -> dict[int, float]:
    """A metric of each network on the figures that it answers for; left out where undefined."""
    found = {
        k: float(binary_metrics(rows.y[known], expit(rows.z[known, k]), threshold)[metric][0])
        for k, known in rows.scored_by
    }
    return {k: value for k, value in found.items() if np.isfinite(value)}


def _folds(rows: Rows, threshold: float) -> dict[str, FoldSummary]:
    values = {metric: [*fold_values(rows, threshold, metric).values()] for metric in FOLD_METRICS}
    return {metric: FoldSummary.of(found) for metric, found in values.items() if found}


def _calibrated(rows: Rows, settings: BootstrapSettings) -> tuple[Calibrated | None, str]:
    fitted = rows.predicted.operating.calibration
    if fitted is None:
        return None, rows.predicted.operating.note or CIRCULAR
    temperature, bias = fitted
    p = expit((rows.one - bias) / temperature)
    ece = binary_estimates(rows.y, p, 0.5, rows.cases, settings)["ece"]
    return Calibrated(temperature, bias, ece, tuple(reliability(rows.y, p))), ""


def _subtype_input(rows: Rows) -> SubtypeInput | None:
    """The mean over the networks of p of the side times the share within the side."""
    if rows.subtype is None or "subtype" not in rows.table:
        return None
    with np.errstate(invalid="ignore"):
        each = [_subtypes_of(rows, k) for k in range(rows.z.shape[1])]
        return SubtypeInput(_codes(rows), np.clip(np.nanmean(each, axis=0), 0, 1))


def _subtypes_of(rows: Rows, network: int) -> Floats:
    assert rows.subtype is not None
    temperature, bias = rows.predicted.operating.calibration or (1.0, 0.0)
    p = expit((rows.z[:, network] - bias) / temperature)
    return subtype_probabilities(p, rows.subtype[:, network].astype(np.float32))


def _codes(rows: Rows) -> Floats:
    order = {subtype.value: float(index) for index, subtype in enumerate(Subtype)}
    return np.array([order.get(name, np.nan) for name in rows.table["subtype"]])


def _subtype_folds(rows: Rows) -> FoldSummary | None:
    """The mean AUROC of the subtypes of each network, over the subtypes that its figures have."""
    truth, values = _codes(rows), list[float]()
    for k, known in rows.scored_by:
        at = known & ~np.isnan(truth)
        p = _subtypes_of(rows, k)[at]
        scorer = SubtypeScorer.of(truth[at].astype(np.int64), p, p.argmax(axis=1).astype(np.int64))
        found = scorer(np.ones((1, int(at.sum()))))
        values.append(float(np.nanmean([found[f"{subtype.value}.auroc"][0] for subtype in Subtype])))
    return FoldSummary.of(values) if values else None


def compare_on(found: list[tuple[Scored, Predicted]], settings: BootstrapSettings) -> ModelComparison | None:
    """All pairs of models on the figures that all of them scored, at the suite's first threshold.

    None where there is nothing to compare: fewer than two models, or one class left.
    """
    if len(found) < 2:
        return None
    tables = [Rows.of(predicted) for _, predicted in found]
    common = set.intersection(*(set(rows.table["figure_id"]) for rows in tables))
    masks = [rows.table["figure_id"].isin(common).to_numpy() for rows in tables]
    y = tables[0].y[masks[0]]
    if not 0 < y.sum() < len(y):
        return None
    order = tables[0].table["figure_id"][masks[0]].tolist()
    models = [
        ModelScores(
            scored.label,
            pd.Series(rows.p[mask], index=rows.table["figure_id"][mask])[order].to_numpy(),
            next(iter(scored.thresholds.values())),
        )
        for (scored, _), rows, mask in zip(found, tables, masks, strict=True)
    ]
    cases = tables[0].cases
    return compare_models(y, models, cases=None if cases is None else cases[masks[0]], settings=settings)


def compare_fold_results(found: list[tuple[Scored, Predicted]]) -> dict[str, FoldComparison]:
    """The entries against each other by their folds, test set by test set; folds pair only within one split."""
    result: dict[str, FoldComparison] = {}
    for metric in COMPARED_FOLDS:
        columns: dict[str, list[object]] = {"model": [], "fold": [], "seed": [], "dataset": []}
        values: list[float] = []
        for scored, predicted in found:
            if scored.kind == "distilled":
                continue
            threshold = next(iter(scored.thresholds.values()))
            for fold, value in fold_values(Rows.of(predicted), threshold, metric).items():
                row = (scored.entry, f"{predicted.split}/{fold}", scored.seed, scored.test)
                for column, cell in zip(columns.values(), row, strict=True):
                    column.append(cell)
                values.append(value)
        if len(set(columns["model"])) > 1:
            result[metric] = compare_folds(values, columns, "model")
    return result
