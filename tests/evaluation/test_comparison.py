"""Models on the same figures."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk

from atypica.core.errors import EvaluationError
from atypica.evaluation.binary import binary_estimates
from atypica.evaluation.bootstrap import BootstrapSettings
from atypica.evaluation.comparison import COMPARED, ModelScores, compare_models
from atypica.evaluation.delong import delong_test
from atypica.evaluation.mcnemar import mcnemar_test
from atypica.evaluation.significance import holm

FEW = BootstrapSettings(replicates=60)


def sample(rng, cases: int = 40, per_case: int = 8, skills=(1.5, 1.2, 0.4), own: float = 0.3):
    case = np.repeat(np.arange(cases), per_case)
    y = (rng.random(len(case)) < 0.3).astype(float)
    shared = rng.normal(size=len(case))
    noise = rng.normal(size=(len(skills), len(case))) + own * rng.normal(size=(len(skills), cases))[:, case]
    z = np.array(skills)[:, None] * (2 * y - 1) + shared + noise
    return y, 1 / (1 + np.exp(-z)), np.array([f"c{k}" for k in case], dtype=object)


def models(scores, thresholds=(0.5, 0.4, 0.5)):
    return [ModelScores("abc"[k], p, thresholds[k]) for k, p in enumerate(scores)]


def test_differences_are_those_of_the_metrics_and_tests_those_of_the_pairs():
    y, scores, cases = sample(np.random.default_rng(0))
    found = compare_models(y, models(scores), cases=cases, settings=FEW)
    assert [(pair.first, pair.second) for pair in found.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert (found.figures, found.amf, found.cases) == (len(y), y.sum(), 40)
    pair = found.pairs[0]
    assert pair.differences["auroc"].value == pytest.approx(
        sk.roc_auc_score(y, scores[0]) - sk.roc_auc_score(y, scores[1])
    )
    called = scores[0] >= 0.5, scores[1] >= 0.4
    assert pair.differences["balanced_accuracy"].value == pytest.approx(
        sk.balanced_accuracy_score(y, called[0]) - sk.balanced_accuracy_score(y, called[1])
    )
    assert pair.tests["delong_by_case"].p == delong_test(y, scores[0], scores[1], cases).p
    assert pair.tests["mcnemar"].p == mcnemar_test(called[0] == y, called[1] == y).p
    for name in ("delong", "delong_by_case", "mcnemar", "mcnemar_by_case"):
        family = [pair.tests[name] for pair in found.pairs]
        assert [test.p_holm for test in family] == holm([test.p for test in family])


def test_each_model_has_the_intervals_of_its_own_evaluation():
    y, scores, cases = sample(np.random.default_rng(1))
    found = compare_models(y, models(scores), cases=cases, settings=FEW)
    alone = binary_estimates(y, scores[1], 0.4, cases, FEW)
    assert found.models["b"] == {metric: alone[metric] for metric in COMPARED}


def test_the_difference_is_paired():
    """Two models that err alike differ by less than each of them scatters."""
    y, scores, cases = sample(np.random.default_rng(2), own=0.0)
    near = np.clip(scores[0] + np.random.default_rng(3).normal(0, 0.02, len(y)), 0, 1)
    found = compare_models(
        y, [ModelScores("a", scores[0], 0.5), ModelScores("near", near, 0.5)], cases=cases, settings=FEW
    )
    width = {"own": found.models["a"]["auroc"].interval, "difference": found.pairs[0].differences["auroc"].interval}
    spread = {name: interval.high - interval.low for name, interval in width.items()}
    assert spread["difference"] < spread["own"] / 3


def test_a_model_against_itself_has_no_p_and_no_interval():
    y, scores, cases = sample(np.random.default_rng(4))
    twice = [ModelScores("a", scores[0], 0.5), ModelScores("b", scores[0], 0.5)]
    pair = compare_models(y, twice, cases=cases, settings=FEW).pairs[0]
    assert {test.p for test in pair.tests.values()} == {None}
    assert all(test.reason for test in pair.tests.values())
    assert pair.differences["auroc"].value == 0
    assert "same value" in pair.differences["auroc"].reason


def test_one_class_is_undefined_and_without_cases_that_is_marked():
    rng = np.random.default_rng(5)
    y, scores, _ = sample(rng)
    found = compare_models(y, models(scores), settings=FEW)
    assert set(found.pairs[0].tests) == {"delong", "mcnemar"}
    assert "likely too narrow" in found.pairs[0].differences["auroc"].interval.note
    found = compare_models(np.zeros(len(y)), models(scores), settings=FEW)
    assert found.pairs[0].differences["auroc"].reason == "no AMF figures"
    assert found.pairs[0].tests["delong"].reason == "only 0 figures are AMF"
    assert found.pairs[0].differences["specificity"].value is not None


def test_the_order_of_figures_changes_nothing():
    y, scores, cases = sample(np.random.default_rng(6))
    order = np.random.default_rng(0).permutation(len(y))
    one = compare_models(y, models(scores), cases=cases, settings=FEW).to_json()
    two = compare_models(y[order], models(scores[:, order]), cases=cases[order], settings=FEW).to_json()
    assert flat(one) == pytest.approx(flat(two))


def flat(value):
    if isinstance(value, dict):
        return [number for part in value.values() for number in flat(part)]
    if isinstance(value, list):
        return [number for part in value for number in flat(part)]
    return [value] if isinstance(value, int | float) else []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m[:1], "two or more"),
        (lambda m: [m[0], m[0]], "two or more"),
        (lambda m: [m[0], ModelScores("b", m[1].p, 1.5)], "b: the threshold"),
        (lambda m: [m[0], ModelScores("b", m[1].p[:-1], 0.5)], "scores for"),
    ],
)
def test_what_cannot_be_compared_is_refused(change, words):
    y, scores, _ = sample(np.random.default_rng(7))
    with pytest.raises(EvaluationError, match=words):
        compare_models(y, change(models(scores)), settings=FEW)


@pytest.mark.slow
def test_the_interval_of_the_difference_covers_zero_as_often_as_it_says():
    """Two equally good models with errors of their own in every case: 95 % of the intervals hold 0."""
    rng = np.random.default_rng(0)
    settings = BootstrapSettings(replicates=200)
    held = {"auroc": 0, "balanced_accuracy": 0}
    for _ in range(200):
        y, scores, cases = sample(rng, cases=50, per_case=6, skills=(1.0, 1.0), own=0.7)
        pair = compare_models(y, models(scores, (0.5, 0.5)), cases=cases, settings=settings).pairs[0]
        for metric in held:
            interval = pair.differences[metric].interval
            held[metric] += interval.low <= 0 <= interval.high
    assert all(0.9 < count / 200 < 0.99 for count in held.values()), held
