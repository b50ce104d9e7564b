"""Optimizers against hand-worked steps, layers against timm's, and phases in a tiny training that is stopped."""

from __future__ import annotations

import math

import pytest
import timm
import torch
from timm.optim import param_groups_layer_decay
from torch import nn

from atypica.core.errors import SettingsError, TrainingError
from atypica.data.drawn import draw_figures
from atypica.data.sources import open_source
from atypica.models.network import build_network
from atypica.training.fit import fit
from atypica.training.module import FigureModule
from atypica.training.optimizers import forget, new_optimizer
from atypica.training.recipe import load_recipe
from atypica.training.run import Run
from atypica.training.sampling import BalancedBatches
from atypica.training.settings.optimizer import OptimizerSettings

HEADS = {"amf": 1, "votes": 3}


def network(backbone="test_efficientnet", **options):
    return build_network(backbone, "random", HEADS, size_px=64, **options)


def stepped(*gradients, weight=2.0, **settings):
    """A matrix of one weight after steps with these gradients."""
    layer = nn.Linear(1, 1)
    nn.init.constant_(layer.weight, weight)
    optimizer = new_optimizer(layer, OptimizerSettings(**settings), settings["lr"])
    for gradient in gradients:
        layer.weight.grad, layer.bias.grad = torch.tensor([[gradient]]), torch.zeros(1)
        optimizer.step()
    return layer.weight.item()


def test_adamw_decays_the_weight_and_adam_the_gradient():
    # AdamW: 2 (1 - 0.1 * 0.5), then a first step of the rate against the sign of the gradient.
    assert stepped(-0.5, name="adamw", lr=0.1, weight_decay=0.5) == pytest.approx(2 * 0.95 + 0.1)
    # Adam: the gradient is -0.5 + 0.5 * 2 = 0.5, of the other sign.
    assert stepped(-0.5, name="adam", lr=0.1, weight_decay=0.5) == pytest.approx(2 - 0.1)


def test_adan_takes_the_steps_of_its_paper():
    # First step: moments over their corrections are the gradient itself, and there is no difference yet.
    assert stepped(1.0, name="adan", lr=0.1, weight_decay=0) == pytest.approx(1.9, abs=1e-6)
    mean = (0.98 * 0.02 * 1 + 0.02 * 3) / (1 - 0.98**2)
    difference = 0.08 * 2 / (1 - 0.92**2)
    square = (0.99 * 0.01 * 1 + 0.01 * (3 + 0.92 * 2) ** 2) / (1 - 0.99**2)
    second = 0.1 * (mean + 0.92 * difference) / math.sqrt(square)
    assert second == pytest.approx(0.0847465, abs=1e-6)
    assert stepped(1.0, 3.0, name="adan", lr=0.1, weight_decay=0) == pytest.approx(1.9 - second, abs=1e-6)
    decayed = stepped(1.0, name="adan", lr=0.1, weight_decay=0.5)
    assert decayed == pytest.approx(1.9 / (1 + 0.1 * 0.5), abs=1e-6)


@pytest.mark.parametrize("name", ["adam", "adan"])
def test_an_optimizer_that_forgot_steps_as_a_new_one(name):
    layer = nn.Linear(1, 1, bias=False)
    optimizer = new_optimizer(layer, OptimizerSettings(name=name, lr=0.1, weight_decay=0), 0.1)
    for gradient in (1.0, -3.0, 0.5):
        forget(optimizer)
        before = layer.weight.item()
        layer.weight.grad = torch.tensor([[gradient]])
        optimizer.step()
        assert before - layer.weight.item() == pytest.approx(math.copysign(0.1, gradient), abs=1e-6)


def decays(model, **settings):
    optimizer = new_optimizer(model, OptimizerSettings(lr=1.0, weight_decay=0.3, **settings), 1.0)
    return {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}


@pytest.mark.parametrize("layer_decay", [1.0, 0.5])
def test_biases_and_norms_decay_only_where_it_is_asked_for(layer_decay):
    model = network("test_convnext")
    plain = decays(model, layer_decay=layer_decay)
    assert {p.ndim > 1: plain[id(p)] for p in model.parameters()} == {True: 0.3, False: 0.0}
    assert set(decays(model, layer_decay=layer_decay, decay_norms=True).values()) == {0.3}
    assert len(plain) == len(list(model.parameters()))


def scales(model, layer_decay):
    """The name of every weight to its rate, at a full rate of 1."""
    optimizer = new_optimizer(model, OptimizerSettings(lr=1.0, layer_decay=layer_decay), 1.0)
    known = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    return {name: known[id(p)] for name, p in model.named_parameters()}


@pytest.mark.parametrize("name", ["test_vit", "test_convnext", "test_efficientnet", "test_resnet"])
def test_layers_have_the_rates_that_timm_gives_them_below_a_classifier(name):
    theirs = timm.create_model(name, num_classes=7)
    names = {id(p): weight for weight, p in theirs.named_parameters()}
    groups = param_groups_layer_decay(theirs, layer_decay=0.5)
    expected = {names[id(p)]: group["lr_scale"] for group in groups for p in group["params"]}
    found = scales(network(name, hidden=8), 0.5)
    heads = {name: scale for name, scale in found.items() if not name.startswith("backbone.")}
    assert heads == dict.fromkeys(["shared.weight", "shared.bias", "head.weight", "head.bias"], 1.0)
    below = {name.removeprefix("backbone."): scale for name, scale in found.items() if name not in heads}
    assert below == {name: scale for name, scale in expected.items() if name in below}


def test_each_block_of_a_vit_moves_half_as_fast_as_the_one_above():
    found = scales(network("test_vit"), 0.5)
    blocks = sorted({name.split(".")[2] for name in found if ".blocks." in name}, key=int)
    rates = [found[f"backbone.blocks.{block}.attn.qkv.weight"] for block in blocks]
    assert rates == [0.5 ** (len(blocks) - int(block)) for block in blocks]
    assert found["backbone.cls_token"] == found["backbone.patch_embed.proj.weight"] == rates[0] / 2


def test_two_fields_and_specialists_have_layers_as_well():
    plain = scales(network(), 0.5)
    twice = scales(network(inner_share=0.5), 0.5)
    assert {name.replace("backbone.backbone.", "backbone."): scale for name, scale in twice.items()} == plain
    three = build_network("test_efficientnet", "random", {"amf": 1, "subtype": 8}, kind="hierarchical", size_px=64)
    found = scales(three, 0.5)
    for name, scale in plain.items():
        assert {found[name], found[f"specialists.0.{name}"], found[f"specialists.1.{name}"]} == {scale}


def test_a_backbone_without_layers_is_refused():
    model = network()
    model.backbone = nn.Conv2d(3, 8, 1)
    with pytest.raises(SettingsError, match="layer_decay to 1"):
        scales(model, 0.5)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn") / "figures"
    draw_figures(folder, 24, seed=3, amf_rate=0.5)
    return open_source(folder / "figures.csv")


SMALL = [
    "model.backbone=test_efficientnet", "model.weights=random", "geometry.size_px=32", "split.train_on=all",
    "split.folds=2", "training.epochs=4", "optimizer.lr=0.003", "optimizer.warmup_epochs=0",
]  # fmt: skip


class KilledError(Exception):
    """As a kill between two epochs, or in one."""


def trained(figures, folder, overrides, stop_at=None, metrics=()):
    """Train four epochs of three steps; returns the module, the network at the start of each epoch and the rates."""
    recipe = load_recipe("default", [*SMALL, *overrides])
    run = Run.open(folder / "run", recipe, figures)
    lr = recipe.optimizer.lr
    module = FigureModule(run.new_network(1), run.load_crops(), run.targets, recipe, lr=lr, epochs=4, seed=0)
    step, states, rates = module.training_step, {}, []

    def watched(batch, batch_idx):
        epoch = module.current_epoch
        if (epoch, batch_idx) == stop_at:
            raise KilledError
        if batch_idx == 0:
            states[epoch] = {name: value.clone() for name, value in module.network.state_dict().items()}
        rates.append(module.trainer.optimizers[0].param_groups[0]["lr"])
        if metrics:
            module.log("val_loss", metrics[epoch], on_step=False, on_epoch=True, batch_size=8)
        return step(batch, batch_idx)

    module.training_step = watched
    fit(module, BalancedBatches(run.figures.labels, 8, 1.0, 0), folder / "fold", 4, "key")
    return module, states, rates


def assert_equal(one, other, among=""):
    different = [name for name in one if name.startswith(among) and not torch.equal(one[name], other[name])]
    assert different == []


PHASES = {
    "adan": ["optimizer.name=adan", "optimizer.head_epochs=2", "optimizer.head_lr=0.01", "optimizer.layer_decay=0.7"],
    "adam": ["optimizer.name=adam", "optimizer.head_epochs=1", "schedule.name=constant"],
}
PLATEAU = [
    "schedule.name=plateau", "schedule.metric=loss", "schedule.patience=0", "schedule.factor=0.5",
]  # fmt: skip


@pytest.mark.parametrize(("name", "stops"), [("adan", [(1, 0), (2, 0), (3, 1)]), ("adam", [(2, 2)])])
def test_the_backbone_rests_while_the_heads_are_trained_and_a_stopped_training_ends_the_same(
    drawn, tmp_path, name, stops
):
    module, states, _ = trained(drawn, tmp_path / "straight", PHASES[name])
    phase = module.rates.head_epochs
    assert_equal(states[0], states[phase], "backbone.")
    assert any("running_mean" in key for key in states[0])
    assert not torch.equal(states[0]["head.weight"], states[phase]["head.weight"])
    moved = {key for key in states[0] if not torch.equal(states[0][key], states[phase + 1][key])}
    assert {key for key in states[0] if key.startswith("backbone.")} <= moved
    for stop_at in stops:
        folder = tmp_path / f"stopped {stop_at}"
        with pytest.raises(KilledError):
            trained(drawn, folder, PHASES[name], stop_at)
        resumed, seen, _ = trained(drawn, folder, PHASES[name])
        assert min(seen) == stop_at[0]
        assert_equal(module.network.state_dict(), resumed.network.state_dict())
        assert_equal(module.averaged.state_dict(), resumed.averaged.state_dict())


def test_a_plateau_is_seen_in_a_training_and_outlasts_a_stop(drawn, tmp_path):
    losses = (1.0, 0.9, 0.95, 0.93)
    module, _, rates = trained(drawn, tmp_path / "straight", PLATEAU, metrics=losses)
    assert rates == pytest.approx([0.003] * 9 + [0.0015] * 3)
    with pytest.raises(KilledError):
        trained(drawn, tmp_path / "stopped", PLATEAU, (2, 1), metrics=losses)
    resumed, _, later = trained(drawn, tmp_path / "stopped", PLATEAU, metrics=losses)
    assert later == rates[6:]
    assert_equal(module.network.state_dict(), resumed.network.state_dict())
    # The best loss before the stop was 0.9; without it, epoch 2 would have been no plateau.


def test_without_validation_a_plateau_is_refused(drawn, tmp_path):
    with pytest.raises(TrainingError, match="val_loss"):
        trained(drawn, tmp_path, PLATEAU)
