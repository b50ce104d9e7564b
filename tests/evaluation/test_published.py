"""Published results: all load, and agree with what their authors printed fold by fold."""

from __future__ import annotations

import pandas as pd
import pytest

from atypica.core.errors import SettingsError
from atypica.core.vocabulary import Subtype
from atypica.evaluation.binary import METRICS
from atypica.evaluation.published import load_published, published_names


@pytest.mark.parametrize("name", published_names())
def test_every_published_table_names_its_source_and_known_metrics(name):
    table = load_published(name)
    assert table.name == name
    assert table.citation
    assert table.url.startswith("https://")
    assert table.models or table.subtypes
    for model in table.models:
        for metrics in model.tests.values():
            assert set(metrics) <= set(METRICS)
            assert all(0 < value.mean < 1 for value in metrics.values())


def test_the_benchmark_of_seventeen_models_is_whole():
    table = load_published("banerjee2026")
    assert len(table.models) == 17
    assert all(set(model.tests) == set(table.figures) for model in table.models)
    best = max(table.models, key=lambda model: model.tests["AMi-Br"]["balanced_accuracy"].mean)
    assert (best.model, best.detail) == ("Virchow2", "LoRA")
    assert best.tests["AMi-Br"]["balanced_accuracy"].mean == 0.8135


def test_means_and_sds_are_those_of_the_published_folds(real_data):
    folds = pd.read_csv(real_data / "published" / "ami-br-benchmark-folds.csv")
    printed = sorted(
        (test, *(n for m in ("balanced_accuracy", "auroc") for n in (metrics[m].mean, metrics[m].sd)))
        for model in load_published("banerjee2026").models
        for test, metrics in model.tests.items()
    )
    groups = folds.groupby(["dataset", "model"])[["balanced_accuracy", "auroc"]].agg(["mean", "std"])
    counted = sorted((str(name[0]), *row) for name, row in zip(groups.index, groups.to_numpy().tolist(), strict=True))
    for one, other in zip(printed, counted, strict=True):
        assert one[0] == other[0]
        assert one[1:] == pytest.approx(other[1:], abs=1.2e-4)


def test_the_table_of_subtypes_has_the_published_mean():
    table = load_published("aucmedi2025").subtypes["AMi-Br"]
    assert set(table.classes) == set(Subtype)
    assert sum(one.figures for one in table.classes.values()) == 1345
    assert round(table.mean("auroc"), 4) == 0.8590


def test_unknown_results_are_told():
    with pytest.raises(SettingsError, match="no published results 'x'"):
        load_published("x")
