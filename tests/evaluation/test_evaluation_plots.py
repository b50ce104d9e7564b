"""The plots: what they say, and that no set of figures breaks them."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import pyplot
from PIL import Image

from atypica.evaluation.summary import evaluate
from atypica.reporting.evaluation_plots import MOST_GROUPS, forest_plot, reliability_plot, roc_plot, write_plots


def found(n: int = 200, **kwargs):
    rng = np.random.default_rng(0)
    y = (rng.random(n) < 0.3).astype(float)
    p = np.clip(rng.normal(0.3 + 0.3 * y, 0.2), 0, 1)
    return evaluate(y, p, 0.4, replicates=50, **kwargs), y, p


def words(figure) -> str:
    axes = figure.axes
    labels = [text for a in axes for text in (*a.texts, a.xaxis.label, a.yaxis.label, *a.get_yticklabels())]
    return "\n".join(text.get_text() for text in labels)


def test_all_plots_are_written_at_column_width(tmp_path):
    evaluation, y, p = found(domains={"scanner": ["A", "B"] * 100})
    files = write_plots(tmp_path, evaluation, y, p)
    names = ["coverage.png", "domains.png", "pr.png", "reliability.png", "roc.png", "scores.png"]
    assert sorted(file.name for file in files) == names
    for file in files:
        with Image.open(file) as image:
            assert image.width == pytest.approx(85 / 25.4 * 300, abs=2)
            assert len(set(image.convert("L").tobytes())) > 10
    assert pyplot.get_fignums() == []


def test_the_roc_plot_says_its_numbers():
    evaluation, _, _ = found()
    text = words(roc_plot(evaluation, evaluation.roc))
    assert f"AUROC {evaluation.overall.metrics['auroc'].value:.3f} [" in text
    assert "threshold 0.40" in text
    assert "figures resampled (likely too narrow)" in text


def test_the_reliability_plot_counts_every_figure():
    evaluation, _, _ = found()
    counts = [int(text.get_text()) for text in reliability_plot(evaluation).axes[1].texts]
    assert sum(counts) == 200


def test_a_group_without_amf_is_named_as_undefined():
    y = np.array([0.0, 1.0] * 20 + [0.0] * 20)
    p = np.linspace(0, 1, 60)
    domains = {"tumor": ["both"] * 40 + ["none"] * 20}
    text = words(forest_plot(evaluate(y, p, 0.5, domains=domains, replicates=50)))
    assert "n/a: no AMF" in text
    assert "both  20/40" in text
    assert "by tumor" in text


def test_many_groups_are_cut_and_counted():
    evaluation, _, _ = found(domains={"case": [str(k // 4) for k in range(200)]})
    figure = forest_plot(evaluation)
    assert len(figure.axes[0].get_yticks()) == MOST_GROUPS + 2
    assert "10 smaller groups not shown" in figure.get_supxlabel()


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_alone_still_gives_what_can_be_drawn(tmp_path, label):
    y, p = np.full(5, label), np.array([0.0, 0.2, 0.5, 0.9, 1.0])
    files = write_plots(tmp_path, evaluate(y, p, 0.5, replicates=20), y, p)
    assert sorted(file.name for file in files) == ["reliability.png", "scores.png"]
