"""What a bundle's `ood` finds: pictures that show no readable mitotic figure, against figures it was not fitted to.

    python benchmarks/strangeness.py [BUNDLE] --data ami-br --slide CMU-1-Small-Region.svs

Figures: the test part of the data, and other datasets at hand. Strangers: `strangers.py`. A kind's AUROC is the
probability that one of its pictures is further away than a test figure.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from strangers import MPP, Picture, all_groups

from atypica.core.errors import SourceError
from atypica.data.sources import open_source
from atypica.inference.bundle import DEFAULT_BUNDLE, read_bundle
from atypica.inference.classifier import OnnxClassifier
from atypica.inference.crops import FileCrops
from atypica.inference.predictions import strangeness
from atypica.inference.preprocess import resample

FALSE_FLAGS = 0.05
BATCH = 64


def main() -> None:
    arguments = parse()
    classifier = OnnxClassifier(read_bundle(arguments.bundle))
    figures = read(arguments.data, "test")
    control = distances(classifier, figures, MPP)
    limits = Limits(classifier, float(np.quantile(control, 1 - FALSE_FLAGS)))
    above, beyond = f"`ood` above {limits.scale.limit:g}", f"beyond {FALSE_FLAGS:.0%} of the test figures"
    print(f"| true figures | n | {above} | {beyond} |\n|---|---|---|---|")
    print(f"| {arguments.data}, test | {len(control)} | {limits.cells(control)} |")
    for name in arguments.others:
        found = distances(classifier, read(name), MPP)
        print(f"| {name} | {len(found)} | {limits.cells(found)} |")
    print(f"\n| | strangers | AUROC | {above} | {beyond} |\n|---|---|---|---|---|")
    for group in all_groups(figures, arguments.count, arguments.slide):
        found = distances(classifier, group.pictures, group.mpp)
        truth = np.repeat([0, 1], [len(control), len(found)])
        auroc = roc_auc_score(truth, np.concatenate([control, found]))
        print(f"| {group.family} | {group.name} | {auroc:.2f} | {limits.cells(found)} |")


class Limits:
    """The card's limit of `ood`, and the distance beyond which the given share of true figures lies."""

    def __init__(self, classifier: OnnxClassifier, cut: float) -> None:
        assert classifier.card.strangeness, "this bundle measures no strangeness"
        self.scale, self.cut = classifier.card.strangeness, cut

    def cells(self, found: NDArray[np.float32]) -> str:
        """Shares above both, as cells of a table."""
        above = strangeness(found, self.scale, len(found)) > self.scale.limit
        return f"{above.mean():.0%} | {(found > self.cut).mean():.0%}"


def read(source: str, part: str = "") -> list[Picture]:
    """The crops of a dataset, or of one part of it."""
    figures = open_source(source)
    if part:
        if "split" not in figures.table:
            raise SourceError(f"{source} has no column 'split'", "choose a dataset with a test part")
        figures = figures.where((figures.table["split"] == part).to_numpy())
    files = FileCrops(figures)
    return [files.read(row).pixels for row in range(len(figures))]


def distances(classifier: OnnxClassifier, pictures: list[Picture], mpp: float) -> NDArray[np.float32]:
    """How far each picture is from the training figures, (n,)."""
    pieces: list[NDArray[np.float32]] = []
    for start in range(0, len(pictures), BATCH):
        crops = [resample(picture, mpp, classifier.card.geometry) for picture in pictures[start : start + BATCH]]
        pieces.append(classifier.forward(np.stack(crops), ["distance"])["distance"].reshape(-1))
    return np.concatenate(pieces)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, nargs="?", default=DEFAULT_BUNDLE)
    parser.add_argument("--data", default="ami-br")
    parser.add_argument("--others", nargs="*", default=["atnorm-br", "atnorm-md"])
    parser.add_argument("--slide", type=Path, help="CMU-1-Small-Region.svs; without it, no pictures of a real slide")
    parser.add_argument("--count", type=int, default=100, help="pictures of each kind")
    return parser.parse_args()


if __name__ == "__main__":
    main()
