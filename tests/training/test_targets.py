from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from atypica.core.errors import SourceError
from atypica.data.figures import figures_from
from atypica.training.ledger import Ledger
from atypica.training.targets import Targets, blend


def figures(**columns):
    table = pd.DataFrame({"image": ["a.png", "b.png"], **columns})
    return figures_from(table, Path(), "test")


def test_votes_become_soft_labels_and_missing_votes_do_not_count():
    heads = Targets.of(
        figures(label=["AMF", "NMF"], vote_1=["AMF", "NMF"], vote_2=["NMF", "NMF"], vote_3=[None, "NMF"])
    ).heads
    assert heads["amf"][:, 0].tolist() == [0.5, 0.0]
    assert heads["disagreement"][:, 0].tolist() == [1.0, 0.0]
    assert heads["votes"][0].isnan().tolist() == [False, False, True]


def test_without_votes_the_label_is_the_target():
    heads = Targets.of(figures(label=["AMF", "NMF"])).heads
    assert heads["amf"][:, 0].tolist() == [1.0, 0.0]
    assert heads["disagreement"].isnan().all()


def test_two_experts_subtypes_are_shared():
    heads = Targets.of(
        figures(label=["AMF", "NMF"], subtype_1=["metaphase", None], subtype_2=["AMF multipolar", None])
    ).heads
    assert heads["subtype"][0].tolist() == [0, 0.5, 0, 0, 0, 0.5, 0, 0]
    assert heads["subtype"][1].isnan().all()


def test_figures_without_a_label_are_refused():
    with pytest.raises(SourceError, match="label"):
        Targets.of(figures(label=["AMF", None]))


def test_blend_mixes_what_is_known_and_takes_the_teacher_elsewhere():
    targets = {"amf": torch.tensor([[1.0], [float("nan")]])}
    mixed = blend(targets, {"amf": torch.tensor([[0.5], [0.2]])}, 0.6)
    np.testing.assert_allclose(mixed["amf"][:, 0], [0.7, 0.2], atol=1e-6)


def test_the_ledger_finds_only_steps_of_the_same_recipe_and_data(tmp_path):
    path = tmp_path / "ledger.jsonl"
    Ledger(path, "data").add("fold 0", "recipe", seed=0, seconds=1.0, metrics={"auroc": 0.9})
    assert Ledger(path, "data").find("fold 0", "recipe")["metrics"] == {"auroc": 0.9}
    assert Ledger(path, "data").find("fold 1", "recipe") is None
    assert Ledger(path, "data").find("fold 0", "other") is None
    assert Ledger(path, "other").find("fold 0", "recipe") is None


def test_hard_labels_are_taught_where_the_recipe_wants_them():
    both = figures(label=["AMF", "NMF"], vote_1=["AMF", "NMF"], vote_2=["NMF", "NMF"], vote_3=["AMF", "AMF"])
    assert Targets.of(both, soft_labels=False).heads["amf"][:, 0].tolist() == [1.0, 0.0]
    assert Targets.of(both).heads["amf"][:, 0].tolist() == pytest.approx([2 / 3, 1 / 3])
