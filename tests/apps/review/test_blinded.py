"""A blinded reader learns nothing of the model's opinion before the vote is cast."""

from __future__ import annotations

import hashlib
import io
import re
from itertools import pairwise

import pandas as pd
import pytest
from review_visitor import cells


def test_blinded_the_opinion_shows_only_after_the_vote(visitor, review):
    study = review(blinded=True)
    ann = visitor(study)
    key, other = ann.keys(sort="case")[:2]
    hidden = ann.page() + ann.tiles(sort="case") + ann.client.get(f"/figures/{key}").text
    assert "p(AMF)" not in hidden
    assert 'class="says' not in ann.tiles(sort="case")
    assert "model corrected" not in hidden
    assert "label" not in re.findall(r"Came with: (\w+)", hidden)
    assert ann.client.get(f"/pictures/{key}/map").status_code == 403
    assert ann.vote(key, call="confirm").status_code == 403
    answer = ann.vote(key, call="AMF")
    assert 'class="says' in answer.text
    assert "p(AMF)" in ann.client.get(f"/figures/{key}").text
    assert ann.client.get(f"/pictures/{key}/map").status_code == 200
    assert "p(AMF)" not in ann.client.get(f"/figures/{other}").text
    ann.undo()
    assert "p(AMF)" not in ann.client.get(f"/figures/{key}").text
    ann.vote(key, call="NMF")
    assert [row["model_shown"] for row in study.votes.raw()] == [False, False, True]


@pytest.mark.parametrize(
    "query",
    [{"sort": "source"}, {"sort": "uncertainty"}, {"sort": "amf"}, {"sort": "disagreement"}, {"sort": "unlike"},
     {"prediction": "AMF"}, {"subtype": "other"}, {"check": "abstain"}],
)  # fmt: skip
def test_blinded_no_order_or_filter_tells_the_opinion(visitor, review, query):
    ann = visitor(review(blinded=True))
    for path in ("/", "/tiles", "/next"):
        answer = ann.client.get(path, params={"start": 0, "count": 9, "as_of": 0, "after": 0, **query})
        assert answer.status_code == 400, path


def test_blinded_no_export_tells_the_opinion(visitor, review):
    ann = visitor(review(blinded=True))
    key = ann.keys(sort="case")[0]
    ann.vote(key, call="", comment="not called yet")
    assert ann.client.get("/export/figures.csv?every=true").status_code == 403
    votes = pd.read_csv(io.StringIO(ann.client.get("/export/votes.csv").text))
    assert votes["model_p_amf"].isna().all()
    assert votes["model_prediction"].isna().all()


def test_blinded_a_reader_gets_no_other_votes(visitor, review):
    study = review(blinded=True)
    tokens = {name: study.readers.admit(name) for name in ("ann", "bob")}
    ann, bob = (visitor(study, tokens[name]) for name in ("ann", "bob"))
    key = ann.keys(sort="case")[0]
    bob.vote(key, call="AMF")
    assert "bob" not in ann.client.get("/export/votes.csv").text
    assert "AMF" not in ann.client.get("/export/figures.csv").text
    assert f"/pictures/{key}" not in ann.client.get("/agreement").text


def test_blinded_the_agreement_of_others_tells_nothing_of_figures_not_called(visitor, review):
    study = review(blinded=True)
    tokens = {name: study.readers.admit(name) for name in ("ann", "bob")}
    ann, bob = (visitor(study, tokens[name]) for name in ("ann", "bob"))
    keys = ann.keys(sort="case")[:3]
    for key in keys:
        bob.vote(key, call="AMF")
    before = cells(ann.client.get("/agreement").text)
    assert not {"bob", "the model"} & set(before)
    ann.vote(keys[0], call="NMF")
    after = cells(ann.client.get("/agreement").text)
    assert after[after.index("bob") :][:5] == ["bob", "0", "1", "0", "0"]
    place = max(at for at, text in enumerate(after) if text == "bob")
    assert after[place : place + 3] == ["bob", "the model", "1"]


def test_blinded_a_model_that_was_seen_before_is_not_called_unseen(visitor, review):
    ann = visitor(review())
    looked, tiled, never = review().catalog.keys[:3]
    ann.client.get(f"/figures/{looked}")
    ann.keys(sort="source", start=1, count=1)
    blind = review(blinded=True)
    visitor(blind).vote(looked, tiled, never, call="AMF")
    shown = {row["figure"]: row["model_shown"] for row in blind.votes.raw()}
    ids = [blind.catalog.ids[blind.catalog.rows[key]] for key in (looked, tiled, never)]
    assert [shown[figure] for figure in ids] == [True, True, False]


def test_blinded_looking_is_not_being_shown(visitor, review):
    study = review(blinded=True)
    ann = visitor(study)
    key = ann.keys(sort="case")[0]
    ann.client.get(f"/figures/{key}")
    assert study.sightings.among(1, study.catalog.ids) == set()
    ann.vote(key, call="NMF")
    ann.undo()
    ann.vote(key, call="AMF")
    assert [row["model_shown"] for row in study.votes.raw()] == [False, False, True]


def test_blinded_no_name_of_a_file_is_told(visitor, review):
    study = review(blinded=True)
    ann = visitor(study)
    keys = ann.keys(sort="case")
    broken = study.catalog.keys[35]
    ann.vote(keys[0], call="", comment="not called")
    told = [
        ann.page(),
        ann.tiles(sort="case"),
        ann.client.get("/agreement").text,
        ann.client.get("/export/votes.csv").text,
    ]
    told += [ann.client.get(f"/figures/{key}").text for key in (keys[0], broken)]
    told += [ann.client.get(f"/pictures/{broken}/view").text, ann.vote(broken, call="confirm").text]
    for text in told:
        assert "drawn_0" not in text
        assert ".png" not in text
    assert f"figure {keys[0][:8]}" in told[1]
    assert ann.keys(find=keys[0][:8]) == [keys[0]]
    assert ann.keys(find="drawn_00001") == []


def test_keys_cannot_be_tried_against_guessed_names(visitor, review, tmp_path):
    """Whoever knows how files are named could tell the label from a plain digest of the name."""
    study = review(blinded=True)
    known = visitor(study).keys(sort="case")
    assert set(known) == set(study.catalog.keys) == set(review().catalog.keys)
    other = review(blinded=True, database=tmp_path / "other.sqlite")
    assert not set(known) & set(other.catalog.keys)
    figure = study.catalog.ids[study.catalog.rows[known[0]]]
    assert not {hashlib.sha256(f"{lead}{figure}".encode()).hexdigest()[:20] for lead in ("", "figure ")} & set(known)


def test_blinded_the_order_within_a_case_is_not_that_of_the_source(visitor, review):
    study = review(blinded=True)
    rows = [study.catalog.rows[key] for key in visitor(study).keys(sort="case")]
    cases = study.catalog.case[rows]
    assert list(cases) == sorted(cases)
    pairs = [
        (first, second) for first, second in pairwise(rows) if study.catalog.case[first] == study.catalog.case[second]
    ]
    assert any(first > second for first, second in pairs)
