"""A model's calibration, thresholds and refer band, fitted anew to a lab's own labeled figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atypica.core.errors import EvaluationError
from atypica.evaluation.abstention import without_band
from atypica.evaluation.binary import binary_estimates
from atypica.evaluation.bootstrap import BootstrapSettings
from atypica.evaluation.calibration import fit_calibration
from atypica.evaluation.calibrators import compare_calibrators
from atypica.evaluation.crossfit import FOLDS, case_folds
from atypica.evaluation.intervals import LEVEL, Estimate, Interval, percentile_limits
from atypica.evaluation.resampling import plan_resampling
from atypica.evaluation.thresholds import max_balanced_accuracy
from atypica.inference.card import Calibration, Card, Thresholds
from atypica.inference.labeled import LabeledLogits
from atypica.inference.operating import choose_thresholds, measured_accuracy
from atypica.inference.predictions import calibrated
from atypica.inference.recalibration_doubts import FEWEST_OF_A_CLASS, doubts

Floats = NDArray[np.float64]
REFERRED = 0.10
THRESHOLD_DRAWS = 200
CHOSEN_BY = "largest balanced accuracy (smoothed) on {figures} figures ({amf} AMF) of {source}, recalibrated {date}"
DECISIONS = ("balanced_accuracy", "sensitivity", "specificity")
PROBABILITIES = ("log_loss", "brier", "ece")


@dataclass(frozen=True)
class Recalibration:
    """A card with new settings, and what is known of them.

    Attributes:
        card: calibration, thresholds, version, metrics and history are new, all else is the model's.
        report: plain values for JSON; `held_out` is cross-validated by case.
        warnings: what speaks against using it, as sentences.
    """

    card: Card
    report: dict[str, Any]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _HeldOut:
    """What settings fitted to the other folds say of each figure: p, whether called AMF, whether referred."""

    p: Floats
    called: NDArray[np.bool_]
    referred: NDArray[np.bool_]


def recalibrate(
    card: Card, figures: LabeledLogits, *, date: str, referred: float = REFERRED, folds: int = FOLDS, seed: int = 0
) -> Recalibration:
    """Fit temperature, bias, thresholds and refer band to labeled figures that the model was not trained on.

    Every metric of the new settings is cross-validated by case; those of the model's own settings need not be, as
    nothing of them was fitted to these figures.

    Args:
        card: the model's.
        figures: the lab's.
        date: of today, for the card.
        referred: share of the figures to refer to a person.
        folds: of the cross-validation, fewer where a class has fewer cases.
        seed: of folds and resamples.

    Raises:
        EvaluationError: one class alone (or in one case only), logits that do not rise with the labels, an
            impossible share.
    """
    y, z = figures.labels, figures.logits
    _refuse_one_class(figures)
    words = CHOSEN_BY.format(figures=len(y), amf=int(y.sum()), source=figures.name, date=date)
    held_out = _cross_fit(figures, referred, case_folds(y, figures.cases, folds, seed))
    calibration, chosen = _fit(y, z, referred, words)
    thresholds = chosen.model_copy(update={"accuracy": measured_accuracy(y, held_out.called, figures.cases)})
    interval = _threshold_interval(y, _probabilities(z, calibration), figures.cases, seed)
    measured = {
        "model's own settings": _metrics(y, _as_before(z, card), figures.cases, seed),
        "recalibrated, cross-validated": _metrics(y, held_out, figures.cases, seed),
    }
    far = _strangeness(figures.ood, card)
    warnings = doubts(figures, interval, measured, far)
    report = {
        "format": "atypica-calibration",
        "version": 1,
        **_counts(figures),
        "settings": {
            "before": _settings(card.calibration, card.thresholds),
            "after": _settings(calibration, thresholds),
        },
        "threshold_interval": interval.to_json(),
        "held_out": measured,
        "calibrators": [score.to_json() for score in compare_calibrators(z, y, figures.cases, folds=folds, seed=seed)],
        "strangeness": far,
        "warnings": list(warnings),
        "notes": list(figures.notes),
    }
    return Recalibration(_new_card(card, calibration, thresholds, figures, date, measured), report, warnings)


def _refuse_one_class(figures: LabeledLogits) -> None:
    amf = int(figures.labels.sum())
    if not 0 < amf < len(figures.labels):
        missing = "NMF" if amf else "AMF"
        raise EvaluationError(
            f"all {len(figures.labels)} labeled figures of {figures.name} are {'AMF' if amf else 'NMF'}: "
            "nothing can be calibrated",
            f"label {missing} figures too, at least {FEWEST_OF_A_CLASS} of each",
        )


def _fit(y: Floats, z: Floats, referred: float, words: str) -> tuple[Calibration, Thresholds]:
    temperature, bias = fit_calibration(z, y)
    calibration = Calibration(temperature=round(temperature, 4), bias=round(bias, 4))
    return calibration, choose_thresholds(y, _probabilities(z, calibration), referred, words)


def _probabilities(z: Floats, calibration: Calibration) -> Floats:
    return calibrated(z.astype(np.float32), calibration)


def _cross_fit(figures: LabeledLogits, referred: float, place: NDArray[np.int64]) -> _HeldOut:
    p = np.empty(len(place))
    called, sent = np.zeros(len(place), dtype=bool), np.zeros(len(place), dtype=bool)
    for fold in np.unique(place):
        rows = place == fold
        calibration, thresholds = _fit(figures.labels[~rows], figures.logits[~rows], referred, "")
        p[rows] = _probabilities(figures.logits[rows], calibration)
        called[rows], sent[rows] = _decided(p[rows], thresholds)
    return _HeldOut(p, called, sent)


def _as_before(z: Floats, card: Card) -> _HeldOut:
    p = _probabilities(z, card.calibration)
    return _HeldOut(p, *_decided(p, card.thresholds))


def _decided(p: Floats, thresholds: Thresholds) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    return p >= thresholds.default, (p > thresholds.refer_low) & (p < thresholds.refer_high)


def _threshold_interval(
    y: Floats, p: Floats, cases: Sequence[object] | NDArray[np.object_] | None, seed: int
) -> Interval:
    """How far the threshold would differ, had other cases been labeled."""
    plan = plan_resampling(y.astype(np.int64), ("NMF", "AMF"), (p, y), cases)
    found = [_redrawn_threshold(y, p, weights) for block in plan.draws(THRESHOLD_DRAWS, seed) for weights in block]
    low, high = percentile_limits(np.array(found), plan.scarcest()[1], LEVEL)
    return Interval(low, high, LEVEL, f"{plan.method}, {THRESHOLD_DRAWS} resamples", plan.note())


def _redrawn_threshold(y: Floats, p: Floats, weights: Floats) -> float:
    rows = np.repeat(np.arange(len(y)), weights.astype(np.int64))
    if not 0 < y[rows].sum() < len(rows):
        return np.nan
    return max_balanced_accuracy(y[rows], p[rows]).value


def _metrics(y: Floats, held_out: _HeldOut, cases: NDArray[np.object_] | None, seed: int) -> dict[str, Any]:
    settings = BootstrapSettings(seed=seed)
    decisions = binary_estimates(y, held_out.called.astype(np.float64), 0.5, cases, settings)
    probabilities = binary_estimates(y, held_out.p, 0.5, cases, settings)
    kept = ~held_out.referred
    rest = without_band(y[kept], held_out.called[kept].astype(np.float64), 0.5, 0.5, 0.5)
    return {
        **{name: _brief(decisions[name]) for name in DECISIONS},
        **{name: _brief(probabilities[name]) for name in PROBABILITIES},
        "referred": round(float(held_out.referred.mean()), 4),
        "balanced_accuracy_of_the_rest": None if rest.balanced_accuracy is None else round(rest.balanced_accuracy, 4),
    }


def _brief(estimate: Estimate) -> dict[str, Any]:
    limits = estimate.interval
    ends = {"low": round(limits.low, 4), "high": round(limits.high, 4)} if limits else {}
    return {"value": None if estimate.value is None else round(estimate.value, 4), **ends}


def _strangeness(ood: Floats, card: Card) -> dict[str, Any] | None:
    known = ood[~np.isnan(ood)]
    if card.strangeness is None or not len(known):
        return None
    return {
        "median": round(float(np.median(known)), 4),
        "deciles": [round(float(value), 4) for value in np.quantile(known, np.linspace(0, 1, 11))],
        "limit": card.strangeness.limit,
        "beyond_limit": round(float(np.mean(known > card.strangeness.limit)), 4),
        "expected_beyond_limit": round(1 - card.strangeness.limit, 4),
    }


def _counts(figures: LabeledLogits) -> dict[str, Any]:
    return {
        "source": figures.name,
        "figures": len(figures.labels),
        "amf": int(figures.labels.sum()),
        "cases": None if figures.cases is None else len(set(figures.cases.tolist())),
        "failed": figures.failed,
        "unlabeled": figures.unlabeled,
    }


def _settings(calibration: Calibration, thresholds: Thresholds) -> dict[str, Any]:
    return {"calibration": calibration.model_dump(), "thresholds": thresholds.model_dump()}


def _new_card(
    card: Card,
    calibration: Calibration,
    thresholds: Thresholds,
    figures: LabeledLogits,
    date: str,
    measured: dict[str, Any],
) -> Card:
    entry = {
        "date": date,
        **_counts(figures),
        "changed": ["calibration", "thresholds"],
        "replaced": {"version": card.version, **_settings(card.calibration, card.thresholds)},
    }
    counts = {"figures": len(figures.labels), "amf": int(figures.labels.sum())}
    shown = {f"{figures.name}: {name}": {**counts, **values} for name, values in measured.items()}
    return card.model_copy(
        update={
            "version": f"{card.version.split('+')[0]}+calibrated.{date.replace('-', '')}",
            "calibration": calibration,
            "thresholds": thresholds,
            "metrics": {**card.metrics, **shown},
            "history": [*card.history, entry],
        }
    )
