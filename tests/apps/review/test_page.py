"""The review page as a browser meets it, without a window."""

from __future__ import annotations

import io
import re
from html import unescape

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from review_visitor import labeled, rates

from atypica.apps.web.review.query import LONGEST_FIND
from atypica.data.sources import open_source
from atypica.evaluation.agreement import cohen_kappa
from atypica.evaluation.intervals import wilson


def test_the_page_opens_without_ceremony(ann):
    html = ann.page()
    assert "36" in html
    assert "reader 1" in html
    assert "Sign out" not in html
    assert len(ann.keys()) == 36


def test_nothing_comes_from_elsewhere(ann):
    for path in ("/", "/agreement", "/export", "/static/review.css", "/static/review.js", "/static/slide.js"):
        text = ann.client.get(path, headers={"accept": "text/html"}).text
        assert not re.findall(r"(?:src|href|from|url\()\s*=?\s*[\"']?(?:https?:)?//[\w.]+", text), path


def test_strict_headers_on_every_answer(ann):
    for path in ("/", "/tiles?start=0&count=1&as_of=0", "/static/review.js", "/nowhere", "/votes"):
        headers = ann.client.get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("sort", "column", "falling"),
    [("uncertainty", "uncertainty", True), ("confidence", "uncertainty", False), ("amf", "p_amf", True),
     ("disagreement", "p_disagreement", True), ("unlike", "ood", True)],
)  # fmt: skip
def test_sorts(ann, typed, review, sort, column, falling):
    table = pd.read_csv(typed / "predictions.csv")
    catalog = review().catalog
    shown = [catalog.rows[key] for key in ann.keys(sort=sort)]
    values = table[column].to_numpy()[shown]
    known = values[~np.isnan(values)]
    assert np.all(np.diff(known if not falling else -known) >= 0)
    assert np.isnan(values[len(known) :]).all()
    assert sorted(shown) == list(range(36))


def test_filters(ann, typed, review):
    table = pd.read_csv(typed / "predictions.csv")
    catalog = review().catalog
    case = table["case"][0]

    def shown(**query):
        return sorted(catalog.rows[key] for key in ann.keys(sort="source", **query))

    assert shown(case=case) == list(np.flatnonzero(table["case"] == case))
    assert shown(prediction="AMF") == list(np.flatnonzero(table["prediction"] == "AMF"))
    assert shown(prediction="error") == [35]
    assert shown(subtype="other") == list(np.flatnonzero(table["subtype"] == "other"))
    assert shown(check="abstain") == list(np.flatnonzero(table["abstain"] == True))  # noqa: E712
    assert shown(find="_00007") == [6]
    assert shown(case="no such case") == []


def test_a_page_offers_no_vote_that_is_refused(ann, review):
    key = ann.keys()[0]
    long, wide = "x" * LONGEST_FIND, "\U0001f52c" * LONGEST_FIND
    for query in ({"find": long}, {"find": wide}, {"find": wide, "case": "c" * 5000, "slide": "é" * 900}):
        html = ann.page(**query)
        filters = unescape(re.search(r'data-filters="(.*?)"', html).group(1))
        assert ann.vote(key, call="AMF", filters=filters).status_code == 200
    assert ann.client.get("/", params={"find": long + "x"}).status_code == 400
    assert f'maxlength="{LONGEST_FIND}"' in ann.page()


def test_the_likeliest_subtype_on_the_other_side_is_explained(ann, review):
    catalog = review().catalog
    for row, key in enumerate(catalog.keys[:35]):
        opinion = catalog.opinion(row)
        side = max(opinion.odds, key=lambda odd: odd[1])[0].side.value
        html = ann.client.get(f"/figures/{key}").text
        assert ("decides first" in html) == (side != opinion.prediction)
    assert len({opinion.prediction for opinion in map(catalog.opinion, range(35))}) == 2


def test_an_impossible_query_is_refused(ann):
    answer = ann.client.get("/", params={"sort": "sideways"}, headers={"accept": "text/html"})
    assert answer.status_code == 400
    assert "sort=sideways is not possible" in answer.text


def test_voting_and_undo(ann):
    key, other = ann.keys(sort="source")[:2]
    answer = ann.vote(key, call="AMF", subtype="multipolar")
    assert answer.status_code == 200
    assert f'id="tile-{key}"' in answer.text
    assert "multipolar" in answer.text
    assert labeled(answer.text) == 1
    ann.vote(other, call="unsure")
    assert labeled(ann.page()) == 2
    assert ann.keys(labeled="yes", as_of=99, sort="source") == [key, other]
    assert len(ann.keys(labeled="no", as_of=99)) == 34
    assert f"tile-{other}" in ann.undo().text
    assert f"tile-{key}" in ann.undo().text
    assert "tile-" not in ann.undo().text
    assert labeled(ann.page()) == 0


def test_the_order_stays_while_labels_come_in(ann):
    before = ann.keys(labeled="no", as_of=0)
    ann.vote(before[3], call="NMF")
    assert ann.keys(labeled="no", as_of=0) == before
    assert ann.keys(labeled="no", as_of=1) == before[:3] + before[4:]


def test_the_next_open_figure(ann):
    keys = ann.keys(sort="source")
    for key in (keys[1], keys[2], keys[35]):
        ann.vote(key, call="NMF")
    ask = lambda after: ann.client.get("/next", params={"sort": "source", "as_of": 0, "after": after}).json()["index"]  # noqa: E731
    assert (ask(0), ask(3), ask(34), ask(35)) == (3, 4, 0, 0)
    assert (ask(-(10**15)), ask(10**15)) == (0, 0)
    ann.vote(*keys, call="NMF")
    assert ask(0) is None


@pytest.mark.parametrize(
    ("fields", "says"),
    [({"call": "maybe"}, "no vote"), ({"call": "NMF", "subtype": "multipolar"}, "subtype of AMF"),
     ({"call": "AMF", "comment": "x" * 2001}, "2001 characters"),
     ({"call": "keep", "comment": "x" * 2001}, "2001 characters"), ({"call": "AMF", "comment": "\0"}, "NUL"),
     ({"call": "AMF", "request": "short"}, "request")],
)  # fmt: skip
def test_a_vote_that_is_none(ann, fields, says):
    answer = ann.vote(ann.keys()[0], **fields)
    assert answer.status_code == 400
    assert says in answer.json()["error"]
    assert labeled(ann.page()) == 0


def test_a_vote_on_no_figure(ann):
    assert ann.vote("0" * 20, call="AMF").status_code == 404
    assert ann.vote("", call="AMF").status_code in {400, 422}


def test_rates_follow_the_labels(ann, typed):
    table = pd.read_csv(typed / "predictions.csv")
    amf = int((table["prediction"] == "AMF").sum())
    catalog_order = ann.keys(sort="source")
    switched = int(np.flatnonzero(table["prediction"] == "NMF")[0])
    answer = ann.vote(catalog_order[switched], call="AMF")
    assert rates(answer.text) == [f"{100 * (amf + 1) / 35:.1f}\u202f%", "100.0\u202f%"]
    answer = ann.vote(catalog_order[switched], call="not_mitosis")
    assert rates(answer.text) == [f"{100 * amf / 34:.1f}\u202f%", "–"]
    answer = ann.vote(catalog_order[switched], call="unsure")
    assert rates(answer.text) == [f"{100 * amf / 35:.1f}\u202f%", "–"]


def test_the_interval_of_a_case_is_wilsons(ann, review):
    study = review()
    case = study.catalog.cases[0]
    rows = np.flatnonzero(study.catalog.case == case)
    ann.vote(*[study.catalog.keys[row] for row in rows[:3]], call="AMF")
    ann.vote(*[study.catalog.keys[row] for row in rows[3:]], call="NMF")
    found = next(entry for entry in study.progress(1).cases if entry.case == case)
    known = wilson(3, len(rows))
    assert (found.labeled, found.rate.amf, found.rate.figures) == (len(rows), 3, len(rows))
    assert found.rate.interval.low == pytest.approx(known.low)


def test_confirming_a_selection_takes_the_models_calls(ann, typed, review):
    table = pd.read_csv(typed / "predictions.csv")
    keys = ann.keys(sort="source")
    assert ann.vote(*keys[:30], call="confirm").status_code == 200
    study = review()
    cast = study.votes.standing(1).votes
    assert [cast[figure].call for figure in table["figure_id"][:30]] == table["prediction"][:30].tolist()
    assert [cast[figure].subtype for figure in table["figure_id"][:30]] == table["subtype"][:30].tolist()
    assert ann.vote(keys[35], call="confirm").status_code == 400
    ann.undo()
    assert labeled(ann.page()) == 0


def test_a_comment_keeps_the_call(ann):
    key = ann.keys()[0]
    ann.vote(key, call="AMF", subtype="other")
    ann.vote(key, call="keep", comment="<script>alert(1)</script> & more")
    html = ann.client.get(f"/figures/{key}").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in html
    assert "<script>" not in html
    assert ann.keys(labeled="comment", as_of=9) == [key]
    assert ann.keys(labeled="AMF", as_of=9) == [key]


def test_pictures(ann, result):
    key, broken = ann.keys(sort="source")[0], ann.keys(sort="source")[35]
    for kind, format_ in (("thumb", "JPEG"), ("view", "JPEG"), ("map", "PNG")):
        answer = ann.client.get(f"/pictures/{key}/{kind}")
        assert answer.status_code == 200
        assert Image.open(io.BytesIO(answer.content)).format == format_
        assert ann.client.get(f"/pictures/{broken}/{kind}").status_code == 404
    for other in ann.keys(sort="uncertainty")[:35]:
        map_ = Image.open(io.BytesIO(ann.client.get(f"/pictures/{other}/map").content))
        assert map_.getchannel("A").getextrema()[1] > 100
    crop = np.asarray(Image.open(io.BytesIO(ann.client.get(f"/pictures/{key}/thumb").content)), dtype=float)
    seen = result.explain([0])[0][0]
    assert np.abs(crop - seen).mean() < 6
    assert ann.client.get("/pictures/nothing/thumb").status_code == 404
    assert ann.client.get(f"/pictures/{key}/..%2f..%2fvotes").status_code == 404


def test_pictures_are_made_once(ann, tmp_path):
    key = ann.keys()[0]
    ann.client.get(f"/pictures/{key}/thumb")
    (kept,) = (tmp_path / "pictures").rglob("*.jpg")
    before = kept.stat().st_mtime_ns
    ann.client.get(f"/pictures/{key}/thumb")
    assert kept.stat().st_mtime_ns == before


def test_agreement_is_that_of_the_library(visitor, review):
    study = review()
    tokens = {name: study.readers.admit(name) for name in ("ann", "bob")}
    ann, bob = (visitor(study, tokens[name]) for name in ("ann", "bob"))
    keys = ann.keys(sort="source")[:8]
    said = {"ann": "AANNNNAu", "bob": "AANNNAux"}
    words = {"A": "AMF", "N": "NMF", "u": "unsure", "x": "not_mitosis"}
    for who, browser in (("ann", ann), ("bob", bob)):
        for key, letter in zip(keys, said[who], strict=True):
            browser.vote(key, call=words[letter])
    html = ann.client.get("/agreement").text
    known = cohen_kappa([1, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 1])
    row = re.search(r"<th>ann</th><th>bob</th>(.*?)</tr>", html, re.S).group(1)
    assert f"<td>{known:.2f}" in row.replace("\n", "")
    assert "83.3" in row
    assert "model" in html
    assert f"/pictures/{keys[5]}/thumb" in html


# Export, and taking up.


def test_the_export_is_a_figure_table(visitor, review, tmp_path):
    study = review()
    tokens = {name: study.readers.admit(name) for name in ("ann", "bob")}
    ann, bob = (visitor(study, tokens[name]) for name in ("ann", "bob"))
    keys = ann.keys(sort="source")
    ann.vote(keys[0], call="AMF", subtype="multipolar")
    bob.vote(keys[0], call="AMF")
    ann.vote(keys[1], call="AMF")
    bob.vote(keys[1], call="NMF")
    ann.vote(keys[2], call="not_mitosis")
    bob.vote(keys[3], call="NMF", subtype="ring_shape", comment="ring")
    path = tmp_path / "export.csv"
    path.write_text(ann.client.get("/export/figures.csv").text)
    figures = open_source(path)
    assert figures.table["figure_id"].tolist() == ["drawn_00001", "drawn_00004"]
    assert figures.labels.tolist() == [1.0, 0.0]
    assert figures.table["subtype"].tolist() == ["multipolar", "ring_shape"]
    assert np.array_equal(figures.votes, [[1, 1], [np.nan, 0]], equal_nan=True)
    assert all(figures.path(image).is_file() for image in figures.table["image"])
    assert figures.table["mpp"].notna().all()
    path.write_text(ann.client.get("/export/figures.csv?every=true").text)
    every = open_source(path).table
    assert len(every) == 36
    assert every["review"].fillna("").tolist()[:5] == ["labeled", "undecided", "not a mitosis", "labeled", ""]
    assert "earlier_label" in every
    assert every["comment"][3] == "bob: ring"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_that_a_person_typed_is_a_formula(visitor, review, tmp_path, start):
    study = review()
    name = f"{start}1+1" if start.isprintable() else "ann"
    ann = visitor(study, study.readers.admit(name))
    key = ann.keys(sort="source")[0]
    comment = f'{start}HYPERLINK("http://evil.example")'
    ann.vote(key, call="AMF", subtype="multipolar", comment=comment, filters=comment)
    votes = pd.read_csv(io.StringIO(ann.client.get("/export/votes.csv").content.decode()))
    assert votes["comment"].tolist() == votes["filters"].tolist() == [f"'{comment}"]
    path = tmp_path / "export.csv"
    path.write_bytes(ann.client.get("/export/figures.csv").content)
    figures = open_source(path)
    cells = [value for value in figures.table.to_numpy(dtype=object).ravel() if isinstance(value, str)]
    assert not [value for value in cells if value.startswith(("=", "+", "-", "@", "\t", "\r"))]
    # What is trained on is as it was.
    assert figures.table["figure_id"].tolist() == [study.catalog.ids[0]]
    assert (figures.labels.tolist(), figures.table["subtype"].tolist()) == ([1.0], ["multipolar"])
    assert figures.path(figures.table["image"][0]).is_file()


def test_votes_outlive_the_server(visitor, review):
    first = visitor(review())
    key = first.keys()[0]
    first.vote(key, call="AMF", subtype="other")
    again = visitor(review())
    assert labeled(again.page()) == 1
    # The old window goes on: its cookie and its token still hold, and a vote that was in flight counts once.
    again.client.cookies = first.client.cookies
    again.csrf = first.csrf
    for _ in range(2):
        assert again.vote(again.keys()[1], call="NMF", request="in-flight-1").status_code == 200
    assert labeled(again.page()) == 2
    assert len(review().votes.raw()) == 2
