"""McNemar's test against scipy, all swaps of small samples, and simulation."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from atypica.core.errors import EvaluationError
from atypica.evaluation import ranktests
from atypica.evaluation.mcnemar import FEW_DISCORDANT, mcnemar_p, mcnemar_test


def decisions(only_first: int, only_second: int, both: int = 6):
    one = np.array([1] * only_first + [0] * only_second + [1] * both)
    two = np.array([0] * only_first + [1] * only_second + [1] * both)
    return one, two


@given(st.integers(0, 40), st.integers(0, 40))
def test_p_is_that_of_the_binomial_test(b, c):
    found = mcnemar_test(*decisions(b, c))
    if not b + c:
        assert (found.p, found.reason) == (None, "no figure on which only one is right")
    elif b + c < FEW_DISCORDANT:
        assert found.p == pytest.approx(stats.binomtest(b, b + c).pvalue)
        assert found.test.endswith("exact")
    else:
        below = stats.binom.cdf(min(b, c) - 1, b + c, 0.5)
        assert found.p == pytest.approx(min(1.0, 2 * below + stats.binom.pmf(min(b, c), b + c, 0.5)))
        assert found.test.endswith("mid-p")


def test_mid_p_is_the_mean_of_p_and_of_the_p_beyond():
    # Fagerland et al. 2013: exact p less half the chance of the outcome, on each side. 12 against 4 by hand.
    exact = 2 * sum(stats.binom.pmf(k, 16, 0.5) for k in range(5))
    assert mcnemar_p(12, 4, mid=False) == pytest.approx(exact)
    assert mcnemar_p(12, 4, mid=True) == pytest.approx(exact - stats.binom.pmf(4, 16, 0.5))
    assert mcnemar_p(7, 7, mid=True) == pytest.approx(1.0)
    assert mcnemar_p(0, 0, mid=True) == 1.0


def test_a_case_to_each_figure_is_the_exact_test():
    one, two = decisions(9, 3)
    found = mcnemar_test(one, two, [f"c{k}" for k in range(len(one))])
    assert found.p == pytest.approx(stats.binomtest(9, 12).pvalue)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 6)), min_size=1, max_size=30))
@settings(max_examples=60)
def test_by_case_is_the_test_of_all_swaps_of_cases(rows):
    one, two, case = (np.array(part) for part in zip(*rows, strict=True))
    surplus = np.array([np.sum(one[case == c].astype(int) - two[case == c]) for c in set(case.tolist())])
    sums = np.array([abs(np.dot(signs, surplus)) for signs in product([-1, 1], repeat=len(surplus))])
    found = mcnemar_test(one, two, case)
    if not surplus.any():
        assert (found.p, found.reason) == (None, "in no case is one more often right")
    else:
        assert found.p == pytest.approx(np.mean(sums >= abs(surplus.sum())))


def test_the_odds_ratio_has_the_interval_of_its_share():
    effect = mcnemar_test(*decisions(12, 4)).effects["odds_ratio"]
    low, high = stats.beta.ppf(0.025, 12, 5), stats.beta.ppf(0.975, 13, 4)
    assert effect.value == 3
    assert (effect.interval.low, effect.interval.high) == (
        pytest.approx(low / (1 - low)),
        pytest.approx(high / (1 - high)),
    )
    assert mcnemar_test(*decisions(3, 0)).effects["odds_ratio"].reason == "infinite: 3 figures to 0"
    assert mcnemar_test(*decisions(0, 3)).effects["odds_ratio"].value == 0
    assert mcnemar_test(*decisions(12, 4, 4)).effects["accuracy_difference"].value == pytest.approx(0.4)


def test_many_cases_are_approximated_and_say_so(monkeypatch):
    rng = np.random.default_rng(0)
    one, two, case = rng.random(900) < 0.83, rng.random(900) < 0.8, np.arange(900) // 3
    exact = mcnemar_test(one, two, case)
    monkeypatch.setattr(ranktests, "MOST_STEPS", 10)
    near = mcnemar_test(one, two, case)
    assert near.test.endswith("normal approximation")
    assert near.p == pytest.approx(exact.p, rel=0.15)


def test_decisions_must_be_of_the_same_figures():
    with pytest.raises(EvaluationError, match="shapes"):
        mcnemar_test([1, 0], [1, 0, 1])


@pytest.mark.slow
def test_under_the_null_it_rejects_as_often_as_it_says():
    rng = np.random.default_rng(0)
    tests = [mcnemar_test(*(rng.random((2, 300)) < 0.8)) for _ in range(3000)]
    assert 0.03 < np.mean([test.p <= 0.05 for test in tests]) < 0.062
    few = [mcnemar_test(*(rng.random((2, 40)) < 0.8)).p for _ in range(3000)]
    assert np.mean([p is not None and p <= 0.05 for p in few]) < 0.06


@pytest.mark.slow
def test_with_cases_only_the_test_by_case_holds_its_level():
    """Each model is bad at cases of its own."""
    rng = np.random.default_rng(1)
    case = np.repeat(np.arange(50), 10)
    by_figure, by_case = [], []
    for _ in range(1000):
        skill = rng.choice([0.6, 0.95], size=(2, 50))[:, case]
        right = rng.random((2, 500)) < skill
        by_figure.append(mcnemar_test(*right).p)
        by_case.append(mcnemar_test(*right, case).p)
    assert np.mean(np.array(by_figure) <= 0.05) > 0.1
    assert 0.025 < np.mean(np.array(by_case) <= 0.05) < 0.07
