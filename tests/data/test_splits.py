"""No split ever cuts a case."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atypica.core.errors import SourceError
from atypica.core.votes import disagreement
from atypica.data.figures import Figures, figures_from
from atypica.data.sources import open_source
from atypica.data.splits import cut_cases, holdout, kfold, leave_one_out, official, split_hash, split_table


def make(cases: list[str], labels: list[str], **columns: list[object]) -> Figures:
    images = [f"{row}.png" for row in range(len(cases))]
    return figures_from(pd.DataFrame({"image": images, "case": cases, "label": labels, **columns}), Path(), "made")


@st.composite
def tables(draw: st.DrawFn) -> Figures:
    """Figures of 2 to 12 cases, of any size, with both labels and three votes."""
    number = draw(st.integers(2, 12))
    sizes = draw(st.lists(st.integers(1, 9), min_size=number, max_size=number))
    cases = [f"case {case}" for case, size in enumerate(sizes) for _ in range(size)]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    order = rng.permutation(len(cases))
    votes = rng.choice([0.0, 1.0, np.nan], size=(3, len(cases)))
    labels = ["AMF" if value else "NMF" for value in rng.random(len(cases)) < 0.3]
    columns = {f"vote_{expert + 1}": list(votes[expert]) for expert in range(3)}
    return make([cases[row] for row in order], labels, **columns)


def commonest(figures: Figures, strata: str) -> int:
    """The size of the largest stratum."""
    hard = disagreement(figures.votes) == 1 if "hardness" in strata else np.zeros(len(figures), dtype=bool)
    return max(Counter(zip(figures.labels, hard, strict=True)).values())


@settings(max_examples=60, deadline=None)
@given(
    figures=tables(),
    folds=st.integers(2, 6),
    seed=st.integers(0, 1000),
    strata=st.sampled_from(["label", "label x hardness"]),
)
def test_kfold_gives_every_figure_one_fold_and_cuts_no_case(figures, folds, seed, strata):
    if folds > len(set(figures.cases)):
        with pytest.raises(SourceError, match="folds of"):
            kfold(figures, folds, seed, strata)
        return
    if folds > commonest(figures, strata):
        with pytest.raises(SourceError, match="no label has so many"):
            kfold(figures, folds, seed, strata)
        return
    result = kfold(figures, folds, seed, strata)
    assert result.shape == (len(figures),)
    assert set(result) == set(range(folds))
    assert cut_cases(figures, result) == []
    assert np.array_equal(result, kfold(figures, folds, seed, strata))


@settings(max_examples=60, deadline=None)
@given(
    figures=tables(),
    shares=st.sampled_from([(70, 15, 15), (80, 20), (0.5, 0.5), (98, 1, 1)]),
    seed=st.integers(0, 1000),
    strata=st.sampled_from(["label", "label x hardness"]),
)
def test_holdout_gives_every_figure_one_part_and_cuts_no_case(figures, shares, seed, strata):
    if len(shares) > len(set(figures.cases)):
        with pytest.raises(SourceError, match="parts"):
            holdout(figures, shares, seed, strata)
        return
    result = holdout(figures, shares, seed, strata)
    assert set(result) == ({"train", "test"} if len(shares) == 2 else {"train", "val", "test"})
    assert cut_cases(figures, result) == []
    assert np.array_equal(result, holdout(figures, shares, seed, strata))


@settings(max_examples=25, deadline=None)
@given(figures=tables(), seed=st.integers(0, 100))
def test_leave_one_out_cuts_no_case(figures, seed):
    rng = np.random.default_rng(seed)
    scanner = {case: str(rng.integers(2)) for case in sorted(set(figures.cases))}
    table = figures.table.assign(scanner=[scanner[case] for case in figures.cases])
    spread = Figures(table, Path(), "made")
    if len(set(scanner.values())) < 2:
        with pytest.raises(SourceError, match="single"):
            leave_one_out(spread, "scanner")
        return
    assert cut_cases(spread, leave_one_out(spread, "scanner")) == []


def test_leave_one_out_refuses_a_case_in_two_domains():
    figures = make(["a", "a", "b"], ["AMF", "NMF", "NMF"], scanner=["x", "y", "y"])
    with pytest.raises(SourceError, match="case a"):
        leave_one_out(figures, "scanner")


def test_seeds_differ():
    figures = make([str(case) for case in range(40)], ["AMF", "NMF"] * 20)
    assert not np.array_equal(kfold(figures, 4, 0), kfold(figures, 4, 1))
    assert not np.array_equal(holdout(figures, (80, 20), 0), holdout(figures, (80, 20), 1))


def test_folds_are_stratified():
    figures = make([str(case) for case in range(100)], ["AMF"] * 20 + ["NMF"] * 80)
    folds = kfold(figures, 5, 0)
    assert [int(figures.labels[folds == fold].sum()) for fold in range(5)] == [4, 4, 4, 4, 4]


def test_hardness_is_spread_where_asked():
    votes = [1.0] * 10 + [0.0] * 90
    figures = make([str(c) for c in range(100)], ["NMF"] * 100, vote_1=votes, vote_2=[0.0] * 100)
    folds = kfold(figures, 5, 3, "label x hardness")
    assert [int((folds[:10] == fold).sum()) for fold in range(5)] == [2, 2, 2, 2, 2]


def test_hardness_needs_votes():
    figures = make(["a", "b"], ["AMF", "AMF"])
    with pytest.raises(SourceError, match="votes"):
        kfold(figures, 2, 0, "label x hardness")


def test_missing_cases_and_labels_are_named():
    table = pd.DataFrame({"image": ["a", "b"], "label": ["AMF", None], "case": ["x", "y"]})
    with pytest.raises(SourceError, match="1 figures without a label"):
        kfold(figures_from(table, Path(), "made"), 2, 0)
    with pytest.raises(SourceError, match="without a case"):
        kfold(figures_from(table.drop(columns="case"), Path(), "made"), 2, 0)


def test_a_cut_case_is_found():
    figures = make(["a", "a", "b"], ["AMF", "NMF", "NMF"])
    assert cut_cases(figures, np.array([0, 1, 1])) == ["a"]


def test_an_official_split_that_cuts_is_refused():
    figures = make(["a", "a", "b"], ["AMF", "NMF", "NMF"], split=["train", "test", "test"])
    with pytest.raises(SourceError, match="cuts 1 cases"):
        official(figures)


def test_hash_follows_the_assignment_and_not_the_order():
    assert split_hash(["a", "b"], [0, 1]) == split_hash(["b", "a"], [1, 0])
    assert split_hash(["a", "b"], [0, 1]) != split_hash(["a", "b"], [1, 0])


def test_table_names_its_column_by_what_it_holds():
    figures = make(["a", "b"], ["AMF", "NMF"])
    assert list(split_table(figures, np.array(["train", "test"], dtype=object))) == ["figure_id", "split"]
    assert list(split_table(figures, np.array([0, 1]))) == ["figure_id", "fold"]


def test_ami_br_official_split(real_data):
    figures = open_source("ami-br", data_home=real_data)
    parts = official(figures)
    test = figures.where(parts == "test")
    assert (len(test), int(test.labels.sum()), len(set(test.cases))) == (826, 184, 56)
    assert (parts == "train").sum() == 2894


def test_ami_br_shares_hold_in_figures_and_rate(real_data):
    figures = open_source("ami-br", data_home=real_data)
    parts = holdout(figures, (70, 15, 15), 7)
    for name, share in (("train", 0.70), ("val", 0.15), ("test", 0.15)):
        part = figures.where(parts == name)
        assert len(part) / len(figures) == pytest.approx(share, abs=0.01)
        assert part.labels.mean() == pytest.approx(832 / 3720, abs=0.01)


def test_by_figure_strata_are_exact_and_cases_are_cut():
    cases = [f"case {row // 10}" for row in range(200)]
    figures = make(cases, ["AMF"] * 40 + ["NMF"] * 160)
    folds = kfold(figures, 5, 0, unit="figure")
    assert [int(figures.labels[folds == fold].sum()) for fold in range(5)] == [8] * 5
    assert len(cut_cases(figures, folds)) == 20
    parts = holdout(figures, (70, 15, 15), 0, unit="figure")
    assert Counter(parts) == pytest.approx({"train": 140, "val": 30, "test": 30}, abs=3)
    assert figures.labels[parts == "train"].sum() == pytest.approx(28, abs=2)
    assert cut_cases(figures, parts)
