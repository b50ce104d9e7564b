"""Which form of calibration suits held-out logits best: none, temperature, Platt, or isotonic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy

from atypica.core.errors import EvaluationError
from atypica.evaluation.arrays import Floats, checked_labels
from atypica.evaluation.calibration import calibrated, expected_calibration_error, fit_calibration, fit_temperature
from atypica.evaluation.crossfit import FOLDS, case_folds

Calibrator = Callable[[Floats], Floats]
"""From logits to probabilities."""


@dataclass(frozen=True)
class CalibratorScore:
    """What one form of calibration gives on figures that it was not fitted to.

    Attributes:
        name: a key of `CALIBRATORS`.
        log_loss, brier, ece: of all figures' out-of-fold probabilities; None where a fold could not be fitted.
        reason: why not.
    """

    name: str
    log_loss: float | None
    brier: float | None
    ece: float | None
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def compare_calibrators(
    logits: ArrayLike,
    y: ArrayLike,
    cases: Sequence[object] | NDArray[np.object_] | None = None,
    *,
    folds: int = FOLDS,
    seed: int = 0,
) -> list[CalibratorScore]:
    """Cross-validate each of `CALIBRATORS` by case; best log loss first, those that could not be fitted last.

    Args:
        logits: shape (figures,), from a model that has not seen these figures.
        y: labels, shape (figures,): 1 AMF, 0 NMF.
        cases: the case of each figure; None takes each figure as its own.
        folds, seed: as in `case_folds`.

    Raises:
        EvaluationError: as `case_folds`; logits that are not finite.
    """
    labels, z = checked_labels(y), np.asarray(logits, dtype=np.float64)
    if z.shape != labels.shape or not np.all(np.isfinite(z)):
        raise EvaluationError("the logits are not one finite number a figure", "drop figures without a prediction")
    place = case_folds(labels, cases, folds, seed)
    scores = [_score(name, fit, z, labels, place) for name, fit in CALIBRATORS.items()]
    return sorted(scores, key=lambda score: np.inf if score.log_loss is None else score.log_loss)


def fit_isotonic(logits: ArrayLike, y: ArrayLike) -> Calibrator:
    """The rising step function of least squares (Zadrozny and Elkan, KDD 2002), straight between its knots.

    Its ends are kept 1 / (figures + 2) from 0 and 1: certainty after a hundred figures would cost an infinite loss.
    Needs many hundreds of figures; a comparison for Platt's form, which the card keeps.
    """
    from sklearn.isotonic import IsotonicRegression

    z, labels = np.asarray(logits, dtype=np.float64), checked_labels(y)
    edge = 1 / (len(labels) + 2)
    model = IsotonicRegression(y_min=edge, y_max=1 - edge, out_of_bounds="clip").fit(z, labels)
    return lambda new: np.asarray(model.predict(new), dtype=np.float64)


def _identity(_logits: Floats, _y: Floats) -> Calibrator:
    return lambda new: calibrated(new, 1.0)


def _temperature(logits: Floats, y: Floats) -> Calibrator:
    temperature = fit_temperature(logits, y)
    return lambda new: calibrated(new, temperature)


def _platt(logits: Floats, y: Floats) -> Calibrator:
    temperature, bias = fit_calibration(logits, y)
    return lambda new: calibrated(new, temperature, bias)


CALIBRATORS: dict[str, Callable[[Floats, Floats], Calibrator]] = {
    "identity": _identity,
    "temperature": _temperature,
    "Platt": _platt,
    "isotonic": fit_isotonic,
}


def _score(
    name: str, fit: Callable[[Floats, Floats], Calibrator], z: Floats, y: Floats, place: NDArray[np.int64]
) -> CalibratorScore:
    p = np.empty(len(y))
    try:
        for fold in np.unique(place):
            held_out = place == fold
            p[held_out] = fit(z[~held_out], y[~held_out])(z[held_out])
    except EvaluationError as error:
        return CalibratorScore(name, None, None, None, error.message)
    clipped = np.clip(p, 1e-15, 1 - 1e-15)
    loss = -float(np.mean(xlogy(y, clipped) + xlogy(1 - y, 1 - clipped)))
    return CalibratorScore(name, loss, float(np.mean((p - y) ** 2)), expected_calibration_error(y, p))
