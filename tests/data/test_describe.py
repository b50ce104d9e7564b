"""Descriptions give the numbers that the papers print."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from atypica.data.describe import describe
from atypica.data.figures import Figures, figures_from
from atypica.data.sources import open_source


def make(**columns: list[object]) -> Figures:
    rows = len(next(iter(columns.values())))
    return figures_from(pd.DataFrame({"image": [f"{r}.png" for r in range(rows)], **columns}), Path(), "made")


def test_counts_leave_unlabeled_figures_out_of_the_rate():
    description = describe(make(label=["AMF", "NMF", "NMF", "NMF", None], case=["a", "a", "b", "b", "b"]))
    assert (description.all.figures, description.all.amf, description.all.nmf) == (5, 1, 3)
    assert description.all.rate == 0.25
    assert description.per_case is not None
    assert (description.per_case.least, description.per_case.most, description.per_case.with_amf) == (2, 3, 1)


def test_nothing_is_made_up_where_nothing_is_known():
    description = describe(make(image=["a.png", "b.png"]))
    assert (description.all.rate, description.all.cases, description.per_case) == (None, None, None)
    assert (description.domains, description.experts, description.agreement) == ({}, (), None)
    assert description.subtypes == {}


def test_domains_with_one_value_are_left_out_and_blanks_are_a_part():
    description = describe(make(label=["AMF", "NMF", "NMF"], scanner=["x", "x", None], lab=["u", "u", "u"]))
    assert list(description.domains) == ["scanner"]
    assert [(part.name, part.figures, part.rate) for part in description.domains["scanner"]] == [
        ("x", 2, 0.5),
        (None, 1, 0.0),
    ]


def test_missing_votes_do_not_count():
    description = describe(make(vote_1=[1, 0, 1], vote_2=[1, 1, None]))
    assert description.readers == {1: 1, 2: 2}
    assert description.agreement is not None
    assert (description.agreement.figures, description.agreement.full) == (2, 0.5)
    assert [expert.rate for expert in description.experts] == [pytest.approx(2 / 3), 1.0]


def test_a_reader_who_is_asked_only_when_others_disagree_is_named():
    asked = describe(make(vote_1=[1, 0, 1], vote_2=[1, 0, 0], vote_3=[None, None, 1]))
    assert any("expert 3 is missing only where the others agree" in note for note in asked.notes)
    random = describe(make(vote_1=[1, 0, 1], vote_2=[1, 0, 0], vote_3=[1, 0, None]))
    assert random.notes == ()


def test_subtypes_of_each_expert():
    description = describe(make(subtype_1=["metaphase", "ring"], subtype_2=["multipolar", None]))
    assert description.subtypes["subtype_1"]["ring_shape"] == 1
    assert sum(description.subtypes["subtype_2"].values()) == 1


def test_ami_br_as_in_the_paper(real_data):
    description = describe(open_source("ami-br", data_home=real_data))
    assert (description.all.figures, description.all.amf, description.all.cases) == (3720, 832, 202)
    assert description.agreement is not None
    assert description.agreement.full == pytest.approx(0.782, abs=0.0005)
    source = {part.name: (part.figures, part.cases) for part in description.domains["source"]}
    assert source == {"TUPAC16": (1999, 67), "MIDOG21": (1721, 135)}
    split = {part.name: (part.figures, part.amf, part.cases) for part in description.domains["split"]}
    assert split["test"] == (826, 184, 56)
    assert list(description.subtypes["subtype_1"].values()) == [1527, 1349, 253, 52, 59, 71, 154, 255]
    json.dumps(description.to_json())


def test_midog25_as_published(real_data):
    description = describe(open_source(real_data / "MIDOG25" / "MIDOG25_Atypical_Classification_Train_Set.csv"))
    assert (description.all.nmf, description.all.amf) == (10191, 1748)
    assert description.readers == {2: 7127, 3: 4812}
    assert [len(description.domains[column]) for column in ("tumor", "species", "scanner", "lab")] == [7, 2, 4, 4]
    assert any("expert 3 is missing only where the others agree" in note for note in description.notes)
