"""A convolutional network small enough for tests: six convolutions with ReLU6, one sum between them, plain heads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tiny_model import SIZE, tiny_card

from atypica.inference.bundle import Bundle, write_bundle

WIDTH = 6
CONVOLUTIONS = ["conv0", "conv1", "conv2", "conv3", "conv4", "conv5"]


def write_convolutional_bundle(path: Path) -> Bundle:
    """Write the bundle: the outputs of a real one, random weights."""
    card = tiny_card().model_copy(update={"metrics": {"a test": {"auroc": 0.9}}})
    return write_bundle(path, convolutional_graph(), card, ["0" * 16])


def convolutional_graph() -> bytes:
    """conv3's activation is added to conv1's before conv4."""
    node, random = helper.make_node, np.random.default_rng(0)
    constants = {
        "low": np.float32(0),
        "high": np.float32(6),
        "255": np.float32(255),
        "inner": np.array([2, 3]),
        "channels": np.array([1]),
        "one": np.array([1]),
        "sizes": np.array([1, 8, 3, 1]),
        "head": random.normal(0, 1, (WIDTH, 13)).astype(np.float32),
    }
    nodes = [
        node("Cast", ["crops"], ["float"], to=TensorProto.FLOAT, name="cast"),
        node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2], name="turn"),
        node("Div", ["planes", "255"], ["a0"], name="scale"),
    ]
    for number, name in enumerate(CONVOLUTIONS):
        inside = 3 if number == 0 else WIDTH
        kernel = random.normal(0, (2 / (9 * inside)) ** 0.5, (WIDTH, inside, 3, 3)).astype(np.float32)
        constants[f"{name}.weight"] = kernel * np.linspace(0.5, 2, WIDTH, dtype=np.float32)[:, None, None, None]
        stride = [2, 2] if number in {0, 4} else [1, 1]
        given = "sum" if number == 4 else f"a{number}"
        nodes.append(node("Conv", [given, f"{name}.weight"], [name], pads=[1] * 4, strides=stride, name=name))
        nodes.append(node("Clip", [name, "low", "high"], [f"a{number + 1}"], name=f"clip{number}"))
        if number == 3:
            nodes.append(node("Add", ["a4", "a2"], ["sum"], name="sum"))
    nodes += [
        node("ReduceMean", ["a6", "inner"], ["embedding"], keepdims=0, name="pool"),
        node("MatMul", ["embedding", "head"], ["answers"], name="heads"),
        node("Split", ["answers", "sizes"], ["amf", "subtype", "votes", "disagreement"], axis=1, name="split"),
        node("ReduceMean", ["a6", "channels"], ["cam"], keepdims=0, name="map"),
        node("ReduceMean", ["embedding", "one"], ["level"], keepdims=0, name="level"),
        node("Add", ["level", "high"], ["distance"], name="distance"),
    ]
    side = SIZE // 4
    shapes = {
        "amf": (1,),
        "subtype": (8,),
        "votes": (3,),
        "disagreement": (1,),
        "cam": (side, side),
        "embedding": (WIDTH,),
        "distance": (),
    }
    graph = helper.make_graph(
        nodes,
        "convolutions",
        [helper.make_tensor_value_info("crops", TensorProto.UINT8, ["N", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape]) for name, shape in shapes.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()
