"""What each training setting brings on a dataset never trained on: a screening design, and its main effects.

    python benchmarks/what_helped.py run RUNS --data ami-br          # trains; resumes; two at once with --part 0/2, 1/2
    python benchmarks/what_helped.py table RUNS --data ami-br        # the effects
    python benchmarks/what_helped.py second RUNS --data ami-br       # later rounds, on what the one before spoke for
    python benchmarks/what_helped.py again RUNS --data ami-br        # a network of the third round, taught by itself

Every run trains on one source dataset and is scored on the other, both ways, so all scanners, laboratories and cases
of the score are new to it. Twelve runs vary ten settings at once after Plackett and Burman (Biometrika, 1946): each
setting's effect is a mean over all twelve. One more column carries no setting; it shows what chance alone does.
Effects of two settings together are not told apart from effects of one by such a design.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from atypica.data.sources import open_source
from atypica.evaluation.thresholds import max_balanced_accuracy
from atypica.models.network import FigureNetwork
from atypica.training.crops import CropStore
from atypica.training.crossval import cross_validate, out_of_fold
from atypica.training.distill import own_teachers, teach
from atypica.training.fit import load_weights
from atypica.training.fold import fold_folder
from atypica.training.predict import predict
from atypica.training.recipe import load_recipe
from atypica.training.run import Run
from atypica.training.sampling import derive_seed

GENERATOR = (1, 1, -1, 1, 1, 1, -1, -1, -1, 1, -1)
BASE = Path(__file__).with_suffix(".yaml")
FACTORS: dict[str, tuple[list[str], list[str]]] = {
    "field of view 24 um, not 16": (["geometry.field_um=16"], ["geometry.field_um=24"]),
    "stain jitter 0.5, not 0.2": ([], ["augment.stain=0.5", "augment.stain_offset=0.05"]),
    "stain mixing": ([], ["augment.stain_mix=0.5"]),
    "Fourier mixing": ([], ["augment.fourier_mix=0.5"]),
    "votes as soft labels, not the majority": (["training.soft_labels=false"], []),
    "heads for subtypes, votes, disagreement": (
        ["heads.subtype=0", "heads.votes=0", "heads.disagreement=0"], []
    ),
    "balanced batches, not as they come": (["training.balance=0"], []),
    "light, blur and noise doubled": (
        [], ["augment.brightness=0.2", "augment.contrast=0.3", "augment.blur_um=0.6", "augment.noise=0.06"],
    ),
    "mixup (alpha 0.4)": ([], ["training.mixup=0.4"]),
    "scale 0.25, not 0.12": ([], ["augment.scale=0.25"]),
}  # fmt: skip

KEPT = ["training.balance=1", "augment.scale=0.25", "geometry.field_um=16", "seed=100"]
"""What the screening spoke for, with soft labels and all heads, and without mixing of any kind."""
WIDER = [*KEPT, "geometry.size_px=128"]
"""What the second round spoke for."""
FAST = "training.compile=true"
TAUGHT = "16 um, 160 px"
"""The run of the third round whose networks are taught again."""
AGAIN = ["distill.epochs=5", "distill.lr=0.0007"]
ROUNDS: dict[str, dict[str, list[str]]] = {
    "second": {
        "16 um, 96 px": KEPT,
        "16 um, 128 px": WIDER,
        "13 um, 96 px": [*KEPT, "geometry.field_um=13"],
    },
    "third": {
        "16 um, 128 px": [*WIDER, FAST],
        "16 um, 160 px": [*WIDER, "geometry.size_px=160", FAST],
        "20 um, 160 px": [*WIDER, "geometry.size_px=160", "geometry.field_um=20", FAST],
        "16 um, 192 px": [*WIDER, "geometry.size_px=192", FAST],
        "16 um, 160 px, EfficientNet-Lite2": [
            *WIDER,
            "geometry.size_px=160",
            "model.backbone=tf_efficientnet_lite2",
            FAST,
        ],
        "16 um, 224 px": [*WIDER, "geometry.size_px=224", FAST],
        "16 um, 160 px, 16 epochs": [*WIDER, "geometry.size_px=160", "training.epochs=16", FAST],
    },
}
"""Later rounds, one run each."""


def design() -> NDArray[np.int64]:
    """The twelve runs of Plackett and Burman, (12, 11), -1 or 1; any two columns are uncorrelated."""
    rows = [np.roll(GENERATOR, shift) for shift in range(11)]
    return np.array([*rows, -np.ones(11)], dtype=np.int64)


def settings(signs: NDArray[np.int64]) -> list[str]:
    """The overrides of one run."""
    chosen = [levels[int(sign > 0)] for levels, sign in zip(FACTORS.values(), signs, strict=False)]
    return [setting for level in chosen for setting in level]


def open_run(folder: Path, number: int, data: str) -> Run:
    recipe = load_recipe(str(BASE), [*settings(design()[number]), f"seed={number}"])
    return Run.open(folder / f"{number:02d}", recipe, open_source(data))


def train(folder: Path, data: str, part: str) -> None:
    mine, parts = map(int, part.split("/"))
    torch.set_num_threads(max(1, torch.get_num_threads() // parts))
    for number in range(mine, len(design()), parts):
        score(open_run(folder, number, data), str(number))


def later_round(folder: Path, data: str, part: str, runs: dict[str, list[str]]) -> None:
    """The runs of a later round, and the scores of those that are finished."""
    mine, parts = map(int, part.split("/"))
    torch.set_num_threads(max(1, torch.get_num_threads() // parts))
    for name in list(runs)[mine::parts]:
        score(later_run(folder, data, runs[name], name), name)


def later_run(folder: Path, data: str, overrides: list[str], name: str) -> Run:
    return Run.open(
        folder / name.replace(" ", "-").replace(",", ""), load_recipe(str(BASE), overrides), open_source(data)
    )


def taught_again(folder: Path, data: str, part: str) -> None:
    """Each network of `TAUGHT`, before and after it learned to say in one view what it says in four quarter turns."""
    mine, parts = map(int, part.split("/"))
    torch.set_num_threads(max(1, torch.get_num_threads() // parts))
    run = later_run(folder, data, [*ROUNDS["third"][TAUGHT], *AGAIN], TAUGHT)
    cross_validate(run, run.load_crops, views=(1,))
    store, key = run.load_crops(), f"{run.recipe.hash}-{run.data_hash}"
    for fold in range(mine, run.fold_count, parts):
        before = load_weights(run.new_network(), fold_folder(run, fold))
        after_folder, rows = run.folder / f"again-{fold}", np.flatnonzero(run.folds != fold)
        student = load_weights(run.new_network(), fold_folder(run, fold))
        after = teach(run, store, student, own_teachers(before), after_folder, key, derive_seed(1, fold), rows)
        labels, held_out = run.figures.labels[run.folds == fold], np.flatnonzero(run.folds == fold)
        threshold = max_balanced_accuracy(labels, said(before, store, held_out, 1)).value
        for name, network in (("before", before), ("after", after)):
            found = [measured(labels, said(network, store, held_out, views), threshold) for views in (1, 8)]
            cells = [f"{value:.4f}" for value in np.ravel(found)]
            print(f"| fold {fold}, {name} | " + " | ".join(cells) + " |", flush=True)


def said(network: FigureNetwork, store: CropStore, rows: NDArray[np.int64], views: int) -> NDArray[np.float64]:
    """The probability of AMF, uncalibrated."""
    return expit(predict(network, store, rows, views)["amf"][:, 0].astype(np.float64))


def measured(labels: NDArray[np.float64], p: NDArray[np.float64], threshold: float) -> tuple[float, float]:
    """AUROC, and balanced accuracy at the threshold that was best for one view before."""
    return float(roc_auc_score(labels, p)), float(balanced_accuracy_score(labels, p >= threshold))


def score(run: Run, name: str) -> None:
    cross_validate(run, run.load_crops, views=(1,))
    print(f"| {name} | " + " | ".join(f"{value:.4f}" for value in scores_of(run).values()) + " |", flush=True)


def table(folder: Path, data: str) -> None:
    """Effect of each setting on the AUROC, mean over the domains of the held-out dataset, in points of 0.01."""
    scores = pd.DataFrame([scores_of(open_run(folder, number, data)) for number in range(len(design()))])
    print(scores.mean().round(4).to_string(), "\n")
    effects = design().T @ scores.to_numpy() / (len(design()) / 2) * 100
    names = [*FACTORS, *["(chance)"] * (effects.shape[0] - len(FACTORS))]
    print("| setting | " + " | ".join(scores.columns) + " |\n|---|" + "---|" * len(scores.columns))
    for name, row in zip(names, effects, strict=True):
        print(f"| {name} | " + " | ".join(f"{value:+.2f}" for value in row) + " |")


def scores_of(run: Run) -> dict[str, float]:
    """AUROC on each held-out dataset, and on each scanner within them."""
    p, labels = out_of_fold(run)["amf_0_views1"].to_numpy(), run.held_out.labels
    found = {
        f"{name}": float(roc_auc_score(labels[rows], p[rows]))
        for column in ("source", "scanner")
        for name, rows in run.figures.table.groupby(column).indices.items()
    }
    datasets = [found[name] for name in run.figures.table["source"].unique()]
    return {"mean of both": float(np.mean(datasets)), **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "table", "again", *ROUNDS])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", default="ami-br")
    parser.add_argument("--part", default="0/1", help="which of how many processes this is")
    chosen = parser.parse_args()
    if chosen.what == "run":
        train(chosen.folder, chosen.data, chosen.part)
    elif chosen.what == "table":
        table(chosen.folder, chosen.data)
    elif chosen.what == "again":
        taught_again(chosen.folder, chosen.data, chosen.part)
    else:
        later_round(chosen.folder, chosen.data, chosen.part, ROUNDS[chosen.what])


if __name__ == "__main__":
    main()
