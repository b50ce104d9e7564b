"""A training of adapters on drawn figures: what a fold keeps, stopped and gone on with, merged, exported, used."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file
from shaded_table import write_shaded_table
from torch.profiler import ProfilerActivity, profile

from atypica.apps.cli import classify as verb
from atypica.core.errors import ExitCode, SettingsError
from atypica.data.figures import Figures
from atypica.data.sources import open_source
from atypica.inference.bundle import read_bundle
from atypica.models.frozen import checkpoint_blocks, trained_state
from atypica.models.lora import merged
from atypica.training.build import first_network
from atypica.training.crossval import fold_networks, train_fold
from atypica.training.fit import load_weights
from atypica.training.footprint import estimate, memory_line
from atypica.training.graph import export_graph, largest_differences
from atypica.training.hardware import free_memory
from atypica.training.ledger import Ledger
from atypica.training.memory import leaves_holes
from atypica.training.module import FigureModule
from atypica.training.optimizers import new_optimizer
from atypica.training.recipe import Recipe, load_recipe
from atypica.training.run import Run
from atypica.training.strangeness import StrangenessModel
from atypica.training.train import train

SETTINGS = [
    "model.backbone=test_vit", "model.weights=random", "model.pooling=average", "geometry.size_px=48", "split.folds=2",
    "training.epochs=3", "training.batch_size=8", "training.ema_decay=0.8", "sampling.batches_per_epoch=10",
    "optimizer.lr=0.006", "schedule.name=cosine", "schedule.min_lr=0", "training.keep=best_loss",
]  # fmt: skip


def recipe(*more: str, name: str = "banerjee2026-virchow2-lora") -> Recipe:
    return load_recipe(name, [*SETTINGS, *more])


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    return write_shaded_table(tmp_path_factory.mktemp("drawn") / "figures", 80, tested=2)


@pytest.fixture(scope="module")
def figures(table) -> Figures:
    return open_source(table)


@pytest.fixture(scope="module")
def finished(figures, tmp_path_factory) -> tuple[Path, list[str]]:
    folder, said = tmp_path_factory.mktemp("run"), []
    train(recipe(), figures, folder, said.append)
    return folder, said


def fold_line(folder: Path, fold: int) -> dict:
    return next(e["metrics"] for e in Ledger(folder / "ledger.jsonl", "").entries() if e["step"] == f"fold {fold}")


def test_it_learns_and_tells_before_how_much_memory_it_takes(finished):
    folder, said = finished
    assert fold_line(folder, 0)["auroc"] > 0.9
    assert any(line.startswith("memory of a step, estimated: ") for line in said)


def test_a_fold_keeps_adapters_and_heads_alone(finished, figures):
    folder, _ = finished
    file = folder / "folds" / "0" / "network.safetensors"
    kept = load_file(file)
    assert all(".lora_" in name or name.split(".")[0] in {"head", "mean", "std"} for name in kept)
    run = Run.open(folder, recipe(), figures)
    whole = sum(value.nbytes for value in run.new_network().state_dict().values())
    assert file.stat().st_size < whole / 5
    assert any(kept[name].abs().max() > 0 for name in kept if ".lora_B." in name), "they were trained"


def test_all_folds_stand_on_the_same_weights_in_memory(finished, figures):
    first, second = fold_networks(Run.open(finished[0], recipe(), figures))
    one, other = (dict(network.named_parameters()) for network in (first, second))
    assert {name for name in one if one[name] is other[name]} == first.held
    assert not torch.equal(first.head.weight, second.head.weight)


def test_adapters_are_not_laid_over_other_weights(finished, figures):
    run = Run.open(finished[0], recipe(), figures)
    other = first_network(recipe("seed=7"), run.targets.heads)
    with pytest.raises(SettingsError, match="other weights"):
        load_weights(other, finished[0] / "folds" / "0")


def test_the_bundle_says_what_the_merged_network_says(finished, figures, table, tmp_path):
    folder, _ = finished
    line = next(e for e in Ledger(folder / "ledger.jsonl", "").entries() if e["step"] == "bundle")
    assert line["metrics"]["largest_difference"]["amf"] < 0.01
    assert verb.classify(str(table), model=str(folder / "bundle"), out=tmp_path / "typed") == ExitCode.OK
    run = Run.open(folder, recipe(), figures)
    store = run.load_crops()
    crops = (store.plain(np.arange(12)) * 255).round()
    session = onnxruntime.InferenceSession(read_bundle(folder / "bundle").onnx, providers=["CPUExecutionProvider"])
    (found,) = session.run(["amf"], {"crops": crops.byte().permute(0, 2, 3, 1).numpy()})
    with torch.no_grad():
        wanted = fold_networks(run)[0](crops / 255)["amf"].numpy()
    np.testing.assert_allclose(found, wanted, atol=0.01)


def test_a_bundle_of_merged_weights_is_gone_on_from_with_new_adapters(finished, figures, tmp_path):
    start = f"model.start_from={finished[0] / 'bundle'}"
    run = Run.open(tmp_path, recipe(start), figures)
    network, known = run.new_network().eval(), merged(fold_networks(Run.open(finished[0], recipe(), figures))[0])
    crops = torch.rand(2, 3, 48, 48)
    with torch.no_grad():
        torch.testing.assert_close(network(crops)["amf"], known(crops)["amf"], atol=5e-3, rtol=1e-2)


def test_stopped_in_the_middle_it_ends_as_if_it_had_not_been(finished, figures, tmp_path, monkeypatch):
    """Stopped by an error in the third epoch: what lies on the disk is what a kill leaves."""
    run = Run.open(tmp_path, recipe(), figures)
    store = run.load_crops()
    step = FigureModule.training_step

    def breaks(module, batch, batch_idx):
        if module.current_epoch == 2 and batch_idx == 3:
            raise RuntimeError("pulled the plug")
        return step(module, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(FigureModule, "training_step", breaks)
        with pytest.raises(RuntimeError, match="plug"):
            train_fold(run, store, 0, views=(1,))
    (checkpoint,) = (tmp_path / "folds" / "0").glob("*.ckpt")
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    assert not [name for name in state if "base_layer" in name]
    assert checkpoint.stat().st_size < sum(v.nbytes for v in run.new_network().state_dict().values())
    metrics = train_fold(run, store, 0, views=(1,))
    assert metrics["auroc"] == fold_line(finished[0], 0)["auroc"]
    straight = load_file(finished[0] / "folds" / "0" / "network.safetensors")
    for name, values in load_file(tmp_path / "folds" / "0" / "network.safetensors").items():
        torch.testing.assert_close(values, straight[name], atol=1e-6, rtol=1e-5)


def test_gradients_of_all_batches_make_one_step(figures, tmp_path):
    """Adam's first step is as long as the rate, whatever the gradient: there is one for ten batches."""
    more = [
        "training.epochs=1",
        "training.accumulate=10",
        "training.ema_decay=0",
        "training.keep=last",
        "training.patience=0",
    ]
    steps = ["optimizer.warmup_epochs=0", "schedule.name=constant", "optimizer.weight_decay=0"]
    run = Run.open(tmp_path, recipe(*more, *steps), figures)
    train_fold(run, run.load_crops(), 0, views=(1,))
    kept = load_file(tmp_path / "folds" / "0" / "network.safetensors")
    moved = torch.cat([values.abs().flatten() for name, values in kept.items() if ".lora_B." in name])
    assert float(moved.max()) <= 0.006 * 1.0001
    assert float((moved > 0.0057).float().mean()) > 0.9


def test_what_only_costs_time_or_memory_does_not_make_another_run():
    assert recipe("training.gradient_checkpointing=true").fold_hash == recipe().fold_hash
    assert recipe("training.accumulate=2").fold_hash != recipe().fold_hash
    assert recipe("model.lora.rank=4").fold_hash != recipe().fold_hash


def test_a_hybrid_is_exported_whole_and_keeps_its_frozen_part_out_of_the_folds():
    settings = ["model.backbone=test_resnet", "model.beside.backbone=test_vit", "model.beside.weights=random"]
    hybrid = recipe(*settings, "model.pooling=own", "geometry.size_px=64", name="kotte2025-hybrid")
    targets = {name: torch.zeros(2, size) for name, size in {"amf": 1, "votes": 3, "disagreement": 1}.items()}
    network = first_network(hybrid, targets)
    kept = trained_state(network)
    assert any(name.startswith("backbone.backbone.") for name in kept)
    assert not [name for name in kept if name.startswith("backbone.frozen.") and name.endswith("weight")]
    crops = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    seen = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        statistics = network.eval().features_and_statistics(seen)[1].numpy()
    strangeness = StrangenessModel.fit(statistics)
    graph = export_graph(network, strangeness, 64)
    found = largest_differences(network, strangeness, graph, crops)
    assert max(found[name] for name in ("amf", "votes", "embedding", "cam")) < 0.05


TARGETS = {"amf": torch.zeros(2, 1)}


def allocated(settings: Recipe) -> int:
    """Bytes that torch holds at the peak of a second step."""
    network = first_network(settings, TARGETS).train()
    averaged = sum(values.nbytes for values in trained_state(network).values())
    if settings.training.gradient_checkpointing:
        checkpoint_blocks(network)
    optimizer = new_optimizer(network, settings.optimizer, 1e-4)

    def step() -> None:
        side = settings.geometry.size_px
        network(torch.rand(settings.training.batch_size, 3, side, side))["amf"].sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    standing = sum(values.nbytes for values in network.state_dict().values()) + averaged
    standing += sum(v.nbytes for kept in optimizer.state.values() for v in kept.values() if torch.is_tensor(v))
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        step()
    events = [event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"]
    return standing + int(np.cumsum([event.nbytes() for event in sorted(events, key=lambda e: e.start_ns())]).max())


@pytest.mark.parametrize(
    "more", [["model.lora={}"], ["model.lora={}", "training.gradient_checkpointing=true"], ["model.lora=null"]]
)
def test_the_estimated_memory_is_near_what_a_step_takes(more):
    settings = recipe("geometry.size_px=96", "training.batch_size=16", *more)
    found = estimate(settings, TARGETS)
    assert found.tensors / allocated(settings) == pytest.approx(1, abs=0.25)
    assert (found.holes > 0) == (leaves_holes() and not settings.training.gradient_checkpointing)


@pytest.mark.parametrize("lora", ["{}", "null"])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_the_estimated_activations_are_the_bytes_that_autograd_keeps_here(lora, precision):
    settings = recipe("training.batch_size=4", f"training.precision={precision}", f"model.lora={lora}")
    network = first_network(settings, TARGETS).train()
    own = {values.untyped_storage().data_ptr() for values in (*network.parameters(), *network.buffers())}
    kept: list[torch.UntypedStorage] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.untyped_storage())
        return tensor

    side = settings.geometry.size_px
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(torch.rand(4, 3, side, side))
    places = {storage.data_ptr(): storage.nbytes() for storage in kept}
    assert estimate(settings, TARGETS).activations == sum(places[place] for place in places.keys() - own)


@pytest.mark.parametrize(
    ("library", "wasteful"), [(("glibc", "2.36"), True), (("glibc", "2.38"), False), (("", ""), False)]
)
def test_only_an_older_glibc_leaves_holes(library, wasteful, monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: library)
    assert leaves_holes() == wasteful
    found = estimate(recipe("model.lora={}"), TARGETS)
    assert (found.holes > 0) == wasteful
    assert ("holes" in str(found)) == wasteful


def test_too_little_memory_is_said_with_what_to_set():
    line = memory_line(recipe(), TARGETS, free=1_500_000)
    assert "1 MiB are free" in line
    assert "training.gradient_checkpointing=true" in line
    assert "training.batch_size=4 training.accumulate=2" in line
    assert "may not fit" not in memory_line(recipe(), TARGETS, free=10**12)
    assert "may not fit" not in memory_line(recipe(), TARGETS, free=None)
    assert (free_memory() or 1) > 0
