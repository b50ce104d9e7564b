"""Interval formulas against scipy and published values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from atypica.evaluation.intervals import bca_limits, percentile_limits, shifted_limits, wilson


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_agrees_with_scipy_and_contains_the_share(counts):
    successes, total = counts
    mine = wilson(successes, total)
    reference = stats.binomtest(successes, total).proportion_ci(method="wilson")
    assert (mine.low, mine.high) == pytest.approx((reference.low, reference.high), abs=1e-12)
    assert 0 <= mine.low <= successes / total <= mine.high <= 1


def test_wilson_of_a_published_example():
    # Newcombe, Statistics in Medicine 1998, table I: 81 of 263 gives 0.2553 to 0.3662.
    interval = wilson(81, 263)
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.2553, 0.3662)


def test_wilson_of_nothing_is_undefined():
    assert wilson(0, 0) is None


def test_percentiles_widen_with_few_units_by_the_t_distribution():
    draws = stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    low, high = percentile_limits(draws, units=10)
    wanted = stats.t.ppf(0.975, 9) * np.sqrt(10 / 9)
    assert (low, high) == pytest.approx((-wanted, wanted), abs=2e-3)
    assert percentile_limits(draws) == pytest.approx((-1.96, 1.96), abs=2e-3)
    assert percentile_limits(draws, units=1) == (draws[0], draws[-1])


def test_bca_agrees_with_scipy():
    sample = np.random.default_rng(0).lognormal(size=40)
    reference = stats.bootstrap((sample,), np.mean, n_resamples=4000, method="BCa", rng=np.random.default_rng(1))
    left_out = np.array([np.delete(sample, k).mean() for k in range(len(sample))])
    mine = bca_limits(sample.mean(), reference.bootstrap_distribution, left_out)
    assert mine == pytest.approx(tuple(reference.confidence_interval), rel=1e-6)


def test_bca_is_undefined_when_every_replicate_lies_on_one_side():
    assert bca_limits(0.0, np.linspace(1, 2, 100), np.linspace(0, 1, 10)) is None


def test_bca_of_a_constant_is_that_constant():
    assert bca_limits(1.0, np.ones(100), np.ones(10)) == (1.0, 1.0)


def test_shifted_limits_surround_the_estimate_and_stay_above_zero():
    draws = np.random.default_rng(0).normal(0.1, 0.01, 5000)
    low, high = shifted_limits(0.005, draws)
    assert low == 0
    assert 0.02 < high < 0.03
