"""Every kind of heads, trained by the engine on drawn figures until it separates them."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_table import write_drawn_table

import atypica
from atypica.core.vocabulary import Subtype
from atypica.data.figures import Figures
from atypica.data.sources import open_source
from atypica.training.crossval import out_of_fold, train_fold
from atypica.training.recipe import load_recipe
from atypica.training.run import Run
from atypica.training.train import train

SETTINGS = [
    "model.backbone=test_efficientnet", "model.weights=random", "model.dropout=0", "model.drop_path=0",
    "augment={rotate: true, flip: true}", "geometry.size_px=48", "split.train_on=all", "split.folds=4",
    "training.batch_size=8", "training.ema_decay=0.5", "optimizer.lr=0.006", "heads={}",
]  # fmt: skip
KINDS = {
    "separate": ["loss.name=recall"],
    "softmax": ["loss.name=categorical_focal", "loss.gamma=1"],
    "experts": ["loss.name=focal", "loss.gamma=1", "heads.hidden=32", "heads.votes=0.5", "heads.disagreement=0.5"],
    "hardness": ["loss.name=cross_entropy"],
    "hierarchical": ["loss.name=focal_recall"],
}


@pytest.fixture(scope="module")
def figures(tmp_path_factory) -> Figures:
    return open_source(write_drawn_table(tmp_path_factory.mktemp("drawn") / "figures", 200))


@pytest.mark.slow  # the published recipes, of all kinds but for other losses, are trained with every run of the tests
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_learns_to_tell_amf_from_nmf(kind, figures, tmp_path):
    recipe = load_recipe("default", [*SETTINGS, "training.epochs=15", f"heads.kind={kind}", *KINDS[kind]])
    run = Run.open(tmp_path / "run", recipe, figures)
    metrics = train_fold(run, run.load_crops(), 0, views=(1,))
    assert metrics["auroc"] > 0.9


@pytest.mark.slow
def test_a_bundle_of_hardness_classes_answers_as_every_bundle_does(figures, tmp_path):
    settings = [
        "split.folds=2",
        "training.epochs=8",
        "distill.epochs=2",
        "distill.rounds=1",
        "heads.kind=hardness",
        "heads.subtype=0.3",
    ]
    loss = ["loss.name=cross_entropy", "loss.class_weights=balanced"]
    recipe = load_recipe("default", [*SETTINGS, *settings, *loss])
    bundle = train(recipe, figures, tmp_path / "run")
    model = atypica.load_model(bundle)
    assert model.card.heads["hardness"] == ["NMF easy", "NMF hard", "AMF easy", "AMF hard"]
    predictions = model.classify(figures).predictions
    assert predictions["p_disagreement"].between(0, 1).all()
    subtypes = predictions[[f"p_{subtype.value}" for subtype in Subtype]].to_numpy()
    np.testing.assert_allclose(subtypes[:, 4:].sum(axis=1), predictions["p_amf"], atol=1e-5)
    held_out = out_of_fold(Run.open(tmp_path / "run", recipe, figures))
    classes = np.exp(held_out[[f"hardness_{index}_views1" for index in range(4)]].to_numpy())
    odds = classes[:, 2:].sum(axis=1) / classes[:, :2].sum(axis=1)
    np.testing.assert_allclose(np.log(odds), held_out["amf_0_views1"], atol=1e-4)
