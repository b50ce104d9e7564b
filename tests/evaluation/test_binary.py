"""Binary metrics against scikit-learn, their symmetries, and where they are undefined."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from atypica.core.errors import EvaluationError
from atypica.evaluation.binary import LOG_LOSS_CLIP, METRICS, Confusion, binary_metrics, undefined_reason

THRESHOLD = 0.45
TWO_SIDED = {"balanced_accuracy", "auroc", "ppv", "npv", "mcc", "average_precision"}


@st.composite
def figures(draw, smallest: int = 4):
    """Labels of both classes, and scores with many ties."""
    n = draw(st.integers(smallest, 40))
    y = np.array(draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=n, max_size=n)))
    y[:2] = (0, 1)
    p = np.array(draw(st.lists(st.integers(0, 20), min_size=n, max_size=n))) / 20
    return y, p


def reference(y, p, w):
    """The same metrics by scikit-learn, with the weights of one replicate."""
    called, clipped = p >= THRESHOLD, np.clip(p, LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP)
    weight = {"sample_weight": w}
    return {
        "balanced_accuracy": sk.balanced_accuracy_score(y, called, **weight),
        "auroc": sk.roc_auc_score(y, p, **weight),
        "sensitivity": sk.recall_score(y, called, **weight),
        "specificity": sk.recall_score(y, called, pos_label=0, **weight),
        "accuracy": sk.accuracy_score(y, called, **weight),
        "ppv": sk.precision_score(y, called, **weight),
        "npv": sk.precision_score(y, called, pos_label=0, **weight),
        "f1": sk.f1_score(y, called, **weight),
        "mcc": sk.matthews_corrcoef(y, called, **weight),
        "average_precision": sk.average_precision_score(y, p, **weight),
        "brier": sk.brier_score_loss(y, p, **weight),
        "log_loss": sk.log_loss(y, clipped, **weight),
    }


@pytest.mark.parametrize("decimals", [1, 2, 8])
def test_every_replicate_agrees_with_sklearn_weights(decimals):
    rng = np.random.default_rng(decimals)
    y = (rng.random(300) < 0.25).astype(float)
    p = np.round(np.clip(rng.normal(0.35 + 0.25 * y, 0.2), 0, 1), decimals)
    weights = rng.integers(0, 4, size=(5, 300)).astype(float)
    found = binary_metrics(y, p, THRESHOLD, weights)
    for row, w in enumerate(weights):
        for name, value in reference(y, p, w).items():
            assert found[name][row] == pytest.approx(value, abs=1e-10), name


def test_ece_agrees_with_its_definition_bin_by_bin():
    rng = np.random.default_rng(3)
    y, p = (rng.random(500) < 0.3).astype(float), rng.random(500)
    p[:2] = (1.0, 0.0)
    w = rng.integers(0, 3, size=500).astype(float)
    total = 0.0
    for k in range(15):
        inside = (p >= k / 15) & ((p < (k + 1) / 15) | (k == 14))
        if w[inside].sum():
            gap = np.average(p[inside], weights=w[inside]) - np.average(y[inside], weights=w[inside])
            total += w[inside].sum() / w.sum() * abs(gap)
    assert binary_metrics(y, p, 0.5, w[None])["ece"][0] == pytest.approx(total, abs=1e-12)


@given(figures(), st.randoms(use_true_random=False))
def test_the_order_of_the_figures_does_not_matter(data, random):
    y, p = data
    order = list(range(len(y)))
    random.shuffle(order)
    first, second = binary_metrics(y, p, THRESHOLD), binary_metrics(y[order], p[order], THRESHOLD)
    for name in METRICS:
        np.testing.assert_allclose(first[name], second[name], atol=1e-12, err_msg=name)


@given(figures())
def test_swapping_the_classes_swaps_the_metrics(data):
    y, p = data
    p = p + 0.001 * (p < 1)  # No score lies on the threshold, whose side is not symmetric.
    first, second = binary_metrics(y, p, 0.4), binary_metrics(1 - y, 1 - p, 0.6)
    for name, other in [("sensitivity", "specificity"), ("specificity", "sensitivity"), ("ppv", "npv")]:
        np.testing.assert_allclose(first[name], second[other], atol=1e-12)
    for name in ("balanced_accuracy", "accuracy", "mcc", "auroc", "brier"):
        np.testing.assert_allclose(first[name], second[name], atol=1e-9, err_msg=name)


@given(figures(), st.integers(2, 5))
def test_a_weight_is_the_same_as_repeating_the_figures(data, times):
    y, p = data
    weights = np.where(np.arange(len(y)) % 2, times, 1).astype(float)
    repeated = np.repeat(np.arange(len(y)), weights.astype(int))
    weighted, plain = binary_metrics(y, p, THRESHOLD, weights[None]), binary_metrics(y[repeated], p[repeated], 0.45)
    for name in METRICS:
        np.testing.assert_allclose(weighted[name], plain[name], atol=1e-9, err_msg=name)


@given(figures())
@settings(max_examples=50)
def test_auroc_is_the_share_of_pairs_in_the_right_order(data):
    y, p = data
    gaps = p[y == 1][:, None] - p[y == 0]
    share = np.mean(gaps > 0) + np.mean(gaps == 0) / 2
    assert binary_metrics(y, p, 0.5)["auroc"][0] == pytest.approx(share)


@pytest.mark.parametrize(
    ("y", "p", "undefined"),
    [
        ([0, 0], [0.1, 0.9], TWO_SIDED | {"sensitivity", "f1"}),
        ([1, 1], [0.1, 0.9], TWO_SIDED | {"specificity"}),
        ([0, 1], [0.1, 0.2], {"ppv", "mcc"}),
        ([0, 1], [0.8, 0.9], {"npv", "mcc"}),
        ([], [], set(METRICS)),
    ],
)
def test_the_undefined_is_nan_with_a_reason_and_nothing_else_is(y, p, undefined):
    found = binary_metrics(y, p, 0.5)
    confusion = Confusion.of(y, np.asarray(p) >= 0.5)
    assert {name for name, value in found.items() if np.isnan(value[0])} == undefined
    assert {name for name in METRICS if undefined_reason(name, confusion)} == undefined


def test_reasons_name_what_is_missing():
    assert undefined_reason("sensitivity", Confusion.of([0, 0], [0, 1])) == "no AMF figures"
    assert undefined_reason("ppv", Confusion.of([0, 1], [0, 0])) == "no figure is called AMF"
    assert undefined_reason("accuracy", Confusion.of([], [])) == "no figures"


def test_a_score_on_the_threshold_is_amf():
    assert binary_metrics([1.0, 0.0], [0.5, 0.4], 0.5)["sensitivity"][0] == 1


@pytest.mark.parametrize(
    ("y", "p", "words"),
    [
        ([0, np.nan], [0.1, 0.2], "row 1: nan"),
        ([0, 2], [0.1, 0.2], "row 1: 2"),
        ([0, 1], [0.1, np.nan], "row 1: nan"),
        ([0, 1], [0.1, 1.2], "row 1: 1.2"),
        ([0, 1], [0.1], "1 scores for 2 figures"),
        ([[0, 1]], [0.1, 0.2], "shape"),
        (["a", "b"], [0.1, 0.2], "not numbers"),
    ],
)
def test_bad_input_is_refused_and_named(y, p, words):
    with pytest.raises(EvaluationError, match=words):
        binary_metrics(y, p, 0.5)
