"""Thresholds: each rule does what it says, and the smoothed one carries over better."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, ndtr
from sklearn.metrics import balanced_accuracy_score, roc_curve

from atypica.core.errors import EvaluationError
from atypica.evaluation.thresholds import (
    max_balanced_accuracy,
    prevalence_shifted,
    shift_prevalence,
    target_sensitivity,
    target_specificity,
    threshold_table,
    youden,
)


@st.composite
def figures(draw):
    n = draw(st.integers(4, 40))
    y = np.array(draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=n, max_size=n)))
    y[:2] = (0, 1)
    return y, np.array(draw(st.lists(st.integers(0, 12), min_size=n, max_size=n))) / 12


def rates(y, p, threshold):
    called = p >= threshold
    return called[y == 1].mean(), 1 - called[y == 0].mean()


def binormal(rng, n, prevalence=0.22):
    y = (rng.random(n) < prevalence).astype(float)
    y[:2] = (0, 1)
    return y, expit(rng.normal(2 * y - 1, 1))


@given(figures())
def test_youden_is_the_best_of_all_cuts(data):
    y, p = data
    fpr, tpr, _ = roc_curve(y, p, drop_intermediate=False)
    found = youden(y, p)
    assert 2 * found.balanced_accuracy - 1 == pytest.approx(np.max(tpr - fpr))
    assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(y, p >= found.value))


@given(figures(), st.integers(0, 10))
def test_targets_are_met_by_the_most_extreme_cut(data, tenths):
    y, p = data
    target = tenths / 10
    cuts = np.append(np.unique(p), 1.1)
    sensitive = target_sensitivity(y, p, target)
    best = max(s for t, s in ((t, rates(y, p, t)[1]) for t in cuts if rates(y, p, t)[0] >= target - 1e-9))
    assert sensitive.sensitivity >= target - 1e-9
    if p.max() < 1:
        assert sensitive.specificity == pytest.approx(best)
    specific = target_specificity(y, p, target)
    if not specific.note:
        assert specific.specificity >= target - 1e-9
        most = max(rates(y, p, t)[0] for t in cuts if rates(y, p, t)[1] >= target - 1e-9)
        assert specific.sensitivity == pytest.approx(most)


def test_a_target_out_of_reach_is_said():
    found = target_specificity([0, 1, 0], [1.0, 1.0, 0.2], 0.9)
    assert found.value == 1
    assert "no threshold reaches" in found.note


def test_neighboring_floats_are_told_apart():
    low = 0.5
    high = np.nextafter(low, 1)
    found = youden([0, 1], [low, high])
    assert (found.sensitivity, found.specificity) == (1, 1)


def test_the_smoothed_choice_finds_the_middle_of_two_normals():
    y, p = binormal(np.random.default_rng(0), 20_000)
    assert max_balanced_accuracy(y, p).value == pytest.approx(0.5, abs=0.02)


def test_the_smoothed_choice_loses_less_on_new_figures_than_the_raw_one():
    def loss(threshold):
        cut = np.log(threshold / (1 - threshold))
        return ndtr(1) - (ndtr(1 - cut) + ndtr(cut + 1)) / 2

    samples = [binormal(np.random.default_rng(seed), 300) for seed in range(60)]
    smooth = np.mean([loss(max_balanced_accuracy(y, p).value) for y, p in samples])
    raw = np.mean([loss(youden(y, p).value) for y, p in samples])
    assert smooth < raw / 2


def test_saturated_and_constant_scores_do_no_harm():
    found = max_balanced_accuracy([0, 0, 1, 1], [0.0, 0.0, 1.0, 1.0])
    assert found.balanced_accuracy == 1
    assert max_balanced_accuracy([0, 1, 0], [0.3, 0.3, 0.3]).note == "all scores are the same"


@given(st.floats(0.01, 0.99), st.floats(0.02, 0.98), st.floats(0.02, 0.98))
def test_a_shifted_threshold_is_the_threshold_of_shifted_scores(p, before, after):
    shifted = prevalence_shifted(0.4, before, after)
    if abs(p - shifted) > 1e-9:
        assert (p >= shifted) == (shift_prevalence(p, before, after) >= 0.4)
    back = shift_prevalence(shift_prevalence(p, before, after), after, before)
    assert back == pytest.approx(p)


def test_shifting_keeps_bayes_rule():
    # Likelihood ratio 3 at prevalence 0.5 is p 0.75; at prevalence 0.2 it is 0.6 / 1.4.
    assert shift_prevalence(0.75, 0.5, 0.2) == pytest.approx(0.6 / 1.4)


def test_the_table_has_a_row_a_threshold_and_none_for_the_undefined():
    rows = threshold_table([0, 1, 1], [0.2, 0.4, 0.8], [0.3, 0.9])
    assert rows[0]["balanced_accuracy"] == 1
    assert rows[0]["called_amf"] == pytest.approx(2 / 3)
    assert rows[1]["ppv"] is None
    assert [row["threshold"] for row in rows] == [0.3, 0.9]


def test_one_class_alone_and_bad_targets_are_refused():
    with pytest.raises(EvaluationError, match="no AMF figures"):
        youden([0, 0], [0.1, 0.2])
    with pytest.raises(EvaluationError, match="target 90"):
        target_sensitivity([0, 1], [0.1, 0.2], 90)
    with pytest.raises(EvaluationError, match="prevalence 0"):
        prevalence_shifted(0.5, 0, 0.2)
