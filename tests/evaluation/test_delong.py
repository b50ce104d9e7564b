"""DeLong's variance against its definition, and its test against simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from atypica.core.errors import EvaluationError
from atypica.evaluation.delong import INDEPENDENT, auroc_covariance, delong_test


def by_definition(y, scores, unit):
    """Obuchowski's covariance from all pairs of figures, sum by sum; with single figures as units it is DeLong's."""
    amf, nmf = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    areas, v10, v01 = [], [], []
    for row in scores:
        psi = (np.sign(row[amf][:, None] - row[nmf][None, :]) + 1) / 2
        areas.append(psi.mean())
        v10.append(psi.mean(axis=1))
        v01.append(psi.mean(axis=0))
    units = sorted(set(unit))
    d10 = np.array([[sum(v[k][unit[amf] == u] - areas[k]) for u in units] for k, v in enumerate([v10] * len(scores))])
    d01 = np.array([[sum(v[k][unit[nmf] == u] - areas[k]) for u in units] for k, v in enumerate([v01] * len(scores))])
    i10, i01, i, m, n = len(set(unit[amf])), len(set(unit[nmf])), len(units), len(amf), len(nmf)
    s10 = i10 / ((i10 - 1) * m) * d10 @ d10.T
    s01 = i01 / ((i01 - 1) * n) * d01 @ d01.T
    s11 = i / (i - 1) * d10 @ d01.T
    return np.array(areas), s10 / m + s01 / n + (s11 + s11.T) / (m * n)


def figures(seed: int, n: int = 40, decimals: int = 1):
    rng = np.random.default_rng(seed)
    y = (np.arange(n) % 3 == 0).astype(float)
    scores = (rng.normal(size=(3, n)) + y + rng.normal(size=n)).round(decimals)
    return y, scores, rng.integers(0, 12, n)


@given(st.integers(0, 10_000))
@settings(max_examples=25)
def test_the_covariance_is_that_of_the_definition(seed):
    y, scores, unit = figures(seed)
    single, cases = np.arange(len(y)), np.array([f"c{k}" for k in unit], dtype=object)
    for given_cases, units in ((None, single), (cases, unit)):
        found = auroc_covariance(y, scores, given_cases)
        area, covariance = by_definition(y, scores, units)
        np.testing.assert_allclose(found.auroc, area)
        np.testing.assert_allclose(found.covariance, covariance, atol=1e-12)
    assert found.auroc == pytest.approx([roc_auc_score(y, row) for row in scores])


def test_delong_is_the_covariance_of_the_two_samples():
    """DeLong et al. 1988: the sample covariances of the components, over the numbers of AMF and of NMF."""
    y, scores, _ = figures(1)
    amf, nmf = scores[:, y == 1], scores[:, y == 0]
    psi = (np.sign(amf[:, :, None] - nmf[:, None, :]) + 1) / 2
    expected = np.cov(psi.mean(axis=2)) / amf.shape[1] + np.cov(psi.mean(axis=1)) / nmf.shape[1]
    np.testing.assert_allclose(auroc_covariance(y, scores).covariance, expected)


def test_a_case_to_each_figure_is_delong():
    y, scores, _ = figures(2)
    own = [f"c{k}" for k in range(len(y))]
    np.testing.assert_allclose(auroc_covariance(y, scores, own).covariance, auroc_covariance(y, scores).covariance)


def test_one_model_on_four_figures_by_hand():
    # AMF 3 and 1 against NMF 2 and 0: components of AMF 1 and 0.5, of NMF 0.5 and 1; variances 0.125 each, over 2.
    found = auroc_covariance([1, 1, 0, 0], [3.0, 1.0, 2.0, 0.0])
    assert (found.auroc[0], found.covariance[0, 0]) == (0.75, pytest.approx(0.125))


def test_p_and_interval_come_from_the_variance():
    y, scores, _ = figures(4, n=90, decimals=6)
    found = delong_test(y, scores[0], scores[1])
    area = auroc_covariance(y, scores[:2])
    variance = area.covariance[0, 0] + area.covariance[1, 1] - 2 * area.covariance[0, 1]
    z = (area.auroc[0] - area.auroc[1]) / variance**0.5
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(z)))
    effect = found.effects["auroc_difference"]
    assert effect.value == pytest.approx(area.auroc[0] - area.auroc[1])
    assert effect.interval.high - effect.value == pytest.approx(stats.norm.ppf(0.975) * variance**0.5)
    assert effect.interval.note == found.note == INDEPENDENT


def test_order_and_sides():
    y, scores, unit = figures(5)
    order = np.random.default_rng(0).permutation(len(y))
    there = delong_test(y, scores[0], scores[1], unit)
    mixed = delong_test(y[order], scores[1][order], scores[0][order], unit[order])
    assert (there.p, there.statistic) == (pytest.approx(mixed.p), pytest.approx(-mixed.statistic))


def test_undefined_is_said():
    y, scores, unit = figures(6)
    same = delong_test(y, scores[0], scores[0] * 2 + 1)
    assert (same.p, same.effects["auroc_difference"].value) == (None, 0)
    assert "no variance" in same.reason
    assert delong_test(np.zeros(5), np.arange(5), np.arange(5)).reason == "only 0 figures are AMF"
    few = np.where(y == 1, 0, unit)
    assert delong_test(y, scores[0], scores[1], few).reason == "only 1 cases hold AMF"
    with pytest.raises(EvaluationError, match="undefined"):
        auroc_covariance([1, 0, 0], [0.1, 0.2, 0.3])
    with pytest.raises(EvaluationError, match="finite score"):
        auroc_covariance([1, 1, 0, 0], [0.1, np.nan, 0.2, 0.3])


def null_models(rng, cases: int, per_case: int, shared: float):
    """Two equally good models; each has its own error on every case, of size `shared`, and a class."""
    case = np.repeat(np.arange(cases), per_case)
    y = (rng.random(cases) < 0.4).astype(float)[case]
    own = rng.normal(size=(2, cases))[:, case] * shared
    return y, y + own + rng.normal(size=(2, len(case))), case


@pytest.mark.slow
def test_under_the_null_it_rejects_as_often_as_it_says():
    rng = np.random.default_rng(0)
    p = [delong_test(y, *scores).p for y, scores, _ in (null_models(rng, 200, 1, 0.0) for _ in range(2000))]
    assert 0.035 < np.mean(np.array(p) <= 0.05) < 0.065


@pytest.mark.slow
def test_with_cases_only_the_test_by_case_holds_its_level():
    rng = np.random.default_rng(1)
    samples = [null_models(rng, 60, 10, 1.0) for _ in range(1000)]
    by_figure = np.mean([delong_test(y, *scores).p <= 0.05 for y, scores, _ in samples])
    by_case = np.mean([delong_test(y, *scores, case).p <= 0.05 for y, scores, case in samples])
    assert by_figure > 0.1
    assert 0.03 < by_case < 0.075
