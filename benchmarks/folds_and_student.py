"""One table for one run, on the figures that its recipe set aside: single folds, their ensemble, the student, people.

    python benchmarks/folds_and_student.py RUN --data ami-br

All networks share the calibration and the threshold of the run's card, which come from out-of-fold predictions. An
expert is held against the majority of the other experts, where they have one; the student beside it is held against
the same majority on the same figures.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atypica.core.votes import majority
from atypica.data.sources import open_source
from atypica.evaluation.binary import binary_metrics
from atypica.inference.bundle import read_bundle
from atypica.inference.card import Card
from atypica.inference.predictions import calibrated
from atypica.training.crossval import fold_networks
from atypica.training.distill import student_network
from atypica.training.predict import predict
from atypica.training.recipe import load_recipe
from atypica.training.run import Run

SHOWN = ("auroc", "balanced_accuracy", "sensitivity", "specificity")
HEADER = "| model | views | AUROC | BA | sensitivity | specificity |\n|---|---|---|---|---|---|"
Scores = NDArray[np.float64]


def table(run: Run) -> str:
    """The whole comparison as Markdown."""
    assert run.tested is not None, "this run set no figures aside"
    store = run.read_crops(run.tested)
    card = read_bundle(run.folder / "bundle").card
    networks = [*fold_networks(run), student_network(run)]
    lines, student = [HEADER], np.empty(0)
    for views in (1, 8):
        logits = np.stack([predict(n, store, np.arange(len(store)), views)["amf"][:, 0] for n in networks])
        p = np.stack([calibrated(one, card.calibration) for one in [*logits, logits[:-1].mean(0)]])
        lines += [line(*row) for row in network_rows(p, run.tested.labels, card, views)]
        student = p[-2] if views == 1 else student
    lines += [line(*row) for row in people_rows(student, run.tested.votes, card.thresholds.default)]
    return "\n".join(lines)


def network_rows(p: Scores, labels: Scores, card: Card, views: int) -> Iterator[tuple[str, str, list[str]]]:
    """Rows of `p`, shape (folds + 2, figures): each fold's, then the student's, then the ensemble's."""
    found = np.stack([measured(labels, one, card.thresholds.default) for one in p])
    folds = found[:-2]
    spread = [f"{mean:.3f} ± {sd:.3f}" for mean, sd in zip(folds.mean(0), folds.std(0, ddof=1), strict=True)]
    yield f"one fold (mean ± SD of {len(folds)})", str(views), spread
    yield "ensemble of the folds (mean logit)", str(views), numbers(found[-1])
    yield "**distilled (shipped)**", str(views), numbers(found[-2])


def people_rows(student: Scores, votes: Scores, threshold: float) -> Iterator[tuple[str, str, list[str]]]:
    """Each expert against the others' majority, and the student against the same."""
    for expert in range(votes.shape[1]):
        own, truth = votes[:, expert], majority(np.delete(votes, expert, axis=1))
        rows = ~np.isnan(own) & ~np.isnan(truth)
        title = f"expert {expert + 1} against the others ({rows.sum()} figures)"
        yield title, "", ["", *numbers(measured(truth[rows], own[rows], 0.5)[1:])]
        yield "distilled, against the same", "1", numbers(measured(truth[rows], student[rows], threshold))


def measured(labels: Scores, p: Scores, threshold: float) -> Scores:
    """The shown metrics."""
    found = binary_metrics(labels, p, threshold)
    return np.array([float(found[name][0]) for name in SHOWN])


def numbers(values: Scores) -> list[str]:
    return [f"{value:.3f}" for value in values]


def line(model: str, views: str, cells: list[str]) -> str:
    return f"| {model} | {views} | " + " | ".join(cells) + " |"


def open_run(folder: Path, data: str) -> Run:
    """A finished run."""
    return Run.open(folder, load_recipe(str(folder / "recipe.yaml")), open_source(data))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", default="ami-br")
    chosen = parser.parse_args()
    print(table(open_run(chosen.run, chosen.data)))


if __name__ == "__main__":
    main()
