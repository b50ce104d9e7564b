"""What faster arithmetic costs in accuracy, and what it brings in speed: a table of engines and precisions.

    python benchmarks/precision.py accuracy RUN --data ami-br --keep scores.npz
    python benchmarks/precision.py speed --data ami-br [--rounds 30] [--layers]

`accuracy`: every fold's network of a finished run is exported, quantized with crops of its own training folds, and
types the figures that it has not seen. Pooled over the folds: AUROC, and balanced accuracy at the run's own threshold
(chosen on float32 predictions, and kept for all), with the difference to float32 and its interval (cases drawn again,
paired). A run is opened as `atypica train` opens it, which rewrites its recipe.yaml: give a copy.

`speed`: the shipped bundle by every engine on one thread, batches of 8, all engines in turn in every round, so that
whatever else runs on the machine hits all alike; medians of the rounds, and of each round's ratio to float32. With
`--layers` instead int8 with other convolutions left in float32, and how far p_amf moves on crops beside those of the
calibration.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from atypica.data.figures import Figures
from atypica.data.sources import open_source
from atypica.evaluation.comparison import ModelScores, compare_models
from atypica.evaluation.intervals import Estimate
from atypica.inference.bundle import Bundle, read_bundle
from atypica.inference.card import Card
from atypica.inference.classifier import Classifier, OnnxClassifier
from atypica.inference.openvino_classifier import OpenVinoClassifier
from atypica.inference.pipeline import BATCH
from atypica.inference.predictions import calibrated
from atypica.inference.seen import draw_crops
from atypica.training.crops import CropStore
from atypica.training.crossval import fold_networks
from atypica.training.graph import export_graph
from atypica.training.int8 import FIGURES, amf_logits, moved_between
from atypica.training.quantization import KEPT, quantized
from atypica.training.recipe import load_recipe
from atypica.training.run import Run
from atypica.training.strangeness import StrangenessModel, measure

FLOAT = "ONNX Runtime, float32"
Crops = NDArray[np.uint8]


def engines(bundle: Bundle, calibration: Crops) -> Iterator[tuple[str, Classifier]]:
    """The bundle by every engine and precision, on one thread."""
    int8 = replace(bundle, onnx=quantized(bundle.onnx, calibration))
    yield FLOAT, OnnxClassifier(bundle, "cpu")
    yield "ONNX Runtime, float16", OnnxClassifier(replace(bundle, onnx=as_float16(bundle.onnx)), "cpu")
    yield "ONNX Runtime, int8", OnnxClassifier(int8, "cpu")
    yield "OpenVINO, float32", OpenVinoClassifier(bundle, "float32", 1)
    yield "OpenVINO, bfloat16", OpenVinoClassifier(bundle, "bfloat16", 1)
    yield "OpenVINO, int8", OpenVinoClassifier(int8, "float32", 1)


def layers(bundle: Bundle, calibration: Crops) -> Iterator[tuple[str, Classifier]]:
    """The bundle in int8, with other convolutions left in float32 or other weights."""
    yield FLOAT, OnnxClassifier(bundle, "cpu")
    for kept, what in ((0, "none"), (1, "the stem"), (3, "stem and first block"), (6, "stem and two blocks")):
        for bits in (7, 8) if kept in {0, KEPT} else (7,):
            graph = quantized(bundle.onnx, calibration, kept, bits)
            yield f"{what}, weights of {bits} bits", OnnxClassifier(replace(bundle, onnx=graph), "cpu")


def as_float16(graph: bytes) -> bytes:
    """The graph with float16 arithmetic, as ONNX Runtime's own tool converts it."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = convert_float_to_float16(onnx.load_from_string(graph), keep_io_types=True)
    return model.SerializeToString()


@dataclass
class Scores:
    """Out-of-fold logits of every figure, by variant."""

    logits: dict[str, NDArray[np.float64]]

    def add(self, name: str, rows: NDArray[np.bool_], values: NDArray[np.float32]) -> None:
        self.logits.setdefault(name, np.full(len(rows), np.nan))[rows] = values


def out_of_fold(run: Run, card: Card) -> Scores:
    """Every figure typed by the network that has not seen it, in every variant."""
    scores = Scores({})
    store = run.load_crops()
    seen = Seen(run.figures, card)
    for fold, network in enumerate(fold_networks(run)):
        held_out = run.folds == fold
        some = np.flatnonzero(~held_out)[:FIGURES]
        statistics = measure(network, CropStore(store.pixels[some], store.kept, store.seen))
        graph = export_graph(network, StrangenessModel.fit(statistics), card.geometry.size_px)
        bundle = Bundle(run.folder, card, graph)
        calibration = draw_crops(seen, run.figures.where(~held_out), FIGURES).crops
        theirs = seen.crops(held_out)
        for name, classifier in engines(bundle, calibration):
            scores.add(name, held_out, amf_logits(classifier, theirs))
            print(f"fold {fold}: {name}", flush=True)
    return scores


@dataclass(frozen=True)
class Seen:
    """Figures as a network of this card sees them."""

    figures: Figures
    card: Card

    def crops(self, rows: NDArray[np.bool_]) -> Crops:
        found = draw_crops(self, self.figures.where(rows), int(rows.sum()))  # pyright: ignore[reportArgumentType]
        return found.crops[np.argsort(found.rows)]


def accuracy_table(run: Run, card: Card, scores: Scores) -> str:
    """Markdown: every variant beside float32."""
    y, cut = run.figures.labels, card.thresholds.default
    p = {name: calibrated(logits.astype(np.float32), card.calibration) for name, logits in scores.logits.items()}
    lines = ["| arithmetic | AUROC | BA | AUROC - float32 | BA - float32 | calls changed | largest, mean change of p |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for name, mine in p.items():
        pair = [ModelScores("mine", mine, cut), ModelScores(FLOAT, p[FLOAT], cut)]
        found = compare_models(y, pair, cases=run.figures.cases)
        own, off = found.models["mine"], np.abs(mine - p[FLOAT])
        differences = found.pairs[0].differences
        cells = [f"{own[m].value:.4f}" for m in ("auroc", "balanced_accuracy")]
        cells += [signed(differences[m]) if name != FLOAT else "" for m in ("auroc", "balanced_accuracy")]
        changed = int(((mine >= cut) != (p[FLOAT] >= cut)).sum())
        cells += [f"{changed} of {len(y):,}", f"{off.max():.4f}, {off.mean():.5f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def signed(difference: Estimate) -> str:
    limits = difference.interval
    ends = f" ({limits.low:+.4f} to {limits.high:+.4f})" if limits else ""
    return f"{difference.value:+.4f}{ends}"


def accuracy(given: argparse.Namespace) -> None:
    run = Run.open(given.run, load_recipe(str(given.run / "recipe.yaml")), open_source(given.data))
    card = read_bundle(given.run / "bundle").card
    if given.keep.is_file():
        scores = Scores(dict(np.load(given.keep)))
    else:
        scores = out_of_fold(run, card)
        np.savez(given.keep, **scores.logits)
    print(accuracy_table(run, card, scores))


@dataclass
class Times:
    """Seconds a figure, one entry a round."""

    wall: list[float]
    core: list[float]

    def measure(self, work: Callable[[], object], figures: int) -> None:
        wall, core = time.perf_counter(), time.process_time()
        work()
        self.wall.append((time.perf_counter() - wall) / figures)
        self.core.append((time.process_time() - core) / figures)


def speed(given: argparse.Namespace) -> None:
    bundle = read_bundle()
    figures = open_source(given.data)
    figures = figures.where((figures.table["split"] == "train").to_numpy())
    drawn = draw_crops(OnnxClassifier(bundle, "cpu"), figures, 2 * FIGURES).crops
    crops, others = drawn[:FIGURES], drawn[FIGURES:]
    contenders = dict((layers if given.layers else engines)(bundle, crops))
    times = {name: Times([], []) for name in contenders}
    names = ["amf", "subtype", "disagreement", "distance"]
    for number in range(-2, given.rounds):
        start = (8 * BATCH * max(number, 0)) % (len(crops) - 8 * BATCH + 1)
        for name, classifier in contenders.items():
            batches = [crops[start + k * BATCH : start + (k + 1) * BATCH] for k in range(8)]
            if number < 0:
                classifier.forward(batches[0], names)
                continue
            times[name].measure(lambda c=classifier, b=batches: [c.forward(one, names) for one in b], 8 * BATCH)
    print(speed_table(times))
    if given.layers:
        for name, classifier in contenders.items():
            moved = moved_between(contenders[FLOAT], classifier, others)
            print(
                f"{name}: mean {moved.mean:.4f}, largest {moved.largest:.4f}, {moved.changed} of {moved.figures} calls"
            )


def speed_table(times: dict[str, Times]) -> str:
    lines = [
        "| engine, arithmetic | figures/s by processor time | times float32 (quartiles) | by wall time, times float32 |"
    ]
    lines += ["|---|---|---|---|"]
    for name, mine in times.items():
        ratio = np.array(times[FLOAT].core) / np.array(mine.core)
        wall = np.array(times[FLOAT].wall) / np.array(mine.wall)
        low, middle, high = np.quantile(ratio, [0.25, 0.5, 0.75])
        cells = [f"{1 / np.median(mine.core):.0f}", f"{middle:.2f} ({low:.2f} to {high:.2f})"]
        lines.append(f"| {name} | {' | '.join(cells)} | {1 / np.median(mine.wall):.0f}, {np.median(wall):.2f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    one = verbs.add_parser("accuracy")
    one.add_argument("run", type=Path)
    one.add_argument("--data", default="ami-br")
    one.add_argument("--keep", type=Path, required=True, help="where the logits are kept; read if it is there")
    one.set_defaults(work=accuracy)
    other = verbs.add_parser("speed")
    other.add_argument("--data", default="ami-br")
    other.add_argument("--rounds", type=int, default=30)
    other.add_argument("--layers", action="store_true")
    other.set_defaults(work=speed)
    given = parser.parse_args()
    given.work(given)


if __name__ == "__main__":
    main()
