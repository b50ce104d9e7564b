"""The whole evaluation: its groups, its curves, and what is written."""

from __future__ import annotations

import json

import numpy as np
import pytest
import sklearn.metrics as sk

from atypica.core.errors import EvaluationError
from atypica.evaluation.binary import METRICS
from atypica.evaluation.curves import GRID, roc_and_pr
from atypica.evaluation.resampling import UNGROUPED
from atypica.evaluation.summary import BLANK, SubtypeInput, evaluate


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    y = (rng.random(400) < 0.3).astype(float)
    p = np.clip(rng.normal(0.3 + 0.3 * y, 0.2), 0, 1).round(2)
    return y, p, rng.integers(0, 40, 400).astype(str).astype(object)


def test_a_group_is_evaluated_as_if_alone(data):
    y, p, cases = data
    scanner = np.where(np.arange(400) % 3 == 0, "A", "B").astype(object)
    scanner[:5] = None
    found = evaluate(y, p, 0.5, cases=cases, domains={"scanner": scanner}, replicates=100)
    groups = {group.name: group for group in found.domains["scanner"]}
    assert list(groups) == ["B", "A", BLANK]
    mask = scanner == "A"
    alone = evaluate(y[mask], p[mask], 0.5, cases=cases[mask], replicates=100)
    assert groups["A"].metrics == alone.overall.metrics
    assert sum(group.confusion.figures for group in groups.values()) == 400


def test_case_counts_add_up(data):
    y, p, cases = data
    found = evaluate(y, p, 0.5, cases=cases, replicates=0)
    assert [case.case for case in found.cases] == sorted(set(cases))
    assert sum(case.confusion.tp for case in found.cases) == found.overall.confusion.tp
    first = found.cases[0].to_json()
    inside = cases == first["case"]
    assert first["amf_rate"] == pytest.approx(y[inside].mean())
    assert first["called_amf_rate"] == pytest.approx((p[inside] >= 0.5).mean())


def test_without_cases_every_interval_is_marked(data):
    y, p, _ = data
    found = evaluate(y, p, 0.5, replicates=50)
    assert found.cases == ()
    assert found.overall.cases is None
    assert {found.overall.metrics[name].interval.note for name in METRICS} == {UNGROUPED}
    assert found.roc.note == UNGROUPED


def test_what_is_written_is_plain_json_and_the_seed_decides(data):
    y, p, cases = data
    subtypes = SubtypeInput(np.where(y == 1, 5.0, np.nan), np.full((400, 8), 0.125))
    values = {"cases": cases, "domains": {"d": ["x"] * 400}, "subtypes": subtypes, "replicates": 50}
    first = json.dumps(evaluate(y, p, 0.5, seed=1, **values).to_json(), allow_nan=False)
    assert first == json.dumps(evaluate(y, p, 0.5, seed=1, **values).to_json())
    assert first != json.dumps(evaluate(y, p, 0.5, seed=2, **values).to_json())
    read = json.loads(first)
    assert read["overall"]["amf"] == y.sum()
    assert read["subtypes"]["figures"] == y.sum()
    assert read["overall"]["metrics"]["auroc"]["value"] == pytest.approx(sk.roc_auc_score(y, p))


def test_a_group_without_amf_says_so(data):
    y, p, cases = data
    found = evaluate(y, p, 0.5, cases=cases, domains={"d": np.where(y == 1, "a", "b")}, replicates=50)
    nmf = next(group for group in found.domains["d"] if group.name == "b")
    assert nmf.metrics["balanced_accuracy"].value is None
    assert nmf.metrics["balanced_accuracy"].reason == "no AMF figures"


def test_curves_agree_with_sklearn(data):
    y, p, cases = data
    roc, pr = roc_and_pr(y, p, cases)
    fpr, tpr, _ = sk.roc_curve(y, p, drop_intermediate=False)
    np.testing.assert_allclose(roc.y, np.interp(GRID, fpr, tpr))
    precision, recall, _ = sk.precision_recall_curve(y, p)
    for x, height in zip(pr.x[1:], pr.y[1:], strict=True):
        # Of the thresholds that reach this sensitivity, the highest.
        reached = np.flatnonzero(recall[:-1] >= x - 1e-12)[-1]
        assert height == pytest.approx(precision[reached])
    assert np.all(roc.low <= roc.y + 1e-12)
    assert np.all(roc.y <= roc.high + 1e-12)


def test_curves_need_both_classes():
    assert roc_and_pr([0, 0], [0.1, 0.2]) is None


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"y": [], "p": []}, "no figures"),
        ({"threshold": 1.5}, "threshold 1.5"),
        ({"replicates": -1}, "-1 resamples"),
        ({"level": 95}, "level 95"),
        ({"domains": {"scanner": ["A"]}}, "1 values of 'scanner' for 2"),
        ({"cases": ["a", None]}, "no case"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(values, words):
    given = {"y": [0, 1], "p": [0.2, 0.8], "threshold": 0.5} | values
    with pytest.raises(EvaluationError, match=words):
        evaluate(given.pop("y"), given.pop("p"), given.pop("threshold"), **given)
