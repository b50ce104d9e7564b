"""The report: complete in itself, escaped, and in agreement with the tables it shows."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import atypica
from atypica.core.errors import FigureError
from atypica.core.vocabulary import Subtype
from atypica.data.figures import Figures, figures_from
from atypica.inference.card import Card, Geometry, MeasuredAccuracy, Strangeness, Thresholds
from atypica.inference.cases import summarize_cases
from atypica.inference.counting import Limits, leave_out
from atypica.reporting.report import render_report, write_report

CARD = Card(
    name="test model",
    version="1.2",
    created="2026-01-02",
    license="Apache-2.0",
    onnx_sha256="ab" * 32,
    geometry=Geometry(field_um=20, size_px=32),
    heads={"amf": ["AMF"], "subtype": [subtype.value for subtype in Subtype]},
    thresholds=Thresholds(default=0.4, chosen_by="balanced accuracy, out of fold", refer_low=0.3, refer_high=0.5),
    strangeness=Strangeness(quantiles=[i / 100 for i in range(101)], limit=0.99),
    training_data={"dataset": "AMi-Br <train>", "figures": 2894},
    metrics={"test": {"auroc": {"value": 0.9, "low": 0.88, "high": 0.92}}},
    recipe={"name": "default"},
)


@dataclass(frozen=True)
class Typed:
    """A result from random numbers."""

    predictions: pd.DataFrame
    figures: Figures
    card: Card = CARD
    notes: tuple[str, ...] = ()
    views: int = 1
    limits: Limits = field(default_factory=Limits)
    side: int = 32
    gone: frozenset[int] = frozenset()

    def cases(self):
        return summarize_cases(self.predictions, self.card.thresholds)

    def explain(self, rows):
        if self.gone & set(rows):
            raise FigureError("the file has gone")
        rng = np.random.default_rng(len(rows))
        crops = rng.integers(0, 256, (len(rows), self.side, self.side, 3), dtype=np.uint8)
        return crops, rng.normal(size=(len(rows), 4, 4)).astype(np.float32)


def typed(count, failed=(), cases=0, **options):
    rng = np.random.default_rng(count)
    image = [f"folder/{i:03d}.png" for i in range(count)]
    keys = pd.DataFrame({"image": image} | ({"case": [f"C{i % cases}" for i in range(count)]} if cases else {}))
    figures = figures_from(keys, Path("/srv/secret place"), "some figures")
    good = ~np.isin(np.arange(count), list(failed))
    p = np.where(good, rng.uniform(size=count).round(6), np.nan)
    table = figures.table.assign(
        p_amf=p,
        threshold=np.where(good, 0.4, np.nan),
        prediction=[None if np.isnan(v) else "AMF" if v >= 0.4 else "NMF" for v in p],
        subtype=[None if np.isnan(v) else "multipolar" if v >= 0.4 else "ring_shape" for v in p],
        **{f"p_{subtype.value}": np.where(good, 0.125, np.nan) for subtype in Subtype},
        p_disagreement=np.where(good, 0.3, np.nan),
        uncertainty=np.where(good, 0.5, np.nan),
        ood=np.where(good, 0.5, np.nan),
        abstain=pd.array([None if np.isnan(v) else bool(0.3 < v < 0.5) for v in p], dtype="boolean"),
        error=[None if ok else f"/srv/secret place/{name}: cut short" for ok, name in zip(good, image, strict=True)],
        model="test",
        model_sha256="ab" * 32,
    )
    return Typed(table, figures, **options)


class Page(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def classed(self, name):
        return [attrs for _, attrs in self.tags if name in (attrs.get("class") or "").split()]


@pytest.fixture(scope="module")
def result():
    return typed(40, failed={3, 17}, cases=6, notes=("Resolution: nothing says it, so 0.25 um/px was assumed.",))


@pytest.fixture(scope="module")
def html(result):
    return render_report(result)


def test_nothing_is_fetched(html):
    for tag, attrs in Page(html).tags:
        assert tag not in {"iframe", "object", "embed", "form", "base", "audio", "video"}
        for name in ("src", "href", "xlink:href", "srcset", "action", "data", "poster"):
            assert (attrs.get(name) or "#").startswith(("#", "data:")), (tag, attrs)
        assert not any(name.startswith("on") for name in attrs)
    assert not re.findall(r"url\((?!#)|@import|https?://|fetch\(|XMLHttpRequest", html)


def test_policy_allows_the_one_script_and_no_load(html):
    policy = next(a["content"] for t, a in Page(html).tags if a.get("http-equiv") == "Content-Security-Policy")
    script = re.search(r"<script>(.*)</script>", html, re.S)
    assert script
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert f"script-src 'sha256-{digest}'" in policy


def test_counts_are_those_of_the_table(result, html):
    page, table = Page(html), result.predictions
    for kind, number in {
        "amf": (table["prediction"] == "AMF").sum(),
        "nmf": (table["prediction"] == "NMF").sum(),
        "check": table["abstain"].sum(),
        "failed": 2,
    }.items():
        assert len([a for a in page.classed("tile") if kind in a["class"].split()]) == number
    amf = int((table["prediction"] == "AMF").sum())
    assert f"{amf} of 38 typed figures are called atypical" in page.text
    assert f"AMF rate of {100 * amf / 38:.1f} %" in page.text
    assert "bootstrap 95 %, by case (6 cases)" in page.text
    assert [row.case for row in result.cases().itertuples()][:-1] == re.findall(r'<th scope="row">(C\d)', html)


def test_figures_stand_by_falling_probability(html):
    shown = [float(p) for p in re.findall(r'class="call"><span class="chip">[AN]MF</span><b>([\d.]+)</b>', html)]
    assert len(shown) == 38
    assert shown == sorted(shown, reverse=True)


def test_failed_figures_are_listed_with_their_reasons(html):
    text = Page(html[html.index('id="failed"') :]).text
    assert "2 of 40 figures could not be typed" in text
    assert "folder/003.png folder/003.png: cut short" in text.replace("C3 ", "")
    assert "folder/017.png" in text


def test_warnings(html):
    page = Page(html)
    assert len(page.classed("warnings")) == 1
    for part in ("0.25 um/px was assumed", "2 figures could not be read", "6 of 6 cases have too few figures"):
        assert part in page.text


def test_many_unlike_figures_are_warned_of():
    result = typed(50)
    assert "unlike the figures the model was trained on" not in render_report(result)
    strange = result.predictions.assign(ood=np.where(np.arange(50) < 5, 0.995, 0.5))
    assert "5 of 50 figures (10%) are unlike" in Page(render_report(replace(result, predictions=strange))).text


def test_no_folder_of_the_machine(html):
    assert "secret" not in html
    assert "/srv" not in html


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def test_hostile_text_is_escaped():
    result = typed(12, failed={1}, cases=2, notes=(HOSTILE,))
    for column in ("figure_id", "case"):
        result.predictions[column] = [f"{HOSTILE}{i % 2}" for i in range(12)]
    result.predictions.loc[1, "error"] = HOSTILE
    hostile = replace(
        result,
        figures=replace(result.figures, name=HOSTILE),
        card=CARD.model_copy(update={"name": HOSTILE, "training_data": {HOSTILE: HOSTILE}}),
    )
    page = Page(render_report(hostile, banner=HOSTILE))
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert any(attrs.get("title", "").startswith("<script>") for attrs in page.classed("id"))


def test_banner_comes_first(result):
    html = render_report(result, title="A title of mine", banner="These figures are drawn.")
    body = html[html.index("<body>") :]
    assert body.index("These figures are drawn.") < body.index("<header")
    assert "<h1>A title of mine</h1>" in body
    assert 'class="banner"' not in render_report(result)


@pytest.mark.parametrize("failed", [set(), set(range(4))])
def test_results_without_a_typed_figure(failed):
    result = typed(4, failed=failed)
    if not failed:
        result = replace(result, predictions=result.predictions.iloc[:0])
    text = Page(render_report(result)).text
    assert "No figure could be typed." in text
    assert ("All 4 failed" in text) == bool(failed)


def test_optional_columns_may_be_missing():
    result = typed(9, failed={2})
    optional = ["subtype", *(f"p_{s.value}" for s in Subtype), "p_disagreement", "uncertainty", "ood", "abstain"]
    card = CARD.model_copy(update={"strangeness": None, "training_data": {}, "metrics": {}, "recipe": {}})
    lean = replace(result, predictions=result.predictions.drop(columns=optional), card=card)
    text = Page(render_report(lean)).text
    assert "of 8 typed figures" in text
    assert "Subtypes as predicted" not in text


def test_blank_optional_columns_are_not_shown():
    result = typed(9)
    blank = result.predictions.assign(subtype=None, p_disagreement=np.nan, uncertainty=np.nan, ood=np.nan)
    page = Page(render_report(replace(result, predictions=blank)))
    assert not page.classed("subtype")
    assert "uncertainty –" not in page.text
    assert "nan" not in page.text.split()


def test_a_large_result_stays_small_and_says_what_is_left_out(tmp_path):
    result = typed(746, failed=set(range(70)), side=128)
    write_report(result, tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert len(html) < 18_000_000  # noise hardly compresses; real crops take a fifth
    page = Page(html)
    assert len(page.classed("tile")) == 300 + 60
    assert "376 of the 676 typed figures are not shown here" in page.text
    assert "60 of 70" in page.text
    assert html[html.index('id="failed"') :].count('<th scope="row">') == 70


def test_a_file_that_has_gone_costs_its_picture_only(result):
    page = Page(render_report(replace(result, gone=frozenset({5}))))
    assert len(page.classed("tile")) == 40
    assert len(page.classed("printed")) == 37


def test_labels_that_came_with_the_figures(result):
    labeled = replace(
        result, figures=replace(result.figures, table=result.figures.table.assign(label=["AMF"] * 20 + [None] * 20))
    )
    page = Page(render_report(labeled))
    table = result.predictions.iloc[:20]
    assert page.text.count("given AMF ≠") == (table["prediction"] == "NMF").sum()
    assert len(re.findall(r"given AMF(?! ≠)", page.text)) == (table["prediction"] == "AMF").sum()
    assert "given" not in Page(render_report(result)).text.split()


def test_a_threshold_of_the_users_own_is_said(result):
    mine = replace(result, predictions=result.predictions.assign(threshold=0.7))
    assert "chosen by the user; the model's own is 0.400" in Page(render_report(mine)).text
    assert "chosen by the user" not in Page(render_report(result)).text


KNOWN = MeasuredAccuracy(sensitivity=0.9, specificity=0.8, n_amf=200, n_nmf=400, effective_amf=200, effective_nmf=400)
KNOWING = CARD.model_copy(update={"thresholds": CARD.thresholds.model_copy(update={"accuracy": KNOWN})})


def test_corrected_rates_are_those_of_the_cases_with_their_intervals_and_what_they_assume(result):
    knowing = replace(result, predictions=result.predictions.drop(columns="case"), card=KNOWING)
    text, cases = Page(render_report(knowing)).text, knowing.cases()
    value = (cases["amf"].iloc[-1] / 38 + 0.8 - 1) / (0.9 + 0.8 - 1)
    assert cases["corrected_rate"].iloc[-1] == pytest.approx(value, abs=1e-6)
    low, high = (f"{100 * cases[f'corrected_{end}'].iloc[-1]:.1f}\u202f%" for end in ("low", "high"))
    assert f"corrected {100 * value:.1f}\u202f%, {low} to {high}" in render_report(knowing).replace("</a>", "")
    assert "finds 90.0\u202f% of AMF and takes 20.0\u202f% of NMF for AMF" in render_report(knowing)
    assert "200 AMF and 400 NMF" in text
    assert "†" not in text
    assert "Clamped" not in text


def test_a_clamped_rate_is_marked_and_explained(result):
    table = result.predictions.assign(case=["few"] * 20 + ["many"] * 20)
    table.loc[:19, "prediction"] = table.loc[:19, "prediction"].where(table["p_amf"].isna(), "NMF")
    table.loc[20:, "prediction"] = table.loc[20:, "prediction"].where(table["p_amf"].isna(), "AMF")
    html = render_report(replace(result, predictions=table, card=KNOWING))
    assert "0.0\u202f%*<small>" in html
    assert "100.0\u202f%*<small>" in html
    assert "* Clamped" in Page(html).text


def test_several_views_are_not_those_of_the_cards_accuracy(result):
    html = render_report(replace(result, card=KNOWING, views=8))
    assert "Corrected†" in html
    assert "† The model's accuracy was measured with one view" in html.replace("&#39;", "'")
    assert "here 8 views" in html


@pytest.mark.parametrize(
    ("card", "threshold", "reason"), [(CARD, 0.4, "no sensitivity"), (KNOWING, 0.6, "default threshold")]
)
def test_no_column_of_corrected_rates_without_any_but_the_reason(result, card, threshold, reason):
    table = result.predictions.assign(threshold=threshold)
    html = render_report(replace(result, predictions=table, card=card))
    assert ">Corrected" not in html
    assert re.search(rf"No corrected rate: [^.]*{reason}", html.replace("&#39;", "'"))


def test_the_card_is_shown(html):
    text = Page(html).text
    for part in ("test model 1.2", "ab" * 32, "balanced accuracy, out of fold", "0.900 (0.880 to 0.920)", "Apache-2.0"):
        assert part in text
    assert text.count("Research use only, not a medical device") >= 2


def test_a_real_result(tiny_bundle, tmp_path):
    from PIL import Image

    for number, gray in enumerate((20, 120, 250)):
        Image.new("RGB", (96, 96), (gray,) * 3).save(tmp_path / f"{number}.png")
    (tmp_path / "bad.png").write_bytes(b"none")
    table = pd.DataFrame({"image": ["0.png", "1.png", "2.png", "bad.png"], "case": list("aabb")})
    result = atypica.load_model(tiny_bundle).classify(figures_from(table, tmp_path, "four"))
    write_report(result, tmp_path / "out" / "report.html")
    html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    page = Page(html)
    assert len(page.classed("printed")) == 3
    assert "of 3 typed figures" in page.text
    assert str(tmp_path) not in html


@pytest.mark.real
def test_real_crops_stay_small(real_data, tiny_bundle, tmp_path):
    files = sorted((real_data / "AMi-Br").glob("*/*.png"))[:746]
    table = pd.DataFrame({"image": [str(file) for file in files]})
    result = atypica.load_model(tiny_bundle).classify(figures_from(table, real_data, "AMi-Br"), mpp=0.25)
    crops, maps = result.explain(list(range(300)))
    large = np.repeat(np.repeat(crops, 4, axis=1), 4, axis=2)
    write_report(replace_explain(result, large, maps), tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < 8_000_000


def replace_explain(result, crops, maps):
    """The result, with larger crops than the tiny model's."""
    stand_in = Typed(result.predictions, result.figures, result.card, result.notes)
    object.__setattr__(stand_in, "explain", lambda rows: (crops[: len(rows)], maps[: len(rows)]))
    return stand_in


def limited(result, limits):
    """The result with limits set, and a detector's score that rises with the row."""
    scores = np.arange(len(result.predictions)) / 100
    return replace(
        result, predictions=leave_out(result.predictions.assign(detection_score=scores), limits), limits=limits
    )


def test_figures_left_out_count_nowhere_and_are_shown_with_the_reason(result):
    half = limited(result, Limits(min_detection_score=0.2))
    page, table = Page(render_report(half)), half.predictions
    counts = table["counted"]
    amf = int((table.loc[counts, "prediction"] == "AMF").sum())
    assert counts.sum() == 20
    assert f"{amf} of 20 counted figures are called atypical" in page.text
    assert len([a for a in page.classed("tile") if "amf" in a["class"].split()]) == amf
    assert len([a for a in page.classed("tile") if "out" in a["class"].split()]) == 18
    assert page.text.count("left out: detection_score") == 18
    assert "left out: detection_score 0.19 below 0.2" in page.text
    assert "Left out 18" in page.text
    assert f"of all {20} counted figures" in page.text


def test_how_the_rate_moves_is_drawn_for_what_there_is(result):
    assert "The detector's own score" not in Page(render_report(result)).text.replace("’", "'")
    both = Page(render_report(limited(result, Limits(min_detection_score=0.1))))
    assert "The detector's own score." in both.text
    assert "in use, 0.1: 29" in both.text  # 30 rows from 0.10 on, of which row 17 failed
    without = result.predictions.drop(columns="ood")
    assert "Doubtful finds" not in Page(render_report(replace(result, predictions=without))).text


def test_all_left_out_is_said(result):
    text = Page(render_report(limited(result, Limits(min_detection_score=9)))).text
    assert "No figure counts. All 38 typed figures are left out" in text
