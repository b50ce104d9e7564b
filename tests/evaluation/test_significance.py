"""Holm's adjustment, the smallest p of a design, and summaries of folds."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atypica.core.errors import EvaluationError
from atypica.evaluation.ranktests import mann_whitney_u, wilcoxon_signed_rank
from atypica.evaluation.significance import (
    FoldSummary,
    Significance,
    adjusted,
    holm,
    smallest_paired_p,
    smallest_unpaired_p,
)


def closed_testing(p: list[float]) -> list[float]:
    """Holm is the closure of Bonferroni: the adjusted p is the largest Bonferroni p of any set that holds the test."""
    found = [0.0] * len(p)
    for chosen in product([False, True], repeat=len(p)):
        members = [k for k, taken in enumerate(chosen) if taken]
        for k in members:
            found[k] = max(found[k], min(1.0, len(members) * min(p[m] for m in members)))
    return found


@given(st.lists(st.floats(0, 1), min_size=1, max_size=7))
def test_holm_is_the_closure_of_bonferroni(p):
    assert holm(p) == pytest.approx(closed_testing(p))


def test_an_undefined_p_stays_so_and_does_not_count():
    assert holm([0.02, None, 0.03]) == [0.04, None, 0.04]
    tests = adjusted([Significance("a", 0.04), Significance("b", None, reason="no pairs")])
    assert [test.p_holm for test in tests] == [0.04, None]


def test_the_smallest_p_is_the_one_of_the_clearest_result():
    assert smallest_paired_p(5) == 0.0625
    for n in range(1, 9):
        assert wilcoxon_signed_rank(np.arange(1, n + 1), np.zeros(n)).p == smallest_paired_p(n)
        assert mann_whitney_u(np.arange(n) + 100, np.arange(4)).p == pytest.approx(smallest_unpaired_p(n, 4))
    assert smallest_paired_p(0) is None
    assert smallest_unpaired_p(0, 3) is None


def test_folds_are_summarized_with_n_minus_one_and_one_fold_has_no_sd():
    found = FoldSummary.of([0.1, 0.2, 0.6])
    assert (found.count, found.lowest, found.highest) == (3, 0.1, 0.6)
    assert (found.mean, found.sd) == (pytest.approx(0.3), pytest.approx(0.07**0.5))
    assert FoldSummary.of([0.5]).sd is None
    with pytest.raises(EvaluationError, match="no fold results"):
        FoldSummary.of([])
    with pytest.raises(EvaluationError, match="failed"):
        FoldSummary.of([0.5, np.nan])
