"""Cached probe against a plain script that encodes every image in every fold and epoch: seconds and balanced accuracy.

    python benchmarks/probe_speed.py --figures 120 --size-px 128

Ours: one embedding pass with an empty cache, then logistic regression, its penalty chosen within every fold. Theirs:
the loop of the public scripts (frozen backbone, one linear layer, Adam 5e-5, batches of 8, weighted sampling, plateau,
early stop), run to its end in every fold; its crops stand decoded in memory, which is in its favor. Both have the same
backbone, figures and folds. A part of the figures, by whole cases, makes it bearable: the script takes folds times
epochs times what one embedding pass takes. Ours is the slower, in proportion, the fewer figures there are.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from atypica.data.figures import Figures
from atypica.data.sources import open_source
from atypica.models.network import FigureNetwork
from atypica.training.crops import CropStore
from atypica.training.crossval import cross_validate
from atypica.training.probe.features import FrozenFeatures, probe_outputs
from atypica.training.probe.folds import fold_probes
from atypica.training.recipe import load_recipe
from atypica.training.run import Run
from atypica.training.sampling import batches_of, derive_seed

JUDGED = 128
"""Held-out images a pass."""


@dataclass(frozen=True)
class Took:
    """Seconds by the wall clock and of the processor."""

    wall: float
    processor: float


def main() -> None:
    """Measure and print."""
    arguments = parsed()
    torch.set_num_threads(arguments.threads)
    os.environ["ATYPICA_EMBEDDINGS"] = tempfile.mkdtemp()  # an empty cache
    source = some_cases(open_source(arguments.data), arguments.figures)
    recipe = load_recipe(
        "banerjee2026-virchow2-probe",
        [
            f"model.backbone={arguments.backbone}", f"model.weights={arguments.weights}",
            f"geometry.size_px={arguments.size_px}",
        ],
    )  # fmt: skip
    run = Run.open(Path(tempfile.mkdtemp()), recipe, source)
    ours = timed(lambda: cross_validate(run, run.load_crops, views=(1,)))
    layers: list[tuple[nn.Linear, int]] = []
    theirs = timed(lambda: layers.extend(by_script(run)))
    result = {
        "backbone": arguments.backbone,
        "size_px": arguments.size_px,
        "threads": arguments.threads,
        "figures": len(run.figures),
        "folds": run.fold_count,
        "ours": {**vars(ours), **scores(run, probe_logits(run))},
        "script": {**vars(theirs), **scores(run, layer_logits(run, [layer for layer, _ in layers]))},
        "script_epochs": [epochs for _, epochs in layers],
        "ratio_wall": round(theirs.wall / ours.wall, 1),
        "ratio_processor": round(theirs.processor / ours.processor, 1),
    }
    print(json.dumps(result, indent=2))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="ami-br")
    parser.add_argument("--figures", type=int, default=120, help="that train, about; 0 for all")
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    parser.add_argument("--weights", default="package")
    parser.add_argument("--size-px", type=int, default=224)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def timed(work: Callable[[], object]) -> Took:
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return Took(round(time.perf_counter() - wall, 1), round(time.process_time() - processor, 1))


def some_cases(source: Figures, figures: int) -> Figures:
    """All figures of so many cases, drawn at random, that about `figures` of them train."""
    if not figures:
        return source
    trains = (source.table["split"] == "train").to_numpy()
    cases = source.table["case"].to_numpy()
    drawn = np.random.default_rng(0).permutation(np.unique(cases))
    sizes = np.cumsum([trains[cases == case].sum() for case in drawn])
    return source.where(np.isin(cases, drawn[: int(np.searchsorted(sizes, figures)) + 1]))


def by_script(run: Run) -> list[tuple[nn.Linear, int]]:
    """The layer of every fold and its epochs, as the public scripts train it."""
    store, network = run.load_crops(), run.new_network().eval()
    return [script_fold(run, store, network, fold) for fold in range(run.fold_count)]


def script_fold(run: Run, store: CropStore, network: FigureNetwork, fold: int) -> tuple[nn.Linear, int]:
    recipe, seed = run.recipe, derive_seed(run.recipe.seed, fold)
    trained, held_out = np.flatnonzero(run.folds != fold), np.flatnonzero(run.folds == fold)
    labels = torch.from_numpy(run.figures.labels).float()
    torch.manual_seed(seed)
    layer = nn.Linear(network.width, 1)
    optimizer = torch.optim.Adam(layer.parameters(), lr=recipe.optimizer.lr, weight_decay=recipe.optimizer.weight_decay)
    plateau = recipe.schedule
    schedule = ReduceLROnPlateau(
        optimizer, "max", factor=plateau.factor, patience=plateau.patience, min_lr=plateau.min_lr
    )
    batches = batches_of(run.figures.where(run.folds != fold), recipe, seed)
    best, kept, kept_epoch, epoch = -1.0, layer.state_dict(), 0, 0
    for epoch in range(1, recipe.training.epochs + 1):
        batches.set_epoch(epoch - 1)
        for batch in batches:
            rows = trained[np.array(batch)]
            loss = F.binary_cross_entropy_with_logits(layer(encoded(network, store, rows))[:, 0], labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        said = np.concatenate([spoken(layer, network, store, part) for part in parts_of(held_out)])
        reached = float(balanced_accuracy_score(run.figures.labels[held_out], said >= 0))
        schedule.step(reached)
        if reached > best:
            best, kept_epoch = reached, epoch
            kept = {name: value.clone() for name, value in layer.state_dict().items()}
        if recipe.training.patience and epoch - kept_epoch >= recipe.training.patience:
            break
    layer.load_state_dict(kept)
    return layer, epoch


@torch.no_grad()
def encoded(network: FigureNetwork, store: CropStore, rows: NDArray[np.int64]) -> torch.Tensor:
    return network.embed(network.features(store.plain(rows)))


@torch.no_grad()
def spoken(layer: nn.Linear, network: FigureNetwork, store: CropStore, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    return layer(encoded(network, store, rows))[:, 0].numpy()


def parts_of(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [rows[start : start + JUDGED] for start in range(0, len(rows), JUDGED)]


def probe_logits(run: Run) -> list[NDArray[np.float32]]:
    """Of every fold's probe on the test figures."""
    return [probe_outputs(run, probe, tested(run))["amf"][:, 0] for probe in fold_probes(run)]


@torch.no_grad()
def layer_logits(run: Run, layers: list[nn.Linear]) -> list[NDArray[np.float32]]:
    """The same of the script's layers."""
    return [layer(torch.from_numpy(tested(run)[:, 0]))[:, 0].numpy() for layer in layers]


def tested(run: Run) -> NDArray[np.float32]:
    assert run.tested is not None
    return FrozenFeatures(run).of(run.tested)


def scores(run: Run, said: list[NDArray[np.float32]]) -> dict[str, float]:
    """Mean over the folds on the test figures, at 0.5."""
    assert run.tested is not None
    labels = run.tested.labels
    accuracy = [float(balanced_accuracy_score(labels, logits >= 0)) for logits in said]
    auroc = [float(roc_auc_score(labels, logits)) for logits in said]
    return {
        "balanced_accuracy": round(float(np.mean(accuracy)), 4),
        "balanced_accuracy_sd": round(float(np.std(accuracy, ddof=1)), 4),
        "auroc": round(float(np.mean(auroc)), 4),
        "test_figures": len(labels),
    }


if __name__ == "__main__":
    main()
