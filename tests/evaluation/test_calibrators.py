"""Isotonic calibration, folds by case, and the choice among forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.metrics import brier_score_loss, log_loss

from atypica.core.errors import EvaluationError
from atypica.evaluation.calibration import calibrated, fit_calibration
from atypica.evaluation.calibrators import CALIBRATORS, compare_calibrators, fit_isotonic
from atypica.evaluation.crossfit import case_folds


def drawn(figures: int, temperature: float = 1.0, bias: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose true calibration is known, and labels."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 2.5, figures)
    return z * temperature + bias, (rng.random(figures) < expit(z)).astype(float)


@given(cases=st.integers(4, 40), seed=st.integers(0, 99))
def test_no_case_is_in_two_folds_and_every_rest_has_both_classes(cases: int, seed: int):
    rng = np.random.default_rng(seed)
    case = rng.integers(cases, size=120)
    y = (rng.random(120) < 0.3).astype(float)
    y[case == case[0]] = 0
    y[np.flatnonzero(case == case[0])[0]] = 1
    place = case_folds(y, case.tolist(), 5, seed)
    assert all(len(set(place[case == name])) == 1 for name in np.unique(case))
    assert all(0 < y[place != fold].mean() < 1 for fold in np.unique(place))


def test_folds_are_even_and_fewer_where_a_class_has_few_cases():
    y = np.array([1, 0, 0, 0] * 25, dtype=float)
    assert np.bincount(case_folds(y, None, 5)).tolist() == [20] * 5
    cases = ["a"] * 4 + ["b"] * 4 + ["c"] * 92
    y = np.array([1, 0] * 4 + [0] * 92, dtype=float)
    assert case_folds(y, cases, 5).max() == 1


def test_a_class_in_one_case_alone_is_refused():
    with pytest.raises(EvaluationError, match="1 case with AMF"):
        case_folds([1, 1, 0, 0], ["a", "a", "b", "c"])
    with pytest.raises(EvaluationError, match="0 figures with NMF"):
        case_folds([1, 1], None)


def test_isotonic_pools_violators_and_is_never_certain():
    fitted = fit_isotonic([0.0, 1, 2, 3, 4, 5], [0, 1, 0, 1, 1, 1])
    assert fitted(np.array([1.0, 1.5, 2.0])).tolist() == [0.5, 0.5, 0.5]
    assert fitted(np.array([-9.0, 9.0])).tolist() == pytest.approx([1 / 8, 7 / 8])


def test_scores_are_those_of_scikit_learn_on_out_of_fold_probabilities():
    z, y = drawn(300, 2, 1)
    cases = (np.arange(300) // 6).tolist()
    place, p = case_folds(y, cases), np.empty(300)
    for fold in range(5):
        p[place == fold] = calibrated(z[place == fold], *fit_calibration(z[place != fold], y[place != fold]))
    platt = next(score for score in compare_calibrators(z, y, cases) if score.name == "Platt")
    assert platt.log_loss == pytest.approx(log_loss(y, p))
    assert platt.brier == pytest.approx(brier_score_loss(y, p))


@pytest.mark.parametrize(
    ("temperature", "bias", "worse"), [(1.0, 4.0, {"identity", "temperature"}), (4.0, 0.0, {"identity"})]
)
def test_the_form_that_fits_wins(temperature: float, bias: float, worse: set[str]):
    names = [score.name for score in compare_calibrators(*drawn(1500, temperature, bias))]
    assert set(names) == set(CALIBRATORS)
    assert not worse & set(names[:2])


def test_a_form_that_cannot_be_fitted_is_last_with_its_reason():
    z, y = drawn(200)
    last = compare_calibrators(-z, y)[-2:]
    assert {score.name for score in last} == {"temperature", "Platt"}
    assert all(score.log_loss is None and "do not rise" in score.reason for score in last)
