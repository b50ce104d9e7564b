"""A model bundle small enough for tests: the darker a crop, the more atypical."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from atypica.inference.bundle import Bundle, write_bundle
from atypica.inference.card import Calibration, Card, Geometry, Strangeness, Thresholds

SIZE, CELLS = 32, 4
HEADS = {
    "amf": ["AMF"],
    "subtype": [
        "prometaphase",
        "metaphase",
        "anaphase_telophase",
        "ring_shape",
        "bipolar_asymmetric",
        "multipolar",
        "segregation",
        "other",
    ],
    "votes": ["expert 1", "expert 2", "expert 3"],
    "disagreement": ["disagreement"],
}


def write_tiny_bundle(path: Path) -> Bundle:
    """Write the bundle: `cam` is 4 - 8 x brightness of each of 4x4 cells, `amf` its mean."""
    return write_bundle(path, tiny_graph(), tiny_card())


def tiny_card() -> Card:
    """A card with every head, and calibration that does nothing."""
    return Card(
        name="tiny",
        version="1",
        created="2026-01-01",
        license="Apache-2.0",
        onnx_sha256="",
        geometry=Geometry(field_um=20, size_px=SIZE),
        heads=HEADS,
        calibration=Calibration(temperature=1.0, bias=0.0),
        thresholds=Thresholds(default=0.5, chosen_by="test", others={"sensitive": 0.2}, refer_low=0.4, refer_high=0.6),
        strangeness=Strangeness(quantiles=[i / 25 for i in range(101)], limit=0.95),
        training_data={"name": "nothing"},
    )


def tiny_graph() -> bytes:
    """The graph with the inputs and outputs of a real bundle."""
    node = helper.make_node
    nodes = [
        node("Cast", ["crops"], ["float"], to=TensorProto.FLOAT),
        node("ReduceMean", ["float", "last"], ["grey"], keepdims=0),
        node("Unsqueeze", ["grey", "one"], ["plane"]),
        node("AveragePool", ["plane"], ["cells"], kernel_shape=[SIZE // CELLS] * 2, strides=[SIZE // CELLS] * 2),
        node("Squeeze", ["cells", "one"], ["flat"]),
        node("Mul", ["flat", "scale"], ["dark"]),
        node("Add", ["dark", "offset"], ["cam"]),
        node("ReduceMean", ["cam", "inner"], ["mean"], keepdims=0),
        node("Unsqueeze", ["mean", "one"], ["amf"]),
        node("MatMul", ["amf", "weights"], ["weighted"]),
        node("Add", ["weighted", "bias"], ["subtype"]),
        node("Concat", ["amf", "amf", "amf"], ["votes"], axis=1),
        node("Abs", ["mean"], ["distance"]),
        node("Neg", ["distance"], ["near"]),
        node("Unsqueeze", ["near", "one"], ["disagreement"]),
        node("ReduceMean", ["float", "inner"], ["embedding"], keepdims=0),
    ]
    constants = {
        "last": np.array([3]),
        "one": np.array([1]),
        "inner": np.array([1, 2]),
        "scale": np.float32(-8 / 255),
        "offset": np.float32(4),
        "weights": np.linspace(-1, 1, 8, dtype=np.float32)[None],
        "bias": np.arange(8, dtype=np.float32) / 4,
    }
    shapes = {
        "amf": (1,),
        "subtype": (8,),
        "votes": (3,),
        "disagreement": (1,),
        "cam": (CELLS, CELLS),
        "embedding": (3,),
        "distance": (),
    }
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("crops", TensorProto.UINT8, ["N", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape]) for name, shape in shapes.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()
