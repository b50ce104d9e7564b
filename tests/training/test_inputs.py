"""What the network is given, from the recipe to the bundle: field, channels, second crop, normalized colors."""

import numpy as np
import pandas as pd
import pytest
import torch
from drawn_table import write_drawn_table

import atypica
from atypica.core.errors import SettingsError
from atypica.data.sources import open_source
from atypica.inference.bundle import read_bundle, write_bundle
from atypica.inference.card import Card, Thresholds
from atypica.inference.stain import REFERENCES
from atypica.models.network import build_network
from atypica.training import run as runs
from atypica.training.crops import CropStore
from atypica.training.crossval import train_fold
from atypica.training.fit import load_weights
from atypica.training.graph import export_graph
from atypica.training.predict import predict
from atypica.training.preview import preview
from atypica.training.recipe import load_recipe
from atypica.training.run import Run, training_figures
from atypica.training.strangeness import StrangenessModel, measure

SETTINGS = [
    "model.backbone=test_efficientnet", "model.weights=random", "geometry.size_px=48", "split.folds=2",
    "training.epochs=1", "training.batch_size=8", "distill.epochs=1", "distill.rounds=1", "distill.start=backbone",
]  # fmt: skip
CONTEXT = [
    "geometry.fraction=1", "input.hed=true", "input.inner_um=20", "input.stain_normalization=reinhard",
    "sampling.domain=scanner", "sampling.loss_domain=scanner", "sampling.batches_per_epoch=3", "split.shares=[80,20]",
    "augment.jpeg_probability=0.5",
]  # fmt: skip


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    return open_source(write_drawn_table(tmp_path_factory.mktemp("drawn") / "figures", 48, seed=2))


def test_the_field_may_be_a_share_of_the_usual_crop_and_is_kept_in_micrometers(tmp_path):
    recipe = load_recipe("default", ["geometry.fraction=0.6"])
    assert recipe.geometry.field_um == pytest.approx(19.2)
    (tmp_path / "kept.yaml").write_text(recipe.to_yaml())
    assert "fraction" not in recipe.to_yaml()
    assert load_recipe(str(tmp_path / "kept.yaml")).hash == recipe.hash
    assert load_recipe("default", ["geometry.field_um=19.2"]).hash == recipe.hash


@pytest.mark.parametrize("wrong", ["geometry.fraction=0", "geometry.fraction=half", "input.inner_um=16"])
def test_an_impossible_field_is_refused(wrong):
    with pytest.raises(SettingsError, match=wrong.split("=")[0].split(".")[1]):
        load_recipe("default", [wrong])


@pytest.mark.parametrize("backbone", ["test_efficientnet", "test_vit", "test_convnext"])
def test_channels_and_center_go_with_any_backbone(backbone):
    torch.manual_seed(0)
    network = build_network(
        backbone, "random", {"amf": 1, "subtype": 8}, size_px=64, hed=True, inner_share=0.625
    ).eval()
    crops = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        reading = network.read(crops)
        moved = crops.clone()
        moved[..., 28:36, 28:36] = 0
        assert not torch.allclose(network(moved)["amf"], reading.answers["amf"])
    amf = network.head.weight[0] @ reading.embedding.T + network.head.bias[0]
    torch.testing.assert_close(amf, reading.answers["amf"][:, 0])
    torch.testing.assert_close(reading.map.mean((1, 2)) + network.head.bias[0], amf, atol=1e-4, rtol=1e-4)


def test_the_store_holds_normalized_colors_as_inference_sees_them(figures):
    recipe = load_recipe("default", ["input.stain_normalization=macenko", "split.train_on=all"])
    stored = CropStore.load(figures, recipe.geometry, recipe.stain_reference)
    plain = CropStore.load(figures, recipe.geometry)
    assert (stored.pixels.float() - plain.pixels.float()).abs().mean() > 3


def test_a_recipe_with_its_own_split_cuts_no_case_and_one_by_figure_says_so(figures):
    by_case = load_recipe("default", ["split.shares=[70,15,15]", "split.train_on=train+val"])
    trained, tested = training_figures(figures, by_case), runs.test_figures(figures, by_case)
    assert len(trained) + len(tested) == len(figures)
    assert not set(trained.cases) & set(tested.cases)
    by_figure = load_recipe("default", ["split.shares=[70,15,15]", "split.unit=figure"])
    trained = training_figures(figures, by_figure)
    assert len(trained) == pytest.approx(0.7 * len(figures), abs=4)
    assert set(trained.cases) & set(runs.test_figures(figures, by_figure).cases)
    with pytest.raises(SettingsError, match="two or three"):
        load_recipe("default", ["split.shares=[100]"])


def test_a_bundle_of_everything_types_figures_as_its_network_does(figures, tmp_path):
    recipe = load_recipe("default", [*SETTINGS, *CONTEXT])
    run = Run.open(tmp_path / "run", recipe, figures)
    store = run.load_crops()
    train_fold(run, store, 0, views=(1,))
    log = pd.read_csv(next((tmp_path / "run" / "folds" / "0").rglob("metrics.csv")))
    assert log["step"].max() < 3

    network = load_weights(run.new_network(), tmp_path / "run" / "folds" / "0")
    graph = export_graph(network, StrangenessModel.fit(measure(network, store)), recipe.geometry.size_px)
    card = Card(
        name="made", version="0", created="", license="", onnx_sha256="", geometry=recipe.geometry,
        stain_normalization=recipe.stain_reference, heads={name: [""] * size for name, size in run.head_sizes.items()},
        thresholds=Thresholds(default=0.5, chosen_by="nobody"),
    )  # fmt: skip
    write_bundle(tmp_path / "bundle", graph, card)
    assert read_bundle(tmp_path / "bundle").card.stain_normalization == REFERENCES["reinhard"]
    typed = atypica.load_model(tmp_path / "bundle").classify(figures)
    assert typed.failed == 0
    logits = predict(network, run.read_crops(figures), np.arange(len(figures)))["amf"][:, 0]
    np.testing.assert_allclose(typed.predictions["p_amf"], 1 / (1 + np.exp(-logits)), atol=0.01)


def test_the_preview_shows_what_the_settings_do(figures):
    small = ["geometry.size_px=128"]
    plain = preview(load_recipe("default", [*small, "split.train_on=all"]), figures, 2, 1)
    changed = preview(
        load_recipe("default", [*small, "split.train_on=all", "input.stain_normalization=reinhard"]),
        figures,
        2,
        1,
    )
    assert plain.shape == changed.shape
    assert np.abs(plain[:, :128].astype(int) - changed[:, :128]).mean() > 3
    beside = preview(
        load_recipe("default", [*small, "split.train_on=all", "input.hed=true", "input.inner_um=8"]),
        figures,
        2,
        1,
    )
    # The crop, its enlarged center, three densities, one training view.
    assert beside.shape == (plain.shape[0], 6 * 132 - 4, 3)
    np.testing.assert_array_equal(beside[:, :128], plain[:, :128])
    assert np.abs(beside[64, 132 + 64].astype(int) - plain[64, 64]).max() < 30
