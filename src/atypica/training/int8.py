"""From a float32 bundle to one that computes on 8-bit integers, and how far its answers moved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from atypica.core.errors import BundleError
from atypica.data.figures import Figures
from atypica.inference.bundle import Bundle, read_bundle, write_bundle
from atypica.inference.card import Card, Quantization
from atypica.inference.classifier import Classifier, OnnxClassifier
from atypica.inference.pipeline import BATCH
from atypica.inference.predictions import calibrated
from atypica.inference.seen import draw_crops
from atypica.training.quantization import KEPT, quantized

FIGURES = 256
"""More change the ranges little, and cost time."""
NOTE = (
    "thresholds, calibration and metrics are those of the float32 model, on which they were measured: "
    "check the threshold on labeled figures of your own with atypica calibrate"
)


@dataclass(frozen=True)
class Moved:
    """How far p_amf of a quantized model lies from that of its float32 model.

    Attributes:
        figures: on how many figures.
        largest, mean: of the absolute differences.
        changed: figures on the other side of the default threshold.
    """

    figures: int
    largest: float
    mean: float
    changed: int


@dataclass(frozen=True)
class Int8:
    """A bundle that was quantized.

    Attributes:
        bundle: as it was written, and read back.
        calibration: on the figures that the ranges were measured on.
        others: on further figures of the same source; None where it has no more.
        failed: figures that could not be read.
    """

    bundle: Bundle
    calibration: Moved
    others: Moved | None
    failed: int


def quantize_bundle(
    bundle: Bundle,
    figures: Figures,
    out: Path,
    *,
    count: int = FIGURES,
    kept: int = KEPT,
    weight_bits: Literal[7, 8] = 7,
    seed: int = 0,
    mpp: float | None = None,
) -> Int8:
    """Write the bundle in int8, and hold what was written against the float32 one.

    Args:
        bundle: with float32 arithmetic.
        figures: best those that trained it; never those that it will be tested on. Up to twice `count` are read: the
            second half only compares.
        out: a folder, or a zip file if it ends in .zip.
        count: figures that the ranges of the integers are measured on.
        kept: convolutions at the start that stay float32.
        weight_bits: see `quantized`.
        seed: of the lot that draws the figures.
        mpp: micrometers per pixel of figures whose table does not say it.

    Raises:
        BundleError: the bundle is quantized already, has its weights apart, or has too few convolutions.
        SourceError: no figure can be read.
        OutputError: it cannot be written.
    """
    if bundle.weights:
        raise BundleError(f"the weights of {bundle.path} lie in a file of their own", "int8 is for smaller networks")
    before = OnnxClassifier(bundle, "cpu")
    seen = draw_crops(before, figures, 2 * count, seed=seed, mpp=mpp)
    graph = quantized(bundle.onnx, seen.crops[:count], kept, weight_bits)
    after = OnnxClassifier(replace(bundle, onnx=graph), "cpu")
    moved = [moved_between(before, after, part) for part in (seen.crops, seen.crops[:count], seen.crops[count:])]
    made = Quantization(
        arithmetic="int8",
        weight_bits=weight_bits,
        float32_sha256=bundle.card.onnx_sha256,
        source=figures.name,
        figures=moved[1].figures,
        seed=seed,
        kept_float32=kept,
        checked_figures=moved[2].figures,
        largest_difference=round(moved[0].largest, 4),
        mean_difference=round(moved[0].mean, 4),
        changed_calls=moved[0].changed,
        note=NOTE,
    )
    write_bundle(out, graph, _card(bundle.card, made), bundle.trained_on)
    return Int8(read_bundle(out), moved[1], moved[2] if moved[2].figures else None, seen.failed)


def moved_between(before: Classifier, after: Classifier, crops: NDArray[np.uint8]) -> Moved:
    """How far `after` lies from `before`, both by the calibration and threshold of `before`, one view.

    Args:
        before: the float32 model.
        after: the same in other arithmetic.
        crops: (n, S, S, 3).
    """
    if not len(crops):
        return Moved(0, 0.0, 0.0, 0)
    card = before.card
    first, second = (calibrated(amf_logits(one, crops), card.calibration) for one in (before, after))
    off = np.abs(second - first)
    cut = card.thresholds.default
    return Moved(len(crops), float(off.max()), float(off.mean()), int(((first >= cut) != (second >= cut)).sum()))


def amf_logits(classifier: Classifier, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The logit of AMF of each crop, one view, (n,)."""
    starts = range(0, len(crops), BATCH)
    return np.concatenate([classifier.forward(crops[s : s + BATCH], ["amf"])["amf"][:, 0] for s in starts])


def _card(card: Card, made: Quantization) -> Card:
    return card.model_copy(
        update={
            "version": f"{card.version}{'.' if '+' in card.version else '+'}int8",
            "metrics": {f"{name} (float32 model)": values for name, values in card.metrics.items()},
            "versions": {**card.versions, "onnxruntime of the quantization": version("onnxruntime")},
            "quantization": made,
        }
    )
