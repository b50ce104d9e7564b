"""A leaderboard in every format: numbers as found, published ones marked, text escaped, nothing fetched."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from atypica.apps.cli.benchmark_screen import show_leaderboard
from atypica.evaluation.binary import binary_metrics
from atypica.evaluation.bootstrap import BootstrapSettings
from atypica.evaluation.comparison import ModelScores, compare_models
from atypica.evaluation.doubt import closeness, ensemble_spread
from atypica.evaluation.fold_comparison import compare_folds
from atypica.evaluation.leaderboard import FOLD_METRICS, Failure, Leaderboard, Scored, TestSet
from atypica.evaluation.published import load_published
from atypica.evaluation.referral import refer
from atypica.evaluation.significance import FoldSummary
from atypica.evaluation.summary import SubtypeInput, evaluate
from atypica.reporting.leaderboard import plots
from atypica.reporting.leaderboard.board import Cell, boards
from atypica.reporting.leaderboard.page import p_text, render_page
from atypica.reporting.leaderboard.text import escape, latex, long_table, markdown

N, FOLDS = 300, 3
BOOTSTRAP = BootstrapSettings(replicates=60)


def simulated() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, cases, and the logits of two models' folds (2, N, FOLDS)."""
    rng = np.random.default_rng(5)
    y = (rng.random(N) < 0.3).astype(float)
    cases = np.array([f"case {k % 30}" for k in range(N)], dtype=object)
    logits = np.stack([rng.normal(strength * (y[:, None] - 0.5), 1.0, (N, FOLDS)) for strength in (2.5, 1.0)])
    return y, cases, logits


def scored(label: str, z: np.ndarray, y: np.ndarray, cases: np.ndarray, subtypes: bool) -> Scored:
    rng = np.random.default_rng(1)
    truth = np.where(y == 1, 4 + np.arange(N) % 3, np.arange(N) % 4).astype(float)
    p8 = rng.dirichlet(np.ones(8), N)
    given = SubtypeInput(truth, p8) if subtypes else None
    scanner = ["A" if k % 2 else "B_1" for k in range(N)]
    thresholds = {"0.5": 0.5, "own": 0.4}
    folds = {
        name: {
            m: FoldSummary.of([float(binary_metrics(y, expit(z[:, k]), t)[m][0]) for k in range(FOLDS)])
            for m in FOLD_METRICS
        }
        for name, t in thresholds.items()
    }
    found = {
        name: evaluate(
            y, expit(z.mean(axis=1)), t, cases=cases, domains={"scanner": scanner}, subtypes=given, replicates=60
        )
        for name, t in thresholds.items()
    }
    p, hard = expit(z.mean(axis=1)), (np.arange(N) % 5 == 0).astype(float)
    referrals = {
        name: {
            doubt: refer(y, p, t, values, hard=hard if label == "weak" else None, cases=cases, settings=BOOTSTRAP)
            for doubt, values in (("spread", ensemble_spread(expit(z))), ("closeness", closeness(p, t)))
        }
        for name, t in thresholds.items()
    }
    return Scored(
        label,
        42,
        label,
        "ensemble",
        "AMi-Br",
        2 if label == "weak" else 0,
        "drop",
        1,
        thresholds,
        folds,
        found,
        referrals,
        None,
        "x",
    )


def leaderboard(target: str = "amf") -> Leaderboard:
    y, cases, logits = simulated()
    names = ["strong & <good>", "weak"]
    subtypes = target == "subtype"
    ours = tuple(scored(name, z, y, cases, subtypes) for name, z in zip(names, logits, strict=True))
    models = [ModelScores(name, expit(z.mean(axis=1)), 0.5) for name, z in zip(names, logits, strict=True)]
    values = [float(binary_metrics(y, expit(z[:, k]), 0.5)["auroc"][0]) for z in logits for k in range(FOLDS)]
    columns = {"model": [name for name in names for _ in range(FOLDS)], "fold": [*range(FOLDS)] * 2}
    suite = {
        "name": "t", "title": "Title_1", "description": "About.", "protocol": "A & B", "data": "d", "seeds": [42],
        "settings": [], "target": target,
    }  # fmt: skip
    tables = ("aucmedi2025",) if subtypes else ("banerjee2026", "midog25-final")
    return Leaderboard(
        suite,
        (
            TestSet("AMi-Br", "AMi-Br", N, int(y.sum()), 30, 1, published_as="AMi-Br"),
            TestSet("gone", "x", error="lost"),
        ),
        ours,
        (Failure("later", 42, "later", "there is no recipe 'later'"),),
        {"AMi-Br": compare_models(y, models, cases=cases, settings=BOOTSTRAP)},
        {"auroc": compare_folds(values, columns, "model")},
        tuple(load_published(name) for name in tables),
        BOOTSTRAP,
        ("atypica benchmark t --out o",),
        {"python": "3"},
    )


@pytest.fixture(scope="module")
def found() -> Leaderboard:
    return leaderboard()


@pytest.fixture(scope="module")
def page(found) -> str:
    return render_page(found)


def test_folds_ensembles_and_published_rows_stand_in_one_table_best_first(found):
    board = boards(found)[0]
    means = [row.cells["balanced_accuracy@0.5"].value for row in board.rows if "ensemble" not in row.of]
    assert means == sorted(means, reverse=True)
    assert sum(bool(row.published) for row in board.rows) == 17
    ours = [row for row in board.rows if row.name == "weak"]
    assert [row.of for row in ours] == ["3 folds", "ensemble"]
    assert ours[0].cells["auroc"].low is None
    assert ours[0].cells["auroc"].sd is not None
    assert ours[1].cells["auroc"].low is not None
    assert any("weak: test figures that it trained on: 2, left out" in note for note in board.notes)
    assert any("on all 826 figures, ours on 300" in note for note in board.notes)


def test_published_rows_are_marked_in_every_format(found, page):
    swin = next(line for line in markdown(found).splitlines() if "Swin-B" in line)
    assert swin.startswith("| *Swin-B* | *end to end, published* | *0.8052 ± 0.0139* |")
    assert r"\textit{Swin-B} & \textit{end to end, published}" in latex(found)
    table = long_table(found)
    assert set(table.loc[table["name"] == "Swin-B", "published"]) == {"Banerjee et al., MELBA 2026, Table 3"}
    assert set(table.loc[table["name"] == "weak", "published"]) == {""}
    assert re.search(r'<tr class="published"><th scope="row">Swin-B<span class="tag">published</span>', page)
    assert "https://doi.org/10.59275/j.melba.2026-6c1g" in page


def test_published_values_stand_under_their_own_threshold_whichever_is_first(found):
    swapped = [
        replace(one, **{name: {"own": getattr(one, name)["own"]} for name in ("thresholds", "evaluations", "folds")})
        for one in found.scored
    ]
    board = boards(replace(found, scored=tuple(swapped)))[0]
    assert list(board.columns)[:2] == ["balanced_accuracy@own", "balanced_accuracy@0.5"]
    swin = next(row for row in board.rows if row.name == "Swin-B")
    assert swin.cells["balanced_accuracy@0.5"].value == 0.8052
    assert "balanced_accuracy@own" not in swin.cells
    means = [
        next(c.value for k, c in row.cells.items() if "balanced" in k) for row in board.rows if row.of != "ensemble"
    ]
    assert means == sorted(means, reverse=True)


def test_the_long_table_has_the_numbers_that_were_found(found):
    table = long_table(found)
    row = table[(table["name"] == "weak") & (table["of"] == "ensemble") & (table["metric"] == "auroc")].iloc[0]
    estimate = found.scored[1].first.overall.metrics["auroc"]
    assert row["value"] == estimate.value
    assert (row["low"], row["high"]) == (estimate.interval.low, estimate.interval.high)
    assert pd.isna(row["sd"])


def test_what_each_doubt_is_worth_stands_in_every_format(found, page):
    board = next(board for board in boards(found) if board.kind == "referrals")
    assert board.title == "AMi-Br: BA of the rest when 10% of the figures go to a person"
    weak = [row for row in board.rows if row.name == "weak"]
    assert [row.of for row in weak] == ["none", "where the networks differ most", "nearest to the threshold"]
    assert [row.counts[0] for row in weak] == [N, 0.9 * N, 0.9 * N]
    for row, doubt in zip(weak[1:], ("spread", "closeness"), strict=True):
        for name, referral in ((name, referrals[doubt]) for name, referrals in found.scored[1].referrals.items()):
            assert row.cells[f"balanced_accuracy@{name}"].value == referral.rest.balanced_accuracy
            gained = row.cells[f"balanced_accuracy@{name}"].value - weak[0].cells[f"balanced_accuracy@{name}"].value
            assert row.cells[f"gain@{name}"].value == pytest.approx(gained)
    assert any("n/a, no figure has two experts' votes" in note for note in board.notes)
    table = long_table(found)
    assert {"gain@own", "hard_auroc"} <= set(table.loc[table["board"] == "referrals", "metric"])
    assert "where the networks differ most" in markdown(found)
    assert "share of the figures referred to a person" in page
    assert found.to_json()["scored"][0]["referrals"]["own"]["spread"]["rest"]["figures"] == 0.9 * N


def test_coverage_curves_are_drawn_at_the_models_own_threshold(found):
    figure = plots.coverage_plot(found.scored)
    assert figure is not None
    for axes, one in zip(figure.axes, found.scored, strict=True):
        lines = {line.get_label(): line for line in axes.get_lines()}
        curve = one.referrals["own"]["spread"].curve
        drawn = lines["where the networks differ most"].get_ydata()
        assert drawn == pytest.approx(curve.balanced_accuracy[curve.coverage >= 0.5])
    assert plots.coverage_plot([]) is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("50 % of a_b & c#1", r"50 \% of a\_b \& c\#1"),
        ("{x} ~ ^ $", r"\{x\} \textasciitilde{} \textasciicircum{} \$"),
        ("a\\b < c", r"a\textbackslash{}b \textless{} c"),
        ("0.8 ± 0.1", r"0.8 $\pm$ 0.1"),
    ],
)
def test_latex_sets_text_as_it_stands(text, wanted):
    assert escape(text) == wanted


def test_latex_has_as_many_columns_as_heads_in_every_row(found):
    for table in latex(found).split(r"\begin{table}")[1:]:
        columns = len(re.search(r"\\begin\{tabular\}\{([lr]+)\}", table)[1])
        rows = [line for line in table.splitlines() if line.endswith(r" \\")]
        assert rows
        assert {len(re.split(r"(?<!\\)&", row)) for row in rows} == {columns}


def test_the_page_fetches_nothing_and_says_what_failed(page):
    assert not re.search(r'(?:src|href)="(?!#|data:)', page)
    assert "default-src 'none'" in page
    assert "strong &amp; &lt;good&gt;" in page
    assert "there is no recipe &#39;later&#39;" in page
    assert "lost" in page
    assert "atypica benchmark t --out o" in page
    assert page.count("<svg") == 5


def test_the_page_shows_pairs_both_ways_with_raw_and_adjusted_p(found, page):
    test = found.comparisons["AMi-Br"].pairs[0].tests["delong_by_case"]
    assert f"p {p_text(test.p)}, Holm {p_text(test.p_holm)}" in page
    assert '<td class="higher">' in page
    assert '<td class="lower">' in page
    assert "0.2500" in page  # the smallest p of three pairs


def test_subtypes_stand_class_by_class_beside_the_published(tmp_path):
    board = boards(leaderboard("subtype"))[0]
    assert board.kind == "subtypes"
    multipolar = [row for row in board.rows if row.name == "multipolar"]
    assert [row.published != "" for row in multipolar] == [False, False, True]
    assert multipolar[-1].cells["auroc"].value == 0.9436
    other = next(row for row in board.rows if row.name == "other atypical" and not row.published)
    assert other.cells["sensitivity"].text() == "n/a"
    assert [row.name for row in board.rows[-3:]] == ["mean"] * 3


def test_a_cell_says_only_what_is_known():
    assert Cell(0.5, 0.01, 0.49, 0.51).text() == "0.500 ± 0.010 (0.490 to 0.510)"
    assert Cell(0.5, low=0.4, high=0.6).text() == "0.500 [0.400, 0.600]"
    assert Cell(note="no AMF figures").text() == "n/a"
    assert Cell().text() == ""


def test_plots_show_at_most_so_many_curves_as_can_be_told_apart(found):
    many = [found.scored[0]] * 9
    figure = plots.roc_plot(many)
    assert figure is not None
    assert len(figure.axes[0].get_legend().get_texts()) == plots.MOST_CURVES
    assert plots.roc_plot([]) is None


def test_a_collapsed_fold_is_marked_in_every_format(found, capsys):
    why = "every held-out figure is called NMF at 0.5"
    one, other = found.scored
    marked = replace(found, scored=(one, replace(other, collapses={2: why})))
    rows = {row.of: row for row in boards(marked)[0].rows if row.name == "weak"}
    assert list(rows) == ["3 folds, 1 fold collapsed", "ensemble, 1 fold collapsed"]
    assert f"weak: fold 2 collapsed: {why}" in boards(marked)[0].notes
    assert f"## Collapsed\n\n- weak, fold 2: {why}" in markdown(marked)
    assert "1 fold collapsed" in latex(marked)
    table = long_table(marked)
    ours = table[(table["board"] == "models") & (table["published"] == "")]
    assert dict(ours.groupby("name")["collapsed"].max()) == {"strong & <good>": 0, "weak": 1}
    assert marked.to_json()["scored"][1]["collapses"] == {"2": why}
    html = render_page(marked)
    assert f"Collapsed: weak, fold 2: {why}" in html
    assert html.count('<span class="tag">collapsed</span>') == 2
    show_leaderboard(marked)
    assert f"collapsed: weak, fold 2: {why}" in capsys.readouterr().out
    assert "Collapsed" not in markdown(found) + render_page(found)
