"""The thresholds of a card, from held-out probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.metrics import balanced_accuracy_score, recall_score, roc_curve

from atypica.inference.operating import choose_thresholds


@pytest.fixture(scope="module")
def held_out():
    random = np.random.default_rng(7)
    labels = (random.random(2000) < 0.25).astype(float)
    return labels, expit(random.normal(-1.5 + 1.8 * labels, 1.0))


@pytest.fixture(scope="module")
def thresholds(held_out):
    return choose_thresholds(*held_out, referred=0.1, chosen_by="test")


def test_youden_is_the_best_step_of_the_roc_curve(held_out, thresholds):
    labels, p = held_out
    false_alarms, hits, _ = roc_curve(labels, p)
    called = p >= thresholds.others["youden"]
    assert recall_score(labels, called) - called[labels == 0].mean() == pytest.approx(
        (hits - false_alarms).max(), abs=2e-3
    )


@pytest.mark.parametrize("percent", [5, 10, 20, 40])
def test_at_a_prevalence_the_threshold_is_where_the_shifted_odds_are_even(held_out, thresholds, percent):
    _, p = held_out
    odds = logit(thresholds.others[f"prevalence-{percent}"]) + logit(percent / 100) - logit(p.mean())
    assert expit(odds) == pytest.approx(0.5, abs=1e-3)


def test_the_table_says_what_scikit_learn_says(held_out, thresholds):
    labels, p = held_out
    assert [point.threshold for point in thresholds.table] == pytest.approx(np.linspace(0.05, 0.95, 19))
    for point in thresholds.table:
        called = p >= point.threshold
        assert point.sensitivity == pytest.approx(recall_score(labels, called), abs=1e-4)
        assert point.specificity == pytest.approx(recall_score(labels, called, pos_label=0), abs=1e-4)
        assert point.balanced_accuracy == pytest.approx(balanced_accuracy_score(labels, called), abs=1e-4)
