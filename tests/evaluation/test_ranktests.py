"""Rank tests against scipy, and against every arrangement of small samples."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from atypica.core.errors import EvaluationError
from atypica.evaluation import ranktests
from atypica.evaluation.ranktests import mann_whitney_u, sign_flip_p, wilcoxon_signed_rank

tied = st.lists(st.integers(-4, 4), min_size=1, max_size=8)


def every_sign(differences) -> float:
    """The exact signed-rank p by going through all signs."""
    moved = np.array([d for d in differences if d])
    ranks = stats.rankdata(np.abs(moved))
    observed = abs(np.sum(np.sign(moved) * ranks))
    sums = [abs(np.dot(signs, ranks)) for signs in product([-1, 1], repeat=len(moved))]
    return float(np.mean(np.array(sums) >= observed - 1e-9))


def every_split(first, second) -> float:
    """The exact rank-sum p by going through all ways to choose the first group."""
    ranks = stats.rankdata([*first, *second])
    mean = len(first) * ranks.mean()
    observed = abs(ranks[: len(first)].sum() - mean)
    sums = [abs(ranks[list(chosen)].sum() - mean) for chosen in combinations(range(len(ranks)), len(first))]
    return float(np.mean(np.array(sums) >= observed - 1e-9))


@given(tied.filter(any))
@settings(max_examples=60)
def test_signed_rank_with_ties_and_zeros_is_exact(differences):
    found = wilcoxon_signed_rank(differences, np.zeros(len(differences)))
    assert found.p == pytest.approx(every_sign(differences))
    assert "exact" in found.test


@given(tied, tied)
@settings(max_examples=60)
def test_rank_sum_with_ties_is_exact(first, second):
    found = mann_whitney_u(first, second)
    if len(set(first + second)) == 1:
        assert (found.p, found.reason) == (None, "all values are the same")
    else:
        assert found.p == pytest.approx(every_split(first, second))


@pytest.mark.parametrize("n", [5, 12, 35, 60])
def test_without_ties_both_are_scipys(n):
    rng = np.random.default_rng(n)
    one, two = rng.normal(0.3, 1, n), rng.normal(0, 1, n)
    found, scipys = wilcoxon_signed_rank(one, two), stats.wilcoxon(one, two, method="exact")
    assert (found.p, found.statistic) == (pytest.approx(scipys.pvalue), scipys.statistic)
    found, scipys = mann_whitney_u(one, two[: n // 2]), stats.mannwhitneyu(one, two[: n // 2], method="exact")
    assert (found.p, found.statistic) == (pytest.approx(scipys.pvalue), scipys.statistic)


def test_large_samples_are_approximated_and_say_so(monkeypatch):
    rng = np.random.default_rng(0)
    one, two = rng.normal(0.3, 1, 80), rng.normal(0, 1, 80)
    exact = wilcoxon_signed_rank(one, two).p, mann_whitney_u(one, two).p
    monkeypatch.setattr(ranktests, "MOST_STEPS", 100)
    near = wilcoxon_signed_rank(one, two), mann_whitney_u(one, two)
    assert all("normal approximation" in test.test for test in near)
    assert [test.p for test in near] == pytest.approx(exact, abs=5e-4)


def test_effect_sizes_by_their_formulas():
    # Differences 1, 2, 3, -4, 5: ranks in favor 11 of 15, against 4.
    effects = wilcoxon_signed_rank([1, 2, 3, -4, 5], [0] * 5).effects
    assert effects["rank_biserial"].value == pytest.approx((11 - 4) / 15)
    assert (effects["mean_difference"].value, effects["median_difference"].value) == (pytest.approx(1.4), 2)
    one, two = [1, 3, 3, 7], [2, 3, 5]
    signs = np.sign(np.subtract.outer(one, two))
    effects = mann_whitney_u(one, two).effects
    assert effects["cliffs_delta"].value == pytest.approx(signs.mean())
    assert effects["common_language"].value == pytest.approx(np.mean((signs + 1) / 2))


def test_the_sides_change_the_signs_alone():
    rng = np.random.default_rng(3)
    one, two = rng.normal(size=9).round(1), rng.normal(size=9).round(1)
    for test, effect in ((wilcoxon_signed_rank, "rank_biserial"), (mann_whitney_u, "cliffs_delta")):
        there, back = test(one, two), test(two, one)
        assert there.p == pytest.approx(back.p)
        assert there.effects[effect].value == pytest.approx(-back.effects[effect].value)


def test_bits_are_no_differences():
    # 0.3 - 0.2 and 0.4 - 0.3 differ in their last bits, and are a tie all the same.
    assert 0.3 - 0.2 != 0.4 - 0.3
    found = wilcoxon_signed_rank([0.3, 0.3, 0.1], [0.2, 0.4, 0.3])
    # Differences 0.1, -0.1, -0.2: ranks 1.5, 1.5 and 3.
    assert found.effects["rank_biserial"].value == pytest.approx((1.5 - 4.5) / 6)
    same = wilcoxon_signed_rank([0.1 + 0.2, 0.5], [0.3, 0.4])
    assert same.note == "1 of 2 pairs do not differ"


def test_undefined_is_said_and_pairs_must_be_pairs():
    assert wilcoxon_signed_rank([0.5, 0.6], [0.5, 0.6]).reason == "no pair differs"
    assert wilcoxon_signed_rank([], []).effects["mean_difference"].value is None
    assert mann_whitney_u([], [1.0]).p is None
    with pytest.raises(EvaluationError, match="no pairs"):
        wilcoxon_signed_rank([0.5], [0.5, 0.6])
    assert sign_flip_p(np.ones(5, dtype=np.int64), 5) == 0.0625


@pytest.mark.slow
def test_under_the_null_they_reject_as_often_as_they_say():
    """Exact tests reject in at most the nominal share of samples, and with enough of them in nearly that."""
    rng = np.random.default_rng(0)
    trials, level = 3000, 0.05
    error = 3 * (level * (1 - level) / trials) ** 0.5
    for n, decimals in ((12, 6), (20, 1)):
        paired = [wilcoxon_signed_rank(*rng.normal(size=(2, n)).round(decimals)).p for _ in range(trials)]
        unpaired = [mann_whitney_u(rng.normal(size=n).round(decimals), rng.normal(size=n).round(decimals)).p
                    for _ in range(trials)]  # fmt: skip
        for p in (paired, unpaired):
            assert level - 0.015 < np.mean(np.array(p) <= level) < level + error
