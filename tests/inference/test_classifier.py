"""A graph that is not a model of this format is refused when it is loaded, not when it is used."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import onnx
import pytest
from tiny_model import tiny_card, tiny_graph

from atypica.core.errors import BundleError
from atypica.inference.bundle import read_bundle, write_bundle
from atypica.inference.card import Geometry
from atypica.inference.classifier import OnnxClassifier


def test_outputs_are_named_and_the_map_gives_the_logit(tiny_bundle):
    crops = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    outputs = OnnxClassifier(read_bundle(tiny_bundle)).forward(crops)
    assert {name: value.shape for name, value in outputs.items()} == {
        "amf": (5, 1),
        "subtype": (5, 8),
        "votes": (5, 3),
        "disagreement": (5, 1),
        "cam": (5, 4, 4),
        "embedding": (5, 3),
        "distance": (5,),
    }
    np.testing.assert_allclose(outputs["cam"].mean(axis=(1, 2)), outputs["amf"][:, 0], atol=1e-5)


def test_only_what_is_asked_for(tiny_bundle):
    crops = np.zeros((1, 32, 32, 3), np.uint8)
    assert list(OnnxClassifier(read_bundle(tiny_bundle)).forward(crops, ["distance"])) == ["distance"]


def test_bytes_that_are_no_graph(tmp_path):
    bundle = write_bundle(tmp_path / "model", b"not a graph", tiny_card())
    with pytest.raises(BundleError, match="cannot be loaded"):
        OnnxClassifier(bundle)


def test_lacking_output(tmp_path):
    model = onnx.load_from_string(tiny_graph())
    kept = [output for output in model.graph.output if output.name not in {"subtype", "cam"}]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    with pytest.raises(BundleError, match="lacks the outputs cam, subtype"):
        OnnxClassifier(write_bundle(tmp_path / "model", model.SerializeToString(), tiny_card()))


def test_card_of_another_size(tmp_path):
    card = tiny_card().model_copy(update={"geometry": Geometry(field_um=20, size_px=64)})
    with pytest.raises(BundleError, match="64, 64, 3"):
        OnnxClassifier(write_bundle(tmp_path / "model", tiny_graph(), card))


@pytest.mark.skipif(os.name == "nt", reason="the folder of its reports is another one there")
def test_onnx_runtime_reports_to_nobody(tiny_bundle, tmp_path):
    code = (
        "from pathlib import Path; from atypica.inference import bundle, classifier; "
        f"classifier.OnnxClassifier(bundle.read_bundle(Path({str(tiny_bundle)!r})))"
    )
    quiet = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}  # it is silent in continuous integration, by itself
    subprocess.run([sys.executable, "-c", code], check=True, env=quiet)
    assert list(tmp_path.iterdir()) == []
