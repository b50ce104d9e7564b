"""Rows of two tables that are the same figure."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atypica.core.errors import SourceError
from atypica.data.matching import match_figures

NAMES = ("predictions.csv", "labels.csv")


def pairs(left: dict, right: dict):
    found = match_figures(pd.DataFrame(left), pd.DataFrame(right), NAMES)
    return found.key, list(zip(found.left.tolist(), found.right.tolist(), strict=True))


@given(st.permutations(list(range(8))), st.integers(1, 8))
def test_every_shared_id_is_found_in_any_order(order, shared):
    left = {"figure_id": [f"f{k}" for k in order]}
    right = {"figure_id": [f"f{k}" for k in range(shared)] + ["other"]}
    key, found = pairs(left, right)
    assert key == "figure_id"
    assert found == [(row, k) for row, k in enumerate(order) if k < shared]


def test_ids_go_before_images_and_images_before_file_names():
    left = {"figure_id": ["a", "b"], "image": ["x/1.png", "x/2.png"]}
    assert pairs(left, {"figure_id": ["b", "a"], "image": ["x/1.png", "x/2.png"]})[0] == "figure_id"
    assert pairs(left, {"figure_id": ["c", "d"], "image": ["./x/2.png", "q/9.png"]}) == ("image", [(1, 0)])
    other = {"figure_id": ["c", "d"], "image": [r"C:\crops\2.png", r"C:\crops\1.png"]}
    assert pairs(left, other) == ("file name", [(0, 1), (1, 0)])


def test_the_key_that_matches_most_is_taken():
    left = {"figure_id": ["a", "b", "c"], "image": ["1.png", "2.png", "3.png"]}
    right = {"figure_id": ["a", "y", "z"], "image": ["1.png", "2.png", "3.png"]}
    assert pairs(left, right) == ("image", [(0, 0), (1, 1), (2, 2)])


def test_pages_of_a_stack_and_points_on_a_slide_are_told_apart():
    left = {"image": ["s.tiff"] * 3, "page": [0, 1, 2]}
    right = {"image": ["s.tiff"] * 3, "page": [2.0, 0.0, 5.0]}
    assert pairs(left, right) == ("image", [(0, 1), (2, 0)])
    left = {"image": ["s.svs"] * 2, "x": [1234567.0, 1234568.0], "y": [5, 5]}
    assert pairs(left, left) == ("image", [(0, 0), (1, 1)])


def test_a_name_that_stands_twice_matches_nothing():
    left = {"image": ["a/1.png", "b/1.png", "b/2.png"]}
    assert pairs(left, {"image": ["c/1.png", "c/2.png"]}) == ("file name", [(2, 1)])


def test_a_repeated_figure_is_refused():
    with pytest.raises(SourceError, match="1 rows repeat a figure_id"):
        pairs({"figure_id": ["a", "a"]}, {"figure_id": ["a"]})


def test_a_total_mismatch_shows_a_key_of_each():
    with pytest.raises(SourceError, match=r"no figure of predictions.csv.*'a'.*'1.png'.*'b'.*'2.png'"):
        pairs({"figure_id": ["a"], "image": ["1.png"]}, {"figure_id": ["b"], "image": ["2.png"]})


def test_numbers_that_fit_by_chance_are_doubted():
    left = pd.DataFrame({"figure_id": [1, 2], "image": ["u.png", "v.png"]})
    right = pd.DataFrame({"figure_id": ["1", "2"], "image": ["p.png", "q.png"]})
    assert "2 of 2 figures" in match_figures(left, right, NAMES).doubt
    assert match_figures(left, left, NAMES).doubt == ""
