"""Intervals of all metrics at once: properties, undefined cases, and (slow) coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from atypica.core.errors import EvaluationError
from atypica.evaluation.binary import METRICS, binary_estimates, binary_metrics
from atypica.evaluation.bootstrap import BootstrapSettings
from atypica.evaluation.resampling import UNGROUPED

QUICK = BootstrapSettings(replicates=300)


def sample(seed: int, cases: int = 40, size: int = 8, spread: float = 0.6):
    """Figures of cases that differ in prevalence and in how strongly they score."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(cases), 1 + rng.poisson(size, cases))
    prevalence = 1 / (1 + np.exp(1.2 - rng.normal(0, 0.8, cases)))
    y = (rng.random(len(codes)) < prevalence[codes]).astype(float)
    z = rng.normal(2 * y - 1 + rng.normal(0, spread, cases)[codes], 1)
    return y, 1 / (1 + np.exp(-z)), codes.astype(str).astype(object)


@given(st.integers(0, 10_000))
@settings(max_examples=8, deadline=None)
def test_the_interval_contains_the_estimate_which_is_the_plain_metric(seed):
    y, p, cases = sample(seed)
    plain = binary_metrics(y, p, 0.5)
    for name, found in binary_estimates(y, p, 0.5, cases, QUICK).items():
        assert found.value == pytest.approx(float(plain[name][0])), name
        assert found.interval.low <= found.value <= found.interval.high, name


def test_permuting_the_figures_changes_no_interval():
    y, p, cases = sample(1)
    order = np.random.default_rng(0).permutation(len(y))
    for given_cases in (cases, None):
        shuffled = None if given_cases is None else given_cases[order]
        first, second = (
            binary_estimates(y, p, 0.5, given_cases, QUICK),
            binary_estimates(y[order], p[order], 0.5, shuffled, QUICK),
        )
        for name in METRICS:
            assert first[name].interval.low == pytest.approx(second[name].interval.low, abs=1e-12), name
            assert first[name].interval.high == pytest.approx(second[name].interval.high, abs=1e-12), name


def test_cases_that_differ_widen_the_interval():
    y, p, cases = sample(2, spread=2.0)
    grouped, single = binary_estimates(y, p, 0.5, cases, QUICK), binary_estimates(y, p, 0.5, None, QUICK)
    for name in ("specificity", "accuracy"):
        wide, narrow = grouped[name].interval, single[name].interval
        assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)
        assert narrow.note == UNGROUPED
        assert wide.note == ""


def test_figure_level_sensitivity_agrees_with_the_binomial():
    y, p, _ = sample(3, cases=80)
    found = binary_estimates(y, p, 0.5, None, BootstrapSettings(replicates=4000))["specificity"]
    n = int((y == 0).sum())
    half = 1.96 * np.sqrt(found.value * (1 - found.value) / n)
    assert found.interval.low == pytest.approx(found.value - half, abs=0.15 * half)
    assert found.interval.high == pytest.approx(found.value + half, abs=0.15 * half)


def test_percentile_agrees_with_scipy_on_a_mean():
    y, p, _ = sample(4, cases=50)
    mine = binary_estimates(y, p, 0.5, None, BootstrapSettings(replicates=4000))["brier"].interval
    reference = stats.bootstrap(((p - y) ** 2,), np.mean, n_resamples=4000, method="percentile", rng=0)
    low, high = reference.confidence_interval
    assert (mine.low, mine.high) == pytest.approx((low, high), abs=0.1 * (high - low))


def test_bca_is_offered_and_says_so():
    y, p, cases = sample(5)
    found = binary_estimates(y, p, 0.5, cases, BootstrapSettings(replicates=300, method="bca"))
    assert found["auroc"].interval.method == "case-level bootstrap, BCa"
    assert found["auroc"].interval.low < found["auroc"].value < found["auroc"].interval.high


def test_without_amf_the_rest_still_has_intervals():
    rng = np.random.default_rng(0)
    found = binary_estimates(np.zeros(60), rng.random(60), 0.5, np.repeat(np.arange(30), 2).astype(object), QUICK)
    assert found["sensitivity"].value is None
    assert found["sensitivity"].reason == "no AMF figures"
    assert found["specificity"].interval.low < found["specificity"].value < found["specificity"].interval.high


def test_one_case_with_amf_gives_no_interval_where_amf_counts():
    y, p, cases = sample(6)
    y = np.where(cases == "0", y, 0.0)
    y[0] = 1
    found = binary_estimates(y, p, 0.5, cases, QUICK)
    assert found["sensitivity"].value is not None
    assert found["sensitivity"].interval is None
    assert found["auroc"].reason == "no interval: only one case holds AMF"
    assert found["specificity"].interval is not None


def test_a_metric_that_most_resamples_leave_undefined_has_no_interval():
    y = np.tile([0.0, 1.0], 30)
    p = np.full(60, 0.1)
    p[1] = 0.9
    found = binary_estimates(y, p, 0.5, None, QUICK)["ppv"]
    assert found.value == 1
    assert found.interval is None
    assert "undefined in" in found.reason


def test_a_perfect_score_is_not_given_an_interval_of_no_width():
    y = np.tile([0.0, 1.0], 10)
    found = binary_estimates(y, 0.1 + 0.8 * y, 0.5, None, QUICK)["sensitivity"]
    assert found.value == 1
    assert found.interval is None
    assert found.reason == "no interval: every resample gives the same value"


def test_no_resamples_leave_bare_numbers():
    y, p, cases = sample(7)
    found = binary_estimates(y, p, 0.5, cases, BootstrapSettings(replicates=0))["auroc"]
    assert found.interval is None
    assert found.reason == "no resamples asked for"


@pytest.mark.slow
@pytest.mark.parametrize(("cases", "least"), [(12, 0.86), (40, 0.90)])
def test_coverage_of_the_case_level_interval(cases, least):
    y, p, _ = sample(0, cases=40_000)
    truth = {name: float(value[0]) for name, value in binary_metrics(y, p, 0.5).items()}
    names = ("balanced_accuracy", "sensitivity", "specificity", "auroc", "brier", "f1")
    hits, naive = dict.fromkeys(names, 0), 0
    rounds = 300
    for seed in range(1, rounds + 1):
        y, p, groups = sample(seed, cases=cases)
        found = binary_estimates(y, p, 0.5, groups, BootstrapSettings(replicates=500))
        for name in names:
            interval = found[name].interval
            hits[name] += interval is not None and interval.low <= truth[name] <= interval.high
        single = binary_estimates(y, p, 0.5, None, BootstrapSettings(replicates=200))["specificity"].interval
        naive += single.low <= truth["specificity"] <= single.high
    for name in names:
        assert least <= hits[name] / rounds <= 0.99, (name, hits[name] / rounds)
    assert naive / rounds < hits["specificity"] / rounds - 0.05


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"replicates": -1}])
def test_negative_settings_are_refused(wrong):
    with pytest.raises(EvaluationError, match="-1 is not possible"):
        BootstrapSettings(**wrong)
