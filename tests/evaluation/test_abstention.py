"""The refer band and the coverage curve against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.metrics import balanced_accuracy_score

from atypica.core.errors import EvaluationError
from atypica.evaluation.abstention import coverage_curve, refer_band, without_band, without_referred


def scored(figures: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = (rng.random(figures) < 0.25).astype(float)
    return y, expit(2 * rng.normal(size=figures) + 3.5 * y - 2.5)


@given(share=st.floats(0.01, 0.9), threshold=st.floats(0.05, 0.95), seed=st.integers(0, 99))
def test_the_band_holds_its_share_and_the_threshold(share: float, threshold: float, seed: int):
    _, p = scored(500, seed)
    band = refer_band(p, threshold, share)
    assert band.low < threshold < band.high
    assert band.referred == pytest.approx(share, abs=2 / 500)
    assert band.referred == np.mean((p > band.low) & (p < band.high))


def test_the_band_reaches_as_far_down_as_up_in_log_odds():
    band = refer_band(scored(500)[1], 0.2, 0.2)
    assert logit(0.2) - logit(band.low) == pytest.approx(logit(band.high) - logit(0.2))


def test_no_share_no_band():
    band = refer_band(scored(50)[1], 0.3, 0.0)
    assert (band.low, band.high, band.referred) == (0.3, 0.3, 0.0)


@pytest.mark.parametrize(
    ("p", "share", "inside"),
    [
        ([0.5] * 8 + [0.9] * 2, 0.1, 0.8),  # the nearest stand together: all of them, more than was asked, and said
        ([0.45] + [0.4] * 5 + [0.9] * 4, 0.3, 0.1),  # the next five would be too many
        ([0.6] * 10, 0.1, 1.0),
        ([0.4] * 5 + [0.6] * 5 + [0.9] * 10, 0.5, 0.5),  # alike on both sides
        ([0.3] * 9, 0.1, 0.0),  # less than one figure
    ],
)
def test_figures_of_one_distance_are_never_parted(p, share, inside):
    band = refer_band(p, 0.5, share)
    assert band.referred == pytest.approx(inside)
    assert sum(band.low < value < band.high for value in p) / len(p) == pytest.approx(inside)


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_an_impossible_share_is_refused(share: float):
    with pytest.raises(EvaluationError, match="cannot be referred"):
        refer_band([0.2, 0.8], 0.5, share)


def test_the_rest_is_counted_without_the_band():
    rest = without_band([1, 1, 0, 0, 1, 0], [0.9, 0.5, 0.6, 0.1, 0.2, 0.2], 0.5, 0.4, 0.7)
    assert (rest.figures, rest.amf, rest.coverage) == (4, 2, pytest.approx(4 / 6))
    assert (rest.sensitivity, rest.specificity, rest.balanced_accuracy, rest.accuracy) == (0.5, 1.0, 0.75, 0.75)
    assert without_band([1, 0], [0.9, 0.5], 0.5, 0.4, 0.7).balanced_accuracy is None


def test_the_rest_is_counted_without_the_referred():
    referred = np.array([False, True, True, False, False, False])
    rest = without_referred([1, 1, 0, 0, 1, 0], [0.9, 0.5, 0.6, 0.1, 0.2, 0.2], 0.5, referred)
    assert rest == without_band([1, 1, 0, 0, 1, 0], [0.9, 0.5, 0.6, 0.1, 0.2, 0.2], 0.5, 0.4, 0.7)
    with pytest.raises(EvaluationError, match="2 marks for 1 figures"):
        without_referred([1], [0.5], 0.5, np.array([True, False]))


def test_the_curve_follows_any_doubt():
    curve = coverage_curve([1, 0, 1, 0], [0.9, 0.8, 0.6, 0.1], 0.5, [1, 4, 3, 2])
    assert curve.coverage.tolist() == [1.0, 0.75, 0.5, 0.25]
    assert curve.accuracy.tolist() == [0.75, 1.0, 1.0, 1.0]
    assert curve.to_json()["balanced_accuracy"] == [0.75, 1.0, 1.0, None]


def test_the_curve_is_scikit_learns_balanced_accuracy_of_the_kept():
    y, p = scored(150)
    curve = coverage_curve(y, p, 0.4)
    distance = np.abs(logit(p) - logit(0.4))
    assert curve.coverage[0] == 1
    assert np.all(np.diff(curve.coverage) < 0)
    for coverage, ba, accuracy in zip(curve.coverage, curve.balanced_accuracy, curve.accuracy, strict=True):
        kept = distance >= np.sort(distance)[len(y) - round(coverage * len(y))]
        assert accuracy == pytest.approx(np.mean((p[kept] >= 0.4) == y[kept]))
        if 0 < y[kept].sum() < kept.sum():
            assert ba == pytest.approx(balanced_accuracy_score(y[kept], p[kept] >= 0.4))
        else:
            assert np.isnan(ba)


def test_figures_of_the_same_distance_stay_together_and_many_points_are_thinned():
    curve = coverage_curve([1, 0, 1, 0], [0.9, 0.9, 0.6, 0.6], 0.5)
    assert curve.coverage.tolist() == [1.0, 0.5]
    curve = coverage_curve(*scored(5000), 0.5)
    assert len(curve.coverage) == 200
    assert curve.coverage[0] == 1


@pytest.mark.slow
def test_a_band_from_a_hundred_figures_helps_on_new_ones():
    gains: list[float] = []
    for seed in range(100):
        band = refer_band(scored(100, seed)[1], 0.4, 0.1)
        y, p = scored(5000, seed + 1000)
        rest, every = (without_band(y, p, 0.4, *ends) for ends in ((band.low, band.high), (0.4, 0.4)))
        gains.append((rest.balanced_accuracy or 0) - (every.balanced_accuracy or 0))
    assert np.mean(gains) > 0.015
