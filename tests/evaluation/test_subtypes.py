"""Eight classes, one against the rest, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk

from atypica.core.errors import EvaluationError
from atypica.core.vocabulary import Subtype
from atypica.evaluation.bootstrap import BootstrapSettings
from atypica.evaluation.subtypes import CLASSES, SUBTYPE_METRICS, SubtypeScorer, evaluate_subtypes

QUICK = BootstrapSettings(replicates=100)


def sample(n: int = 600, classes: int = 8, seed: int = 0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, n)
    scores = rng.dirichlet(np.ones(8), n) + 0.3 * np.eye(8)[truth]
    return truth, scores / scores.sum(axis=1, keepdims=True), rng.integers(0, 40, n).astype(str).astype(object)


def test_every_class_agrees_with_sklearn():
    truth, scores, cases = sample()
    called = scores.argmax(axis=1)
    found = evaluate_subtypes(truth, scores, cases=cases, settings=QUICK)
    for k, name in enumerate(CLASSES):
        real, call = truth == k, called == k
        wanted = {
            "auroc": sk.roc_auc_score(real, scores[:, k]),
            "sensitivity": sk.recall_score(real, call),
            "specificity": sk.recall_score(~real, ~call),
            "ppv": sk.precision_score(real, call),
            "npv": sk.precision_score(~real, ~call),
        }
        for metric, value in wanted.items():
            estimate = found.per_class[name][metric]
            assert estimate.value == pytest.approx(value), (name, metric)
            assert estimate.interval.low <= value <= estimate.interval.high
    macro = np.mean([found.per_class[name]["auroc"].value for name in CLASSES])
    assert found.macro["auroc"].value == pytest.approx(macro)
    assert found.macro["auroc"].value == pytest.approx(sk.roc_auc_score(truth, scores, multi_class="ovr"))


def test_the_confusion_matrix_counts_and_its_rows_add_up():
    truth, scores, _ = sample()
    found = evaluate_subtypes(truth, scores, settings=QUICK)
    np.testing.assert_array_equal(found.confusion, sk.confusion_matrix(truth, scores.argmax(axis=1)))
    np.testing.assert_allclose(found.normalized.sum(axis=1), 1)
    assert found.counts["ring_shape"] == np.sum(truth == 3)


def test_weights_are_repeats():
    truth, scores, _ = sample(80)
    called = scores.argmax(axis=1)
    weights = np.random.default_rng(1).integers(0, 4, 80)
    repeated = np.repeat(np.arange(80), weights)
    weighted = SubtypeScorer.of(truth, scores, called)(weights[None].astype(float))
    plain = SubtypeScorer.of(truth[repeated], scores[repeated], called[repeated])(np.ones((1, len(repeated))))
    for name, value in weighted.items():
        np.testing.assert_allclose(value, plain[name], err_msg=name)


def test_an_absent_subtype_is_undefined_and_the_mean_says_so():
    truth, scores, _ = sample(classes=7)
    found = evaluate_subtypes(truth, scores, settings=QUICK)
    assert found.per_class["other"]["auroc"].value is None
    assert found.per_class["other"]["sensitivity"].reason == f"no {Subtype.OTHER.display} figures"
    assert found.per_class["other"]["specificity"].value is not None
    assert found.macro["auroc"].reason.startswith("mean over 7 subtypes, without other")
    assert np.isnan(found.normalized[7]).all()


def test_the_derived_binary_names_its_truth_and_rule():
    truth = np.array([1, 4, 4, 0])
    scores = np.full((4, 8), 0.02)
    scores[0, 1] = 0.86
    scores[1, 5] = 0.86
    # The best single subtype is normal, but the atypical four together have more than half.
    scores[2] = [0.04, 0.36, 0.0, 0.0, 0.2, 0.2, 0.2, 0.0]
    scores[3, 6] = 0.86
    found = evaluate_subtypes(truth, scores, y=np.array([0, 1, 1, 1]), y_name="majority vote", settings=QUICK)
    by = {(result.truth, result.rule): result for result in found.binary}
    assert by["majority vote", "subtype"].balanced_accuracy == pytest.approx((2 / 3 + 1) / 2)
    assert by["majority vote", "sum"].balanced_accuracy == 1
    own = by["the subtype's own side", "subtype"]
    assert (own.sensitivity, own.specificity) == (0.5, 0.5)


def test_calls_may_be_given():
    truth, scores, _ = sample(50)
    found = evaluate_subtypes(truth, scores, truth, settings=QUICK)
    assert np.trace(found.confusion) == 50
    assert all(found.per_class[name][m].value == 1 for name in CLASSES for m in SUBTYPE_METRICS if m != "auroc")


@pytest.mark.parametrize(
    ("truth", "scores", "words"),
    [
        ([8], np.full((1, 8), 0.1), "index"),
        ([np.nan], np.full((1, 8), 0.1), "index"),
        ([0], np.full((1, 7), 0.1), "eight columns"),
        ([0], np.full((1, 8), np.nan), "eight columns"),
        ([0, 1], np.full((1, 8), 0.1), "2 subtypes, 1 rows"),
    ],
)
def test_what_does_not_fit_is_refused(truth, scores, words):
    with pytest.raises(EvaluationError, match=words):
        evaluate_subtypes(truth, scores)
