"""The model bundle: unaltered, loads, and types a figure."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from atypica.apps.doctor.finding import Finding, Status

if TYPE_CHECKING:
    from atypica.inference.model import Model


def check_model(path: Path | None) -> Iterator[Finding]:
    """Verify a bundle (the default one for None) and type one drawn figure with it."""
    from atypica.inference.bundle import DEFAULT_BUNDLE, read_bundle
    from atypica.inference.model import Model

    bundle = read_bundle(path or DEFAULT_BUNDLE)
    size = f"{(len(bundle.onnx) + (bundle.weights.stat().st_size if bundle.weights else 0)) / 1e6:.1f} MB"
    name = f"{bundle.card.name} {bundle.card.version}"
    yield Finding("model bundle", Status.PASS, f"{name}, {size}, hash {bundle.card.onnx_sha256[:12]} as in its card")
    yield _typed(Model(bundle))


def _typed(model: Model) -> Finding:
    import numpy as np

    from atypica.core.vocabulary import Subtype
    from atypica.data.drawn import draw_figure

    crop = draw_figure(Subtype.METAPHASE, np.random.default_rng(0))
    model.classify(crop)
    started = time.perf_counter()
    result = model.classify(crop)
    took = time.perf_counter() - started
    row, size = result.predictions.iloc[0], model.card.geometry.size_px
    outputs = model.classifier.forward(np.zeros((2, size, size, 3), dtype=np.uint8))
    broken = [name for name, values in outputs.items() if not np.isfinite(values).all()]
    if broken or not 0 <= row["p_amf"] <= 1:
        told = f"the outputs {', '.join(broken) or 'p_amf'} are not numbers"
        return Finding("one figure", Status.FAIL, told, "get the bundle again, or update onnxruntime")
    said = f"a drawn metaphase typed in {took * 1000:.0f} ms: {row['prediction']}, p_amf {row['p_amf']:.2f}"
    return Finding("one figure", Status.PASS, said)
