"""Case summaries: the rates, and intervals that say what they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from atypica.inference.case_counts import CaseCounts
from atypica.inference.cases import COLUMNS, bootstrap_rates, summarize_cases, summarize_counts


def predictions(calls: dict[str | None, str], with_case: bool = True) -> pd.DataFrame:
    """Cases by name, a letter a figure: A (AMF), N (NMF), x (failed)."""
    rows = [
        {"case": case, "p_amf": np.nan if c == "x" else 0.5, "prediction": {"A": "AMF", "N": "NMF"}.get(c)}
        for case, letters in calls.items()
        for c in letters
    ]
    table = pd.DataFrame(rows)
    return table if with_case else table.drop(columns="case")


def test_counts_and_rate_leave_failed_figures_out():
    cases = summarize_cases(predictions({"one": "AANNNNNNNNxx"}))
    assert tuple(cases.columns) == COLUMNS
    assert cases["case"].tolist() == ["one", "all"]
    row = cases.iloc[0]
    assert (row["figures"], row["failed"], row["amf"], row["amf_rate"]) == (12, 2, 2, 0.2)
    assert (row["low"], row["high"]) == pytest.approx((0.0567, 0.5098), abs=1e-4)  # Wilson, 2 of 10
    assert row["interval"] == "Wilson 95 %"


def test_few_figures_are_marked_by_typed_ones():
    cases = summarize_cases(predictions({"nine": "A" * 9 + "x", "ten": "A" * 10}))
    assert cases["few_figures"].tolist() == [True, False, False]


def test_no_cases_is_one_row_marked_ungrouped():
    cases = summarize_cases(predictions({"a": "AN" * 10}, with_case=False))
    assert cases["case"].tolist() == ["all"]
    assert "ungrouped (no cases given)" in cases["interval"].iloc[0]


def test_one_case_needs_no_grouping():
    cases = summarize_cases(predictions({"a": "AN" * 10}))
    assert cases["interval"].tolist() == ["Wilson 95 %", "Wilson 95 %"]


def test_few_cases_are_not_drawn_again():
    cases = summarize_cases(predictions(dict.fromkeys("abcd", "ANN" * 4)))
    assert cases["interval"].iloc[-1] == "Wilson 95 %, ungrouped (only 4 cases): likely too narrow"


def test_many_cases_are_drawn_again_and_the_interval_grows_with_their_difference():
    alike = summarize_cases(predictions({str(c): "ANNNN" * 4 for c in range(10)})).iloc[-1]
    apart = summarize_cases(predictions({str(c): ("A" if c < 2 else "N") * 20 for c in range(10)})).iloc[-1]
    assert alike["interval"] == apart["interval"] == "bootstrap 95 %, by case (10 cases)"
    assert alike["amf_rate"] == apart["amf_rate"] == 0.2
    assert alike["high"] - alike["low"] < 0.01
    assert apart["high"] - apart["low"] > 0.4
    assert 0 <= apart["low"] < 0.2 < apart["high"] <= 1


def test_an_interval_of_no_width_is_never_claimed():
    row = summarize_cases(predictions({str(c): "N" * 4 for c in range(10)})).iloc[-1]
    assert row["low"] == 0
    assert row["high"] > 0.05
    assert "ungrouped" in row["interval"]


def test_blank_cases_are_listed_and_keep_the_whole_from_being_grouped():
    cases = summarize_cases(predictions({None: "AN", **{str(c): "AN" for c in range(6)}}))
    assert cases["case"].isna().tolist() == [True] + [False] * 7
    assert "some figures have no case" in cases["interval"].iloc[-1]


def test_a_case_that_failed_whole_has_no_rate():
    cases = summarize_cases(predictions({"bad": "xx", "good": "AN"}))
    row = cases.iloc[0]
    assert row[["amf_rate", "low", "high"]].isna().all()
    assert row["interval"] == "no figure was typed"


def test_bootstrap_draws_whole_cases():
    rates = bootstrap_rates(np.array([5, 0]), np.array([5, 15]), replicates=4000)
    assert set(np.round(rates, 6)) == {0.0, 0.25, 1.0}  # both first, both second, one of each
    assert np.mean(rates == 0.25) == pytest.approx(0.5, abs=0.03)


def test_order_of_cases_is_that_of_the_source():
    assert summarize_cases(predictions({"z": "A", "a": "N"}))["case"].tolist() == ["z", "a", "all"]


def test_figures_left_out_count_nowhere_but_are_said():
    table = predictions({"one": "AANNx", "two": "AAN", "three": "N"})
    table["counted"] = [True, False, True, False, False, True, False, True, False]
    cases = summarize_cases(table).set_index("case")
    columns = ["figures", "failed", "left_out", "amf", "amf_rate"]
    assert cases.loc["one", columns].tolist() == [5, 1, 2, 1, 0.5]
    assert cases.loc["two", columns].tolist() == [3, 0, 1, 1, 0.5]
    assert cases.loc["all", columns].tolist() == [9, 1, 4, 2, 0.5]
    assert pd.isna(cases["amf_rate"]["three"])
    assert cases["interval"]["three"] == "every figure is left out"
    assert (cases["low"]["all"], cases["high"]["all"]) == pytest.approx((0.15, 0.85), abs=1e-3)  # Wilson, 2 of 4


def test_many_cases_are_drawn_a_few_replicates_at_a_time_with_the_same_result(monkeypatch):
    counts = np.random.default_rng(0).integers(1, 9, 50)
    positives = np.random.default_rng(1).integers(0, counts + 1)
    at_once = bootstrap_rates(positives, counts)
    monkeypatch.setattr("atypica.inference.cases.MOST_KEPT", 7)
    assert bootstrap_rates(positives, counts).tolist() == at_once.tolist()


def test_parts_are_counted_as_the_whole():
    table = predictions({"z": "AANx", None: "N", "a": "NNA", **{str(c): "AN" * c for c in range(9)}})
    table["threshold"] = 0.5
    counts = CaseCounts()
    for start in range(0, len(table), 4):
        counts.add(table.iloc[start : start + 4])
    pd.testing.assert_frame_equal(summarize_counts(counts), summarize_cases(table), check_exact=True)
    assert counts.values.sum(axis=1).tolist() == [len(table), len(table) - 1, len(table) - 1, 2 + 1 + sum(range(9))]
