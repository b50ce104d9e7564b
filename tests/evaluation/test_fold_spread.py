"""Folds, each by itself: against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk

from atypica.core.errors import EvaluationError
from atypica.evaluation.fold_spread import fold_spread


def test_each_fold_by_itself_and_their_spread():
    rng = np.random.default_rng(2)
    y = rng.random(200) < 0.4
    p = np.clip(rng.normal(0.35 + 0.3 * y, 0.2), 0, 1)
    folds = [str(k % 4) for k in range(200)]
    found = fold_spread(y, p, 0.5, folds)
    parts = [np.array(folds) == str(k) for k in range(4)]
    ba = [sk.balanced_accuracy_score(y[part], p[part] >= 0.5) for part in parts]
    auroc = [sk.roc_auc_score(y[part], p[part]) for part in parts]
    for metric, values in (("balanced_accuracy", ba), ("auroc", auroc)):
        assert [fold.metrics[metric] for fold in found.folds] == pytest.approx(values)
        spread = found.spread[metric]
        assert (spread.mean, spread.sd) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
        assert (spread.min, spread.max) == pytest.approx((min(values), max(values)))
    assert "interval" not in str(found.to_json())


def test_a_fold_of_one_class_has_no_auroc_and_that_is_said():
    y, p = [1, 0, 1, 0, 0, 0], [0.9, 0.1, 0.8, 0.3, 0.2, 0.6]
    found = fold_spread(y, p, 0.5, ["10", "10", "9", "9", "2", None])
    assert [fold.fold for fold in found.folds] == ["2", "9", "10"]
    assert found.folds[0].metrics == {"balanced_accuracy": None, "auroc": None}
    assert found.spread["auroc"].folds == 2
    assert found.spread["auroc"].reason == "fold 2: no AMF figures"
    assert (found.blank, found.spread["auroc"].sd) == (1, 0)


def test_one_fold_has_no_standard_deviation():
    spread = fold_spread([1, 0], [0.9, 0.1], 0.5, ["1", "1"]).spread["auroc"]
    assert (spread.mean, spread.sd) == (1, None)
    assert "no standard deviation" in spread.reason


def test_as_many_folds_as_figures():
    with pytest.raises(EvaluationError, match="1 folds for 2"):
        fold_spread([1, 0], [0.9, 0.1], 0.5, ["1"])
