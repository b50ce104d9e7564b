"""Which engine runs a bundle's graph: the setting ATYPICA_DEVICE."""

from __future__ import annotations

import os

from atypica.inference.bundle import Bundle
from atypica.inference.classifier import DEVICE, Classifier, OnnxClassifier


def open_classifier(bundle: Bundle, device: str | None = None) -> Classifier:
    """The classifier of a bundle.

    Args:
        bundle: a verified bundle.
        device: one of `classifier.DEVICES`; what ATYPICA_DEVICE says if None, and the first where that is not set.

    Raises:
        BundleError: the graph cannot be loaded, or is not one of this format.
        MissingExtraError: the engine is not installed.
        SettingsError: no such device, or the machine lacks it.
    """
    wanted = (os.environ.get(DEVICE, "") if device is None else device).lower()
    if wanted not in {"openvino", "openvino-bf16"}:
        return OnnxClassifier(bundle, wanted)
    from atypica.inference.openvino_classifier import OpenVinoClassifier

    return OpenVinoClassifier(bundle, "bfloat16" if wanted.endswith("bf16") else "float32")
