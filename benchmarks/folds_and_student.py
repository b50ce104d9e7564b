"""One table for one run, on the figures that its recipe set aside: single folds, their ensemble, the student.

    python benchmarks/folds_and_student.py RUN --data ami-br

All share the calibration and the threshold of the run's card, which come from out-of-fold predictions.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atypica.data.sources import open_source
from atypica.evaluation.binary import binary_metrics
from atypica.inference.bundle import read_bundle
from atypica.inference.predictions import calibrated
from atypica.training.crops import CropStore
from atypica.training.crossval import fold_networks
from atypica.training.distill import student_network
from atypica.training.predict import predict
from atypica.training.recipe import load_recipe
from atypica.training.run import Run

SHOWN = ("auroc", "balanced_accuracy", "sensitivity", "specificity")


def main() -> None:
    arguments = parse()
    run = Run.open(arguments.run, load_recipe(str(arguments.run / "recipe.yaml")), open_source(arguments.data))
    assert run.tested is not None, "this run set no figures aside"
    store = CropStore.load(run.tested, run.recipe.geometry)
    card = read_bundle(arguments.run / "bundle").card
    networks = [*fold_networks(run), student_network(run)]
    print(f"{len(store)} figures, threshold {card.thresholds.default}")
    print("| model | views | " + " | ".join(SHOWN) + " |\n|---|---|" + "---|" * len(SHOWN))
    for views in (1, 8):
        logits = np.stack([predict(n, store, np.arange(len(store)), views)["amf"][:, 0] for n in networks])

        def row(of: NDArray[np.float32]) -> NDArray[np.float64]:
            found = binary_metrics(run.tested.labels, calibrated(of, card.calibration), card.thresholds.default)
            return np.array([float(found[name][0]) for name in SHOWN])

        singles = np.stack([row(one) for one in logits[:-1]])
        cells = [f"{m:.3f} ± {s:.3f}" for m, s in zip(singles.mean(0), singles.std(0, ddof=1), strict=True)]
        print(f"| one fold (mean ± SD of {len(singles)}) | {views} | " + " | ".join(cells) + " |")
        for name, of in (("ensemble of folds (mean logit)", logits[:-1].mean(0)), ("student", logits[-1])):
            print(f"| {name} | {views} | " + " | ".join(f"{value:.3f}" for value in row(of)) + " |")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", default="ami-br")
    return parser.parse_args()


if __name__ == "__main__":
    main()
