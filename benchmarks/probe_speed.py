"""Cached probe against a plain script that encodes every image in every fold and epoch: seconds and balanced accuracy.

    python benchmarks/probe_speed.py --data ami-br --backbone tf_efficientnet_lite0 --weights package

Ours: one embedding pass with an empty cache, then logistic regression, its penalty chosen within every fold. Theirs:
the loop of the public scripts (frozen backbone, one linear layer, Adam 5e-5, batches of 8, weighted sampling, plateau,
early stop). Its steps need the embedding of each image alone, so the same trajectory is taken on kept embeddings to
count its epochs and find its result; what an image costs when it is encoded anew is measured on some plain batches,
and multiplied. Those crops stand decoded in memory, which is in the script's favor. The folds are the same.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from atypica.data.figures import Figures
from atypica.data.sources import open_source
from atypica.training.crossval import cross_validate
from atypica.training.predict import BATCH
from atypica.training.probe.features import FrozenFeatures, probe_outputs
from atypica.training.probe.folds import fold_probes
from atypica.training.recipe import load_recipe
from atypica.training.run import Run
from atypica.training.sampling import batches_of, derive_seed


def main() -> None:
    arguments = parsed()
    os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp()  # an empty cache
    source = open_source(arguments.data)
    started = time.monotonic()
    ours = solved(arguments, source, [])
    seconds = time.monotonic() - started
    published = solved(arguments, source, ["probe.as_published=true"])
    lines = [published.ledger.find(f"fold {fold}", published.recipe.fold_hash) for fold in range(published.fold_count)]
    epochs = [line["metrics"]["epochs"] for line in lines if line]
    step, judge = plain_costs(published, arguments.batches)
    sizes = [int((published.folds != fold).sum()) for fold in range(published.fold_count)]
    held_out = [int((published.folds == fold).sum()) for fold in range(published.fold_count)]
    plain = sum(
        count * (trained * step + judged * judge)
        for count, trained, judged in zip(epochs, sizes, held_out, strict=True)
    )
    result = {
        "backbone": arguments.backbone,
        "threads": torch.get_num_threads(),
        "ours_seconds": round(seconds, 1),
        "ours": scores(ours),
        "plain_epochs": epochs,
        "plain_ms_per_trained_image": round(1000 * step, 2),
        "plain_ms_per_judged_image": round(1000 * judge, 2),
        "plain_seconds_epochs_times_cost": round(plain, 1),
        "plain": scores(published),
        "ratio": round(plain / seconds, 1),
    }
    print(json.dumps(result, indent=2))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="ami-br")
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    parser.add_argument("--weights", default="package")
    parser.add_argument("--batches", type=int, default=30, help="plain batches that are timed")
    return parser.parse_args()


def solved(arguments: argparse.Namespace, source: Figures, settings: list[str]) -> Run:
    """A run with all folds finished."""
    backbone = [f"model.backbone={arguments.backbone}", f"model.weights={arguments.weights}"]
    recipe = load_recipe("banerjee2026-virchow2-probe", [*backbone, *settings])
    run = Run.open(Path(tempfile.mkdtemp()), recipe, source)
    cross_validate(run, run.load_crops, views=(1,))
    return run


def scores(run: Run) -> dict[str, float]:
    """Mean over the folds' networks on the test split, at 0.5."""
    assert run.tested is not None
    features = FrozenFeatures(run).of(run.tested)
    said = [probe_outputs(run, probe, features)["amf"][:, 0] for probe in fold_probes(run)]
    labels = run.tested.labels
    accuracy = [float(balanced_accuracy_score(labels, logits >= 0)) for logits in said]
    auroc = [float(roc_auc_score(labels, logits)) for logits in said]
    return {
        "balanced_accuracy": round(float(np.mean(accuracy)), 4),
        "balanced_accuracy_sd": round(float(np.std(accuracy, ddof=1)), 4),
        "auroc": round(float(np.mean(auroc)), 4),
    }


def plain_costs(run: Run, batches: int) -> tuple[float, float]:
    """Seconds an image of a step and of an evaluation, as the scripts take them: encoded anew."""
    figures = run.figures.where(np.arange(len(run.figures)) < BATCH)
    store, network = run.read_crops(figures), run.new_network().eval()
    layer = torch.nn.Linear(network.width, 1)
    optimizer = torch.optim.Adam(layer.parameters(), lr=run.recipe.optimizer.lr)
    drawn = list(batches_of(figures, run.recipe, derive_seed(0)))
    labels = torch.from_numpy(figures.labels).float()

    def step(index: int) -> None:
        rows = np.array(drawn[index % len(drawn)])
        with torch.no_grad():
            embedding = network.embed(network.features(store.plain(rows)))
        loss = F.binary_cross_entropy_with_logits(layer(embedding)[:, 0], labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def judge(index: int) -> None:
        rows = np.array(drawn[index % len(drawn)])
        with torch.no_grad():
            layer(network.embed(network.features(store.plain(rows))))

    step(0)
    found: list[float] = []
    for work in (step, judge):
        started = time.monotonic()
        for index in range(batches):
            work(index)
        seconds = time.monotonic() - started
        found.append(seconds / (batches * len(drawn[0])))
    return found[0], found[1]


if __name__ == "__main__":
    main()
