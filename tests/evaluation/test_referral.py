"""What it is worth to refer: by hand, against scikit-learn, and in simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from atypica.core.errors import EvaluationError
from atypica.evaluation.bootstrap import BootstrapSettings
from atypica.evaluation.doubt import closeness, ensemble_spread
from atypica.evaluation.referral import NO_VOTES, refer

FAST = BootstrapSettings(replicates=200)


def simulated(figures: int = 600) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Labels, five networks' p, whether experts disagree (where the truth is near), and cases."""
    rng = np.random.default_rng(3)
    y = (rng.random(figures) < 0.3).astype(float)
    evidence = rng.normal(2.2 * y - 1.1, 1)
    p = expit(2 * evidence[:, None] + rng.normal(0, 0.6, (figures, 5)))
    hard = (np.abs(evidence) + rng.normal(0, 0.5, figures) < 0.4).astype(float)
    return y, p, hard, np.array([f"case {k % 40}" for k in range(figures)], dtype=object)


def test_the_rest_is_scikit_learns_balanced_accuracy_of_the_figures_with_less_doubt():
    y, members, hard, cases = simulated()
    p, doubt = members.mean(axis=1), ensemble_spread(members)
    found = refer(y, p, 0.4, doubt, hard=hard, cases=cases, settings=FAST)
    kept = doubt < np.sort(doubt)[-60]
    every = balanced_accuracy_score(y, p >= 0.4)
    rest = balanced_accuracy_score(y[kept], p[kept] >= 0.4)
    assert found.rest.figures == kept.sum() == 540
    assert found.rest.balanced_accuracy == found.balanced_accuracy.value == pytest.approx(rest)
    assert found.gain.value == pytest.approx(rest - every)
    assert found.hard_auroc.value == pytest.approx(roc_auc_score(hard, doubt))
    assert found.curve.coverage[0] == 1
    assert found.curve.balanced_accuracy[0] == pytest.approx(every)


def test_intervals_are_by_case_and_that_of_the_gain_is_narrower_than_that_of_the_rest():
    y, members, hard, cases = simulated()
    p = members.mean(axis=1)
    found = refer(y, p, 0.5, closeness(p, 0.5), hard=hard, cases=cases, settings=FAST)
    for estimate in (found.balanced_accuracy, found.gain, found.hard_auroc):
        assert estimate.interval is not None
        assert "case" in estimate.interval.method
        assert estimate.interval.low <= estimate.value <= estimate.interval.high
    widths = [one.interval.high - one.interval.low for one in (found.gain, found.balanced_accuracy)]
    assert widths[0] < widths[1]


def test_a_doubt_of_nothing_gains_nothing():
    y, members, _, _ = simulated(4000)
    noise = np.random.default_rng(0).random(4000)
    gain = refer(y, members.mean(axis=1), 0.5, noise, settings=FAST).gain
    assert gain.interval.low < 0 < gain.interval.high
    assert abs(gain.value) < 0.01


@pytest.mark.parametrize(
    ("hard", "reason"),
    [(None, NO_VOTES), ([np.nan] * 4, NO_VOTES), ([0, 0, np.nan, 0], "never disagree"), ([1] * 4, "on every figure")],
)
def test_without_votes_of_both_kinds_there_is_no_auroc_and_that_is_said(hard, reason):
    found = refer([1, 0, 1, 0], [0.9, 0.2, 0.4, 0.1], 0.5, [0.1, 0.2, 0.3, 0.4], hard=hard, share=0.25, settings=FAST)
    assert found.hard_auroc.value is None
    assert reason in found.hard_auroc.reason
    assert found.rest.figures == 3


def test_a_rest_of_one_class_has_no_balanced_accuracy_and_that_is_said():
    found = refer([1, 0, 0], [0.9, 0.2, 0.1], 0.5, [0.9, 0.1, 0.1], share=0.4, settings=FAST)
    assert (found.balanced_accuracy.value, found.gain.value) == (None, None)
    assert found.balanced_accuracy.reason == "no AMF figures left"
    assert found.to_json()["curve"]["balanced_accuracy"][-1] is None


def test_doubts_of_another_number_are_refused():
    with pytest.raises(EvaluationError, match="3 finite numbers"):
        refer([1, 0, 1], [0.9, 0.2, 0.4], 0.5, [0.1, 0.2])
