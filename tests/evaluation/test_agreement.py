"""Agreement against published worked examples, scikit-learn, and brute force."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from atypica.core.errors import EvaluationError
from atypica.evaluation.agreement import (
    agreement,
    cohen_kappa,
    expert_against_others,
    fleiss_kappa,
    full_agreement,
    krippendorff_alpha,
    pairwise_agreement,
)

NAN = np.nan
VOTES = st.lists(st.lists(st.sampled_from([0.0, 1.0, NAN]), min_size=3, max_size=3), min_size=2, max_size=25)


def test_krippendorff_of_his_own_binary_example():
    # Krippendorff, "Computing Krippendorff's alpha-reliability" (2011), two observers, ten units: 0.095.
    first, second = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    assert krippendorff_alpha(np.array([first, second]).T) == pytest.approx(0.095, abs=5e-4)


def test_krippendorff_of_his_own_example_with_missing_ratings():
    # The same text, four observers, twelve units, five categories, missing ratings: nominal alpha 0.743.
    observers = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
    assert krippendorff_alpha(np.array(observers).T) == pytest.approx(0.743, abs=5e-4)


def test_fleiss_of_the_textbook_example():
    # Ten subjects, fourteen raters, five categories: kappa 0.210 (the standard example after Fleiss 1971).
    counts = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    ratings = np.array([np.repeat(np.arange(5), row) for row in counts], dtype=float)
    assert fleiss_kappa(ratings) == pytest.approx(0.210, abs=5e-4)


def test_cohen_of_a_two_by_two_table():
    # 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: p_o 0.70, p_e 0.50, kappa 0.40.
    first, second = np.repeat([1, 1, 0, 0], [20, 5, 10, 15]), np.repeat([1, 0, 1, 0], [20, 5, 10, 15])
    assert cohen_kappa(first, second) == pytest.approx(0.4)


@given(VOTES)
def test_cohen_agrees_with_sklearn_where_both_read(votes):
    a, b = np.array(votes)[:, 0], np.array(votes)[:, 1]
    both = ~np.isnan(a) & ~np.isnan(b)
    mine = cohen_kappa(a, b)
    if len(set(a[both]) | set(b[both])) < 2:
        assert mine is None
    else:
        assert mine == pytest.approx(sk.cohen_kappa_score(a[both], b[both]))


def brute_alpha(votes: np.ndarray) -> float | None:
    """From the definition: every ordered pair of ratings, within figures and among all pairable ratings."""
    units = [row[~np.isnan(row)] for row in votes]
    units = [row for row in units if len(row) >= 2]
    pool = np.concatenate(units) if units else np.zeros(0)
    expected = [a != b for a, b in permutations(pool, 2)]
    if not any(expected):
        return None
    observed = sum(sum(a != b for a, b in permutations(row, 2)) / (len(row) - 1) for row in units) / len(pool)
    return 1 - observed / np.mean(expected)


@given(VOTES)
@settings(max_examples=60, deadline=None)
def test_alpha_and_pairwise_agreement_by_brute_force(votes):
    values = np.array(votes)
    mine, wanted = krippendorff_alpha(values), brute_alpha(values)
    assert mine == (None if wanted is None else pytest.approx(wanted))
    pairs = [a == b for row in values for a, b in permutations(row[~np.isnan(row)], 2)]
    assert pairwise_agreement(values) == (pytest.approx(np.mean(pairs)) if pairs else None)


@settings(deadline=None)
@given(VOTES, st.permutations([0, 1, 2]))
def test_experts_have_no_order_and_classes_no_side(votes, order):
    values = np.array(votes)
    first = agreement(values)
    for other in (agreement(values[:, order]), agreement(1 - values), agreement(values[::-1])):
        for name in ("figures", "full", "pairwise", "fleiss", "krippendorff"):
            mine, theirs = getattr(first, name), getattr(other, name)
            assert mine == (None if theirs is None else pytest.approx(theirs)), name


def test_one_expert_alone_is_no_agreement():
    found = agreement(np.array([[1.0, NAN], [0.0, NAN]]))
    assert (found.figures, found.full, found.pairwise, found.fleiss, found.krippendorff) == (0, None, None, None, None)
    assert found.pairs[0].kappa is None


def test_experts_who_always_say_the_same_leave_kappa_undefined():
    found = agreement(np.zeros((5, 3)))
    assert found.full == 1
    assert found.fleiss is None
    assert found.krippendorff is None


def test_full_agreement_leaves_out_figures_read_once():
    assert full_agreement([[1, 1, NAN], [1, 0, 1], [1, NAN, NAN]]) == 0.5


def test_an_expert_against_the_others_majority():
    votes = np.array([[1, 1, 1], [1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 1, 0], [NAN, 1, 1], [1, 1, NAN]])
    found = expert_against_others(votes, 0)
    assert (found.confusion.tp, found.confusion.fp, found.confusion.fn, found.confusion.tn) == (2, 1, 1, 1)
    assert (found.figures, found.ties) == (5, 1)
    assert found.balanced_accuracy == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert expert_against_others(np.array([[0.0, 0, 0]]), 1).sensitivity is None


def test_categories_beyond_votes_have_no_majority_table():
    assert agreement(np.array([[3.0, 3], [4, 2]])).against_others == ()


def test_one_column_of_numbers_is_refused():
    with pytest.raises(EvaluationError, match="shape"):
        agreement([1.0, 0.0])


@pytest.mark.real
def test_the_three_experts_of_ami_br(real_data):
    rows = pd.read_csv(real_data / "AMi-Br" / "AMI-BR.csv")
    votes = rows[[f"expert{k}_atypical" for k in (1, 2, 3)]].to_numpy(dtype=float)
    found = agreement(votes)
    # Unanimous in 78.2 % (Bertram et al., BVM 2025).
    assert round(found.full, 3) == 0.782
    assert len(found.against_others) == 3
    assert found.krippendorff == pytest.approx(found.fleiss, abs=1e-3)
