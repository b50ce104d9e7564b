"""When a fold counts as collapsed: rules worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from atypica.training.collapse import far_folds, one_class


def logits(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


LABELS = np.array([1.0] * 10 + [0.0] * 20)


def called(amf: int, nmf: int) -> np.ndarray:
    """Logits that call so many of the ten AMF and of the twenty NMF right."""
    return logits(*[1.0] * amf, *[-1.0] * (10 - amf), *[-1.0] * nmf, *[1.0] * (20 - nmf))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (called(0, 20), "every held-out figure is called NMF"),
        (called(10, 0), "every held-out figure is called AMF"),
        (called(0, 19), "sensitivity 0.00, specificity 0.95"),
        (called(9, 0), "sensitivity 0.90, specificity 0.00"),
        # (0.3 + 0.8) / 2 is 0.55, at which it counts as collapsed; (0.4 + 0.75) / 2 is 0.575.
        (called(3, 16), "balanced accuracy 0.55"),
        (called(4, 15), ""),
        # One AMF found among ten is little, but 0.6 on average.
        (called(2, 20), ""),
        (called(10, 20), ""),
        (np.where(LABELS == 1, np.nan, -1.0).astype(np.float32), "not a number"),
    ],
)
def test_a_network_that_tells_nothing_apart(said, words):
    found = one_class(LABELS, said)
    assert words in found
    assert bool(found) == bool(words)


def test_a_logit_of_zero_is_a_probability_of_one_half_which_calls_amf():
    assert one_class(np.array([1.0, 0.0]), logits(0.0, -1.0)) == ""
    assert "called AMF" in one_class(np.array([1.0, 0.0]), logits(0.0, 0.0))


def test_figures_of_one_class_do_not_judge():
    assert one_class(np.ones(3), logits(-1, -1, -1)) == ""


def far(*aurocs: float) -> list[int]:
    return list(far_folds(dict(enumerate(aurocs))))


def test_a_fold_is_far_by_the_median_absolute_deviation_of_the_others():
    # Of the others the median is 0.905, the deviations are 0.035, 0.015, 0.015, 0.035, their median 0.025:
    # 0.905 - 5 x 1.4826 x 0.025 = 0.719675.
    assert far(0.87, 0.89, 0.92, 0.94, 0.7196) == [4]
    assert far(0.87, 0.89, 0.92, 0.94, 0.7197) == []
    assert "0.720" in far_folds({0: 0.87, 1: 0.89, 2: 0.92, 3: 0.94, 4: 0.70})[4]


def test_folds_that_agree_closely_make_no_near_one_far():
    assert far(0.90, 0.90, 0.90, 0.90, 0.801) == []
    assert far(0.90, 0.90, 0.90, 0.90, 0.799) == [4]


def test_two_of_five_are_found_as_in_system_3():
    # Of the others of each: median (0.95 + 0.96) / 2, deviations 0.005, 0.005, 0.015 and a large one.
    assert far(0.95, 0.96, 0.94, 0.62, 0.55) == [3, 4]


def test_better_than_the_others_is_not_far():
    assert far(0.80, 0.81, 0.80, 0.99) == []


def test_two_folds_cannot_tell_which_is_far():
    assert far(0.9, 0.5) == []
    assert far(0.9, 0.9, 0.5) == [2]
