"""The rate at every cut: counted by hand, and equal to the cases at the cut in use."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atypica.evaluation.cuts import even_cuts, kept_by_cut
from atypica.inference.cases import summarize_cases
from atypica.inference.counting import Limits, leave_out
from atypica.inference.rate_by_cut import COLUMNS, rate_by_cut


def predictions(calls: str, scores=None, ood=None, case=None) -> pd.DataFrame:
    """A letter a figure: A (AMF), N (NMF), x (failed)."""
    table = pd.DataFrame(
        {
            "p_amf": [np.nan if c == "x" else 0.5 for c in calls],
            "prediction": [{"A": "AMF", "N": "NMF"}.get(c) for c in calls],
        }
    )
    return table.assign(
        ood=np.nan if ood is None else ood,
        **({"detection_score": scores} if scores is not None else {}),
        **({"case": list(case)} if case is not None else {}),
    )


def at(table: pd.DataFrame, cut_by: str, cut: float) -> pd.Series:
    (found,) = [row for _, row in table[table["cut_by"] == cut_by].iterrows() if row["cut"] == pytest.approx(cut)]
    return found


def test_a_cut_is_inclusive_on_both_sides_and_keeps_what_has_no_score():
    scores, cuts = [0.2, np.nan, 0.4, 0.6], [0.3, 0.4, 0.5]
    assert kept_by_cut(scores, cuts, "at least").tolist() == [
        [False, True, True, True],
        [False, True, True, True],
        [False, True, False, True],
    ]
    assert kept_by_cut(scores, cuts, "at most").sum(axis=1).tolist() == [2, 3, 3]


def test_rates_by_hand():
    # Of ten figures the four AMF have the lowest scores, one has none, and a failed one has the best.
    table = predictions("AAAANNNNNNx", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, None, 1.0])
    rates = rate_by_cut(table, Limits())
    assert tuple(rates.columns) == COLUMNS
    assert set(rates["cut_by"]) == {"detection_score"}
    assert not rates["in_use"].any()
    first, middle, last = (at(rates, "detection_score", cut) for cut in (0.1, 0.35, 0.9))
    assert (first["figures"], first["amf"], first["amf_rate"]) == (10, 4, 0.4)
    assert (middle["figures"], middle["amf"], middle["amf_rate"]) == (7, 1, round(1 / 7, 6))
    assert (last["figures"], last["amf"], last["amf_rate"]) == (2, 0, 0)
    assert (first["low"], first["high"]) == pytest.approx((0.1682, 0.6873), abs=1e-4)  # Wilson, 4 of 10


def test_each_cut_moves_alone_and_the_other_stays():
    table = predictions("AANN", [0.9, 0.1, 0.9, 0.1], ood=[0.5, 0.5, 1.0, 0.5])
    rates = rate_by_cut(table, Limits(min_detection_score=0.5, max_ood=0.95))
    score, ood = at(rates, "detection_score", 0.1), at(rates, "ood", 1.0)
    assert (score["figures"], score["amf"]) == (3, 2)  # ood leaves the third out
    assert (ood["figures"], ood["amf"]) == (2, 1)  # the score leaves the second and fourth out
    assert rates.loc[rates["in_use"], ["cut_by", "cut"]].to_numpy().tolist() == [
        ["detection_score", 0.5],
        ["ood", 0.95],
    ]


@pytest.mark.parametrize("case", [None, "aaabbbccc" * 4, "abcdefghi" * 4, "abcd efgh" * 4])
def test_at_the_cut_in_use_it_says_what_the_cases_say(case):
    rng = np.random.default_rng(3)
    case = case and [None if c == " " else c for c in case]
    table = predictions("".join(rng.choice(list("ANNx"), 36)), rng.uniform(size=36), rng.uniform(size=36), case)
    limits = Limits(0.3, 0.8)
    every = summarize_cases(leave_out(table, limits)).iloc[-1]
    rates = rate_by_cut(table, limits)
    assert rates["in_use"].sum() == 2
    for _, row in rates[rates["in_use"]].iterrows():
        assert row["figures"] == every["figures"] - every["failed"] - every["left_out"] < every["figures"]
        assert row[["amf", "amf_rate", "low", "high", "interval"]].tolist() == (
            every[["amf", "amf_rate", "low", "high", "interval"]].tolist()
        )


def test_a_cut_beyond_every_figure_has_no_rate():
    rates = rate_by_cut(predictions("AN", [0.1, 0.2]), Limits(min_detection_score=0.9))
    row = at(rates, "detection_score", 0.9)
    assert row["figures"] == 0
    assert pd.isna(row["amf_rate"])
    assert row["interval"] == "no figure counts"


def test_nothing_to_cut_by():
    assert rate_by_cut(predictions("AN"), Limits()).empty
    assert rate_by_cut(predictions("xx", [0.1, 0.2], ood=[0.1, 0.2]), Limits()).empty


def test_even_cuts_are_round_and_keep_all_at_first():
    assert even_cuts([0.12, 0.97], 5).tolist() == [0.0, 0.2, 0.4, 0.6, 0.8]
    assert even_cuts([0.991, 0.9995], 10).tolist() == [0.991, 0.992, 0.993, 0.994, 0.995, 0.996, 0.997, 0.998, 0.999]
    assert even_cuts([7.0, 7.0]).tolist() == [7.0]
    assert even_cuts([np.nan]).tolist() == []


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.integers(1, 40))
def test_cuts_rise_and_the_first_keeps_all(scores, about):
    cuts = even_cuts(scores, about)
    assert (np.diff(cuts) > 0).all()
    assert kept_by_cut(scores, cuts, "at least")[0].all()
    assert len(cuts) <= about + 2
