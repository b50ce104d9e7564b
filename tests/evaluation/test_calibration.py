"""Calibration against scikit-learn and against what generated the data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import expit
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression

from atypica.core.errors import EvaluationError
from atypica.evaluation.binary import binary_metrics
from atypica.evaluation.calibration import (
    calibrated,
    expected_calibration_error,
    fit_calibration,
    fit_temperature,
    reliability,
)


def generated(n: int, temperature: float, bias: float, seed: int = 0):
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 3, n)
    return z, (rng.random(n) < expit((z - bias) / temperature)).astype(float)


def test_the_fit_agrees_with_logistic_regression():
    z, y = generated(500, 2.0, 1.0)
    w = np.random.default_rng(1).integers(1, 4, 500).astype(float)
    reference = LogisticRegression(C=1e12, tol=1e-10, max_iter=1000).fit(z[:, None], y, sample_weight=w)
    temperature, bias = fit_calibration(z, y, w, smooth=False)
    assert 1 / temperature == pytest.approx(reference.coef_[0, 0], rel=1e-5)
    assert -bias / temperature == pytest.approx(reference.intercept_[0], rel=1e-4)


def test_the_fit_finds_what_generated_the_labels():
    z, y = generated(60_000, 1.7, -0.8)
    assert fit_calibration(z, y) == pytest.approx((1.7, -0.8), abs=0.06)
    z, y = generated(60_000, 0.6, 0.0)
    assert fit_temperature(z, y) == pytest.approx(0.6, abs=0.03)


def test_soft_labels_are_the_same_as_their_votes():
    z = np.random.default_rng(0).normal(0, 2, 200)
    share = np.round(expit(z) * 3) / 3
    votes = np.stack([share, 1 - share], axis=1).ravel()
    hard = np.tile([1.0, 0.0], 200)
    soft = fit_calibration(z, share, smooth=False)
    assert fit_calibration(np.repeat(z, 2), hard, votes, smooth=False) == pytest.approx(soft, rel=1e-4)


def test_temperature_is_the_minimum_of_the_log_loss():
    z, y = generated(3000, 3.0, 0.0)

    def loss(temperature):
        return np.mean(np.logaddexp(0, z / temperature) - y * z / temperature)

    reference = minimize_scalar(loss, bounds=(0.1, 20), method="bounded", options={"xatol": 1e-8}).x
    assert fit_temperature(z, y) == pytest.approx(reference, rel=0.01)


@given(st.floats(0.2, 5), st.floats(-3, 3))
@settings(max_examples=20, deadline=None)
def test_scaling_and_shifting_the_logits_moves_the_calibration_with_them(scale, shift):
    z, y = generated(400, 1.5, 0.5)
    temperature, bias = fit_calibration(z, y)
    moved = fit_calibration(z * scale + shift, y)
    assert moved == pytest.approx((temperature * scale, bias * scale + shift), rel=1e-3, abs=1e-3)


def test_calibrated_probabilities_follow_the_formula():
    np.testing.assert_allclose(calibrated([0.0, 2.0], 2.0, 2.0), [expit(-1), 0.5])


def test_perfectly_separated_labels_stay_finite_when_smoothed():
    z, y = np.array([-3.0, -2, 2, 3]), np.array([0.0, 0, 1, 1])
    temperature, _ = fit_calibration(z, y)
    assert 0.1 < temperature < 10
    with pytest.raises(EvaluationError, match="separate the labels perfectly"):
        fit_calibration(z, y, smooth=False)


@pytest.mark.parametrize(
    ("z", "t", "words"),
    [
        ([1.0, 2.0], [1.0, 1.0], "both classes"),
        ([1.0, np.nan], [0.0, 1.0], "finite"),
        ([1.0, 2.0], [0.0, np.nan], "row 1: nan"),
        ([2.0, 1.0, 2.1, 0.9], [0.0, 1.0, 0.0, 1.0], "do not rise"),
        ([1.0, 2.0], [1.0, 0.0, 1.0], "3 scores for 2"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(z, t, words):
    with pytest.raises(EvaluationError, match=words):
        fit_calibration(z, t)


def test_ece_is_the_metric_and_zero_for_a_perfect_step():
    rng = np.random.default_rng(0)
    y, p = (rng.random(400) < 0.4).astype(float), rng.random(400)
    assert expected_calibration_error(y, p) == pytest.approx(binary_metrics(y, p, 0.5)["ece"][0])
    assert expected_calibration_error([0, 1, 0, 1], [0.5] * 4) == 0
    assert expected_calibration_error([], []) is None


def test_reliability_agrees_with_sklearn_and_keeps_empty_bins():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.2, 1.0, 500)
    y = (rng.random(500) < p).astype(float)
    bins = reliability(y, p)
    shares, means = calibration_curve(y, p, n_bins=10)
    filled = [part for part in bins if part.figures]
    np.testing.assert_allclose([part.share for part in filled], shares)
    np.testing.assert_allclose([part.mean_p for part in filled], means)
    assert bins[0].share is None
    assert sum(part.figures for part in bins) == 500
    assert all(part.share_low <= part.share <= part.share_high for part in filled)
