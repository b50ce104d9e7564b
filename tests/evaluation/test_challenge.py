"""The challenge's schema, worked by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from atypica.core.errors import EvaluationError
from atypica.evaluation.challenge import challenge_metrics, number_domains

Y = [1, 1, 0, 0, 0, 1, 0]
P = [0.9, 0.4, 0.6, 0.1, 0.2, 0.8, 0.3]
CALLED = [1, 0, 1, 0, 0, 0, 0]  # the sixth is called NMF though p is 0.8: the own call counts
DOMAINS = [1, 1, 1, 1, 2, 2, None]


def test_by_hand():
    found = challenge_metrics(Y, P, CALLED, DOMAINS)["aggregates"]
    assert list(found) == [
        "overall_sensitivity", "overall_specificity", "overall_balanced_accuracy", "overall_roc_auc",
        "overall_accuracy", "domain_1", "domain_2",
    ]  # fmt: skip
    # AMF 0.9, 0.4, 0.8 over NMF 0.6, 0.1, 0.2, 0.3: 4 + 3 + 4 of 12 pairs.
    assert found["overall_sensitivity"] == pytest.approx(1 / 3)
    assert found["overall_specificity"] == pytest.approx(3 / 4)
    assert found["overall_balanced_accuracy"] == pytest.approx((1 / 3 + 3 / 4) / 2)
    assert found["overall_roc_auc"] == pytest.approx(11 / 12)
    assert found["overall_accuracy"] == pytest.approx(4 / 7)
    assert found["domain_1"] == {
        "sensitivity": 0.5, "specificity": 0.5, "balanced_accuracy": 0.5, "roc_auc": 0.75, "accuracy": 0.5,
    }  # fmt: skip
    assert found["domain_2"] == {
        "sensitivity": 0.0, "specificity": 1.0, "balanced_accuracy": 0.5, "roc_auc": 1.0, "accuracy": 0.5,
    }  # fmt: skip


def test_what_is_undefined_is_null():
    found = challenge_metrics([0, 0, 1], [0.2, 0.7, 0.9], [0, 1, 1], [1, 1, 2])
    assert found["aggregates"]["domain_1"] == {
        "sensitivity": None, "specificity": 0.5, "balanced_accuracy": None, "roc_auc": None, "accuracy": 0.5,
    }  # fmt: skip
    text = json.dumps(found, allow_nan=False)
    assert '"roc_auc": null' in text


def test_without_domains_there_is_the_whole_alone():
    assert not [key for key in challenge_metrics(Y, P, CALLED)["aggregates"] if key.startswith("domain")]


def test_domains_are_numbered_by_name_and_numbers_kept():
    assert number_domains(["b", None, "a", "b"]) == ([2, None, 1, 2], {1: "a", 2: "b"})
    assert number_domains([7, 3.0, np.nan, "10"]) == ([7, 3, None, 10], {3: "3", 7: "7", 10: "10"})


def test_two_names_of_one_number_stay_two_domains():
    assert number_domains(["01", "1", "2"]) == ([1, 2, 3], {1: "01", 2: "1", 3: "2"})


def test_what_does_not_fit_is_refused():
    with pytest.raises(EvaluationError, match="decisions"):
        challenge_metrics(Y, P, P)
    with pytest.raises(EvaluationError, match="2 domains for 7"):
        challenge_metrics(Y, P, CALLED, [1, 2])
