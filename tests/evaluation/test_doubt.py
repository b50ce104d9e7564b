"""Doubts by hand and against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atypica.core.errors import EvaluationError
from atypica.evaluation.doubt import closeness, ensemble_spread, most_doubtful, whole


def test_the_spread_is_the_sample_standard_deviation_of_the_members():
    p = np.random.default_rng(0).random((50, 5))
    assert ensemble_spread(p) == pytest.approx(np.std(p, axis=1, ddof=1))
    assert ensemble_spread([[0.2, 0.4, 0.6], [0.0, 1.0, np.nan]]) == pytest.approx([0.2, np.sqrt(0.5)])


def test_fewer_than_two_members_have_no_spread():
    assert np.isnan(ensemble_spread([[0.3, np.nan], [np.nan, np.nan]])).all()
    assert np.isnan(ensemble_spread([[0.3]])).all()


@pytest.mark.parametrize("p", [[0.2, 0.4], [[0.2, 1.4]]])
def test_what_is_no_table_of_probabilities_is_refused(p):
    with pytest.raises(EvaluationError):
        ensemble_spread(p)


def test_closeness_is_zero_at_the_threshold_and_alike_on_both_sides_in_log_odds():
    # log-odds of 0.8 is log 4, of 0.5 is 0
    assert closeness([0.5, 0.8, 0.2, 0.9], 0.5) == pytest.approx([0, -np.log(4), -np.log(4), -np.log(9)])
    assert closeness([0.2], 0.8) == pytest.approx([-2 * np.log(4)])
    assert np.isfinite(closeness([0.0, 1.0], 0.5)).all()


@given(
    doubt=st.lists(st.integers(0, 5), min_size=1, max_size=60),
    share=st.floats(0, 1, exclude_max=True),
)
def test_as_many_whole_figures_as_the_share_holds_whatever_the_ties(doubt: list[int], share: float):
    referred = most_doubtful(doubt, share)
    values = np.array(doubt)
    assert referred.sum() <= share * len(doubt) + 1e-6
    assert referred.sum() > share * len(doubt) - 1
    if referred.any() and not referred.all():
        edge = values[referred].min()
        assert edge >= values[~referred].max()
        tied = np.flatnonzero(values == edge)
        assert referred[tied].tolist() == sorted(referred[tied].tolist(), reverse=True)  # the first of equals go first


@pytest.mark.parametrize(("share", "figures", "wanted"), [(0.1, 30, 3), (0.29, 100, 29), (0.1, 9, 0), (0.0, 9, 0)])
def test_whole_figures(share, figures, wanted):
    assert whole(share, figures) == wanted


@pytest.mark.parametrize(("doubt", "share"), [([0.1, np.nan], 0.5), ([0.1], 1.0), ([0.1], -0.1), ([[0.1]], 0.5)])
def test_impossible_doubts_and_shares_are_refused(doubt, share):
    with pytest.raises(EvaluationError):
        most_doubtful(doubt, share)
