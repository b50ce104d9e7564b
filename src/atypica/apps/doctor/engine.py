"""The engine that types figures: which one it is, and whether it says what ONNX Runtime says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from atypica.apps.doctor.finding import Finding, Status

if TYPE_CHECKING:
    from atypica.inference.classifier import Classifier

MOST = {"float32": 0.01, "bfloat16": 0.5}
"""Largest difference of the AMF logit between an engine and ONNX Runtime on the CPU that passes, by arithmetic."""
FIGURES = 8


def check_engine(path: Path | None) -> Iterator[Finding]:
    """Open a bundle (the default one for None) in the engine that ATYPICA_DEVICE asks for.

    Of a damaged bundle nothing is said: `check_model` does.
    """
    from atypica.core.errors import BundleError
    from atypica.inference.bundle import DEFAULT_BUNDLE, read_bundle
    from atypica.inference.classifier import OnnxClassifier
    from atypica.inference.engines import open_classifier

    try:
        bundle = read_bundle(path or DEFAULT_BUNDLE)
    except BundleError:
        return
    used = open_classifier(bundle)
    if isinstance(used, OnnxClassifier) and len(used.providers) == 1:
        yield Finding("engine", Status.PASS, used.engine)
        return
    yield _compared(used, OnnxClassifier(bundle, "cpu"))


def _compared(used: Classifier, reference: Classifier) -> Finding:
    import numpy as np

    size = used.card.geometry.size_px
    crops = np.random.default_rng(0).integers(0, 256, (FIGURES, size, size, 3), dtype=np.uint8)
    found, wanted = used.forward(crops, ["amf"])["amf"], reference.forward(crops, ["amf"])["amf"]
    off = float(np.abs(found - wanted).max())
    most = MOST["bfloat16" if "bfloat16" in used.engine else "float32"]
    told = f"{used.engine}; logits differ from {reference.engine} by {off:.2g} at most"
    if not off <= most:
        return Finding("engine", Status.FAIL, f"{told}, more than {most:g}", "unset ATYPICA_DEVICE")
    return Finding("engine", Status.PASS, told)
