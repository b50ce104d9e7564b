"""The corrected rate against worked numbers, an inversion, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atypica.core.errors import EvaluationError
from atypica.evaluation.prevalence import IMPOSSIBLE, NEAR_CHANCE, Accuracy, corrected_rate, effective_size


@given(rate=st.floats(0.02, 0.98), sensitivity=st.floats(0.7, 1), specificity=st.floats(0.7, 1))
def test_a_rate_seen_through_the_classifier_comes_back(rate: float, sensitivity: float, specificity: float):
    seen = rate * sensitivity + (1 - rate) * (1 - specificity)
    found = corrected_rate(seen * 1000, 1000, Accuracy(sensitivity, specificity, 1000, 1000))
    assert found.value == pytest.approx(rate, abs=1e-9)
    assert found.interval
    assert found.interval.low <= rate <= found.interval.high


def test_interval_is_that_of_a_parametric_bootstrap_where_all_samples_are_large():
    rng = np.random.default_rng(0)
    accuracy, called, figures = Accuracy(0.85, 0.8, 900, 1800), 700, 2000
    rates = rng.binomial(figures, called / figures, 200_000) / figures
    sensitivity = rng.binomial(900, 0.85, 200_000) / 900
    specificity = rng.binomial(1800, 0.8, 200_000) / 1800
    wanted = np.quantile((rates + specificity - 1) / (sensitivity + specificity - 1), [0.025, 0.975])
    interval = corrected_rate(called, figures, accuracy).interval
    assert interval
    assert [interval.low, interval.high] == pytest.approx(wanted, abs=0.003)


def test_a_perfect_and_well_known_classifier_changes_nothing():
    found = corrected_rate(20, 100, Accuracy(1, 1, 1e9, 1e9))
    assert found.value == pytest.approx(0.2)
    assert found.interval
    # Agresti and Coull's interval of 20 of 100.
    center = (20 + 1.959964**2 / 2) / (100 + 1.959964**2)
    half = 1.959964 * np.sqrt(center * (1 - center) / (100 + 1.959964**2))
    assert [found.interval.low, found.interval.high] == pytest.approx([center - half, center + half], abs=1e-6)


def test_a_doubtful_classifier_widens_the_interval():
    sure, doubtful = (corrected_rate(30, 100, Accuracy(0.9, 0.85, n, n)).interval for n in (5000, 40))
    assert sure
    assert doubtful
    assert doubtful.high - doubtful.low > 1.2 * (sure.high - sure.low)


@pytest.mark.parametrize(("called", "clamped"), [(8, 0.0), (91, 1.0)])
def test_a_rate_beyond_the_ends_is_clamped_and_marked(called: int, clamped: float):
    found = corrected_rate(called, 100, Accuracy(0.9, 0.9, 100, 100))
    assert found.value == clamped
    assert found.interval
    assert found.interval.note == f"clamped to {clamped:g}"
    assert 0 <= found.interval.low <= clamped <= found.interval.high <= 1


def test_undefined_is_undefined_with_a_reason():
    assert corrected_rate(0, 0, Accuracy(0.9, 0.9, 9, 9)).reason == "no figures"
    assert corrected_rate(5, 10, Accuracy(0.55, 0.5, 30, 30)).reason == NEAR_CHANCE
    hopeless = corrected_rate(0, 10_000, Accuracy(0.9, 0.7, 5000, 5000))
    assert (hopeless.value, hopeless.interval, hopeless.reason) == (None, None, IMPOSSIBLE)


def test_impossible_counts_are_refused():
    with pytest.raises(EvaluationError, match="11 of 10"):
        corrected_rate(11, 10, Accuracy(0.9, 0.9, 9, 9))
    with pytest.raises(EvaluationError, match="not possible"):
        Accuracy(0.9, 1.2, 9, 9)


def test_figures_that_repeat_within_their_case_are_worth_one_each():
    rng = np.random.default_rng(1)
    one = rng.integers(2, size=200)
    cases = np.repeat(np.arange(200), 5)
    assert effective_size(np.repeat(one, 5), cases.tolist()) == pytest.approx(199, rel=0.01)
    assert effective_size(np.repeat(one, 5), None) == 1000


def test_effective_size_is_never_above_the_figures_and_plain_where_nothing_varies():
    assert effective_size([1, 0] * 50, np.repeat(np.arange(50), 2).tolist()) == 100
    assert effective_size([1] * 10, list("aabbccddee")) == 10
    assert effective_size([1, 0], ["a", "a"]) == 2


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.3, 0.7])
@pytest.mark.parametrize("figures", [30, 300])
def test_the_interval_covers_the_true_rate(rate: float, figures: int):
    rng = np.random.default_rng(2)
    covered: list[bool] = []
    for _ in range(2000):
        called = rng.binomial(figures, rate * 0.8 + (1 - rate) * 0.15)
        accuracy = Accuracy(rng.binomial(80, 0.8) / 80, rng.binomial(160, 0.85) / 160, 80, 160)
        interval = corrected_rate(called, figures, accuracy).interval
        covered.append(interval is None or interval.low <= rate <= interval.high)
    assert 0.935 <= np.mean(covered) <= 1.0


@pytest.mark.slow
def test_the_interval_covers_the_true_rate_of_figures_in_cases():
    rng = np.random.default_rng(3)
    covered: list[bool] = []
    for _ in range(600):
        rates = rng.beta(2, 6, 40)
        cases = np.repeat(np.arange(40), 20)
        truth = rng.random(800) < rates[cases]
        called = np.where(truth, rng.random(800) < 0.8, rng.random(800) < 0.15)
        size = effective_size(called, cases.tolist())
        interval = corrected_rate(called.mean() * size, size, Accuracy(0.8, 0.85, 1e6, 1e6)).interval
        assert interval
        covered.append(interval.low <= 0.25 <= interval.high)
    assert 0.92 <= np.mean(covered) <= 0.98
