"""The published systems' recipes: every architecture whole but without memory, every path with a small stand-in."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from drawn_table import write_drawn_table
from shaded_table import write_shaded_table

from atypica.core.errors import SettingsError
from atypica.data.figures import Figures
from atypica.data.sources import open_source
from atypica.models.backbone import create_backbone
from atypica.models.network import FigureNetwork, build_network
from atypica.training.augment import Augmentation
from atypica.training.crops import CropStore
from atypica.training.crossval import cross_validate
from atypica.training.objective import Objective, trained_heads
from atypica.training.recipe import Recipe, differences, load_recipe, recipe_names
from atypica.training.run import Run
from atypica.training.targets import Targets

LORA, PROBE = "banerjee2026-virchow2-lora", "banerjee2026-virchow2-probe"
SIBLINGS = {
    name: eldest for eldest in (LORA, PROBE) for name in recipe_names() if name.endswith(eldest[-5:]) and name != eldest
}
"""They differ from it in the backbone alone."""
PUBLISHED = [name for name in recipe_names() if name not in {"default", *SIBLINGS}]
MILLIONS = {
    # Without a classifier, from each architecture's paper or timm's table.
    "resnet50": 23.5, "resnet101": 42.5, "resnet152": 58.1, "tf_efficientnet_b0": 4.0, "tf_efficientnet_b7": 63.8,
    "resnet34d": 21.3, "resnetv2_34d": 21.3, "resnest26d": 15.0, "densenet121": 7.0,
    "convnextv2_base.fcmae_ft_in22k_in1k": 87.7, "convnext_base.fb_in1k": 87.6, "tf_efficientnetv2_m": 52.9,
    "tf_efficientnetv2_s": 20.2, "vit_large_patch16_224": 303.3, "vit_base_patch16_224": 85.8,
    "swin_base_patch4_window7_224": 86.7, "uni": 303.4, "uni2-h": 681.4, "virchow": 631.2, "virchow2": 631.2,
    "prov-gigapath": 1134.9, "h-optimus-0": 1134.8, "h-optimus-1": 1134.8,
}  # fmt: skip
BACKBONES = {
    "kotte2025": ["resnet101", "resnet152", "tf_efficientnet_b0", "tf_efficientnet_b7", "swin_base_patch4_window7_224"],
    "resnetlike2025": ["resnet34d", "densenet121", "resnest26d"],
    "banerjee2026-vit": ["vit_base_patch16_224"],
    "bertram2025": ["tf_efficientnetv2_s"],
}
WHOLE = [*PUBLISHED, *(name for name in SIBLINGS if SIBLINGS[name] == PROBE)]
ARCHITECTURES = [(name, load_recipe(name).model.backbone) for name in WHOLE] + [
    (name, backbone) for name, others in BACKBONES.items() for backbone in others
]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """Embeddings are kept apart from those of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def figures(tmp_path_factory) -> Figures:
    return open_source(write_drawn_table(tmp_path_factory.mktemp("drawn") / "figures", 300, tested=2))


def whole_network(recipe: Recipe, targets: Targets) -> FigureNetwork:
    return build_network(
        recipe.model.backbone,
        "random",
        trained_heads(recipe.heads, targets.heads),
        kind=recipe.heads.kind,
        hidden=recipe.heads.hidden,
        size_px=recipe.geometry.size_px,
        hed=recipe.input.hed,
        inner_share=recipe.input.inner_um / recipe.geometry.field_um,
    )


@pytest.mark.parametrize(("name", "backbone"), ARCHITECTURES)
def test_the_whole_architecture_has_the_size_that_its_paper_says(name, backbone, figures):
    recipe = load_recipe(name, [f"model.backbone={backbone}"])
    targets = Targets.of(figures, hardness=recipe.heads.kind == "hardness")
    with torch.device("meta"):
        network = whole_network(recipe, targets)
        plain = create_backbone(backbone, "random")
    millions = sum(weight.numel() for weight in plain.parameters()) / 1e6
    assert millions == pytest.approx(MILLIONS[backbone], abs=0.06)
    assert set(network.sizes) >= {"amf"}
    assert sum(weight.numel() for weight in network.parameters()) > 1e6 * millions


STAND_IN = [
    "model.backbone=test_efficientnet", "model.weights=random", "model.dropout=0", "geometry.fraction=0.5",
    "geometry.size_px=48", "split.folds=4", "training.epochs=18", "training.batch_size=8", "training.ema_decay=0.8",
    "sampling.batches_per_epoch=14", "optimizer.lr=0.006", "optimizer.weight_decay=0.0001",
]  # fmt: skip
OWN = {
    # The drawn experts name some subtypes once or twice, which balanced weights would make the whole loss.
    "aucmedi2025": ["optimizer.head_epochs=1", "training.keep=best_auroc", "loss.class_weights=null"],
    "aucmedi2025-hierarchical": ["optimizer.head_epochs=1", "optimizer.lr=0.002"],
    "kotte2025": ["training.epochs=30"],
    "kotte2025-four-classes": ["training.epochs=30"],
    "kotte2025-context-hed": ["input.inner_um=10", "training.epochs=30"],
    **{f"banerjee2026-{name}": ["training.epochs=24"] for name in ("swin", "vit", "efficientnetv2")},
    "kotte2025-hybrid": ["training.epochs=30", "model.beside.backbone=test_vit", "model.beside.weights=random"],
    LORA: [
        "model.backbone=test_vit", "model.pooling=average", "schedule.name=cosine", "schedule.min_lr=0",
        "training.epochs=6", "sampling.batches_per_epoch=8",
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def shaded(tmp_path_factory) -> Figures:
    """A network with random weights, frozen, needs a difference that it can see."""
    return open_source(write_shaded_table(tmp_path_factory.mktemp("shaded") / "figures", 300, tested=2))


@pytest.mark.parametrize("name", PUBLISHED)
def test_it_learns_drawn_figures_by_its_own_path(name, figures, tmp_path, request):
    figures = request.getfixturevalue("shaded") if name in {LORA, PROBE} else figures
    everything = [] if load_recipe(name).split.train_on != "all" else ["split.train_on=train"]
    recipe = load_recipe(name, [*STAND_IN, *everything, *OWN.get(name, [])])
    run = Run.open(tmp_path, recipe, figures)
    (metrics,) = cross_validate(run, run.load_crops, views=(1,), only=[0])
    assert metrics["auroc"] > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PUBLISHED if not load_recipe(name).probe])
def test_the_whole_network_takes_two_steps(name, figures):
    """Minutes and gigabytes: the real architecture, size and loss, from random weights."""
    recipe = load_recipe(name, ["model.weights=random"])
    targets = Targets.of(figures, soft_labels=False, hardness=recipe.heads.kind == "hardness")
    network = whole_network(recipe, targets).train()
    objective = Objective.of(recipe.heads, recipe.loss, targets.heads)
    rows = torch.from_numpy(np.r_[np.flatnonzero(figures.labels == 1)[:1], np.flatnonzero(figures.labels == 0)[:1]])
    store = CropStore.load(figures.where(np.isin(np.arange(len(figures)), rows)), recipe.geometry)
    crops = Augmentation(recipe.augment, store.kept, store.seen)(store.pixels, torch.Generator().manual_seed(0))
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    for _ in range(2):
        loss = objective(network(crops), targets.at(rows.sort().values))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert torch.isfinite(loss)


@pytest.mark.parametrize("name", SIBLINGS)
def test_a_sibling_is_a_backbone(name):
    changed = differences(load_recipe(name), load_recipe(SIBLINGS[name]))
    assert set(changed) == {"name", "description", "model.backbone"}


def test_what_they_share_is_not_a_recipe():
    assert not [name for name in recipe_names() if name.startswith("_")]
    with pytest.raises(SettingsError, match="_published"):
        load_recipe("_published")
