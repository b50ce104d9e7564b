"""How figures are drawn again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atypica.core.errors import EvaluationError
from atypica.evaluation.resampling import UNGROUPED, Resampling, plan_resampling


def plan(y, cases=None) -> Resampling:
    labels = np.asarray(y, dtype=np.int64)
    return plan_resampling(labels, ("NMF", "AMF"), (np.arange(len(labels), dtype=float),), cases)


def drawn(planned: Resampling, replicates: int = 300, seed: int = 0):
    return np.concatenate(list(planned.draws(replicates, seed)))


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 9)), min_size=1, max_size=60))
@settings(max_examples=40)
def test_a_case_is_drawn_whole_and_as_many_cases_as_there_are(rows):
    y, cases = np.array([row[0] for row in rows]), np.array([f"c{row[1]}" for row in rows], dtype=object)
    weights = drawn(plan(y, cases), 20)
    names = sorted(set(cases))
    for case in names:
        assert np.all(np.ptp(weights[:, cases == case], axis=1) == 0)
    first = [int(np.argmax(cases == case)) for case in names]
    assert np.all(weights[:, first].sum(axis=1) == len(names))


def test_a_rare_class_never_vanishes_and_a_common_one_needs_no_strata():
    cases = np.repeat([f"c{k}" for k in range(30)], 5).astype(object)
    rare = np.zeros(150)
    rare[[0, 7]] = 1
    assert np.all(drawn(plan(rare, cases)) @ rare > 0)
    assert plan(rare, cases).method == "stratified case-level bootstrap"
    common = np.tile([1, 0, 0, 0, 0], 30)
    assert plan(common, cases).method == "case-level bootstrap"


def test_the_mean_weight_is_one():
    y = np.arange(200) % 5 == 0
    cases = (np.arange(200) % 40).astype(str).astype(object)
    assert drawn(plan(y, cases), 4000).mean(axis=0) == pytest.approx(np.ones(200), abs=0.1)


def test_the_seed_decides_and_the_order_of_figures_does_not():
    rng = np.random.default_rng(0)
    y, cases = rng.integers(0, 2, 50), rng.integers(0, 9, 50).astype(str).astype(object)
    order = rng.permutation(50)
    np.testing.assert_array_equal(drawn(plan(y, cases))[:, order], drawn(plan(y[order], cases[order])))
    assert not np.array_equal(drawn(plan(y, cases), seed=0), drawn(plan(y, cases), seed=1))


def test_leaving_out_takes_each_unit_once():
    cases = np.array(["a", "a", "b", "c"], dtype=object)
    left = np.concatenate(list(plan([0, 1, 0, 1], cases).left_out()))
    np.testing.assert_array_equal(left, [[0, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 0]])
    grouped = np.concatenate(list(plan(np.arange(1000) % 2).left_out(groups=400)))
    assert grouped.shape == (400, 1000)
    assert np.all((grouped == 0).sum(axis=0) == 1)


def test_notes_say_what_is_missing():
    assert plan([0, 1] * 50).note() == UNGROUPED
    few = np.repeat(["a", "b", "c"], 4).astype(object)
    assert plan([0, 1] * 6, few).note() == "3 cases, likely too narrow"
    many = np.array([f"c{k}" for k in range(60)], dtype=object)
    y = np.zeros(60)
    y[:4] = 1
    assert plan(y, many).note(("AMF",)) == "4 cases with AMF, likely too narrow"
    assert plan(y, many).note(("NMF",)) == ""


@pytest.mark.parametrize("blank", [None, np.nan, " "])
def test_a_blank_case_is_refused(blank):
    with pytest.raises(EvaluationError, match=r"1 figures have no case .*row 1"):
        plan([0, 1], np.array(["a", blank], dtype=object))
