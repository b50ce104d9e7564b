"""A bundle's graph in int8: static quantization, calibrated on the figures that trained it."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import onnx
from numpy.typing import NDArray

from atypica.core.errors import BundleError
from atypica.inference.classifier import INPUT
from atypica.training.graph import strip_traces

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

KEPT = 3
"""Convolutions at the start that stay float32: of EfficientNet-Lite0 the stem and the first block (docs/speed.md)."""
FEWEST = 4
"""A network with fewer convolutions than this to quantize spends its time elsewhere."""
ACTIVATIONS = {"Clip", "Relu"}
"""They vanish into the range of the integers before them."""
BATCH = 16


def quantized(graph: bytes, crops: NDArray[np.uint8], kept: int = KEPT, weight_bits: Literal[7, 8] = 7) -> bytes:
    """The graph with convolutions, and the sums between them, on 8-bit integers.

    Static quantization of ONNX Runtime (QDQ): weights int8 by output channel, activations uint8 by tensor, in the
    ranges that the crops show (Jacob et al., CVPR 2018). The first convolutions, the heads, the activation map, the
    mean of the embedding and the distance stay float32.

    Args:
        graph: of a bundle, its weights inside.
        crops: (N, S, S, 3), as the network sees them; what the ranges are measured on.
        kept: convolutions at the start that stay float32.
        weight_bits: with 8, processors without VNNI may overflow in silence, as they add pairs of products in 16 bits.

    Raises:
        BundleError: the graph is quantized already, or has too few convolutions.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    with tempfile.TemporaryDirectory() as folder, _quiet():
        simple, done = Path(folder) / "simple.onnx", Path(folder) / "int8.onnx"
        model = _simplified(graph, simple)
        quantize_static(
            str(simple),
            str(done),
            cast(Any, _Batches(crops)),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=weight_bits == 7,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_quantize=chosen_nodes(model.graph.node, kept),
            op_types_to_quantize=["Conv", "Add", *sorted(ACTIVATIONS)],
        )
        result = onnx.load(done)
    strip_traces(result)
    onnx.checker.check_model(result)
    return result.SerializeToString()


def chosen_nodes(nodes: Sequence[NodeProto], kept: int) -> list[str]:
    """The names of the nodes that compute on integers: convolutions, sums between them, activations after either.

    Args:
        nodes: of a graph, in the order of the computation, with names.
        kept: convolutions at the start that stay float32.

    Raises:
        BundleError: the graph is quantized already, or has too few convolutions.
    """
    if any(node.op_type == "DequantizeLinear" for node in nodes):
        raise BundleError("this bundle is quantized already", "start from the one with float32 arithmetic")
    convolutions = [node for node in nodes if node.op_type == "Conv"][kept:]
    if len(convolutions) < FEWEST:
        raise BundleError(
            f"{len(convolutions)} convolutions of this network could be int8, too few to gain from",
            "quantize a convolutional network, or keep fewer in float32",
        )
    before = _ancestors(nodes, convolutions)
    chosen = {node.name for node in convolutions}
    made = {name for node in convolutions for name in node.output}
    for node in nodes:
        joins = node.op_type == "Add" and node.name in before
        if (joins or node.op_type in ACTIVATIONS) and made & set(node.input):
            chosen.add(node.name)
            made |= set(node.output)
    return [node.name for node in nodes if node.name in chosen]


def _ancestors(nodes: Sequence[NodeProto], of: Sequence[NodeProto]) -> set[str]:
    """The names of the nodes whose results reach one of those."""
    wanted = {name for node in of for name in node.input}
    found: set[str] = set()
    for node in reversed(nodes):
        if wanted & set(node.output):
            found.add(node.name)
            wanted |= set(node.input)
    return found


def _simplified(graph: bytes, path: Path) -> ModelProto:
    """Written to `path`: weights float32, batch normalization and padding inside the convolutions, every node named."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    path.write_bytes(graph)
    quant_pre_process(str(path), str(path), skip_symbolic_shape=True)
    model = onnx.load(path)
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"node_{number}"
    onnx.save(model, path)
    return model


class _Batches:
    """What `quantize_static` reads its crops from (a `CalibrationDataReader`)."""

    def __init__(self, crops: NDArray[np.uint8]) -> None:
        self._left: Iterator[dict[str, Any]] = iter(
            [{INPUT: crops[start : start + BATCH]} for start in range(0, len(crops), BATCH)]
        )

    def get_next(self) -> dict[str, Any] | None:
        """The next batch, None at the end."""
        return next(self._left, None)


@contextmanager
def _quiet() -> Generator[None]:
    """Keeps the advice of ONNX Runtime's quantizer, which has been followed, off the screen."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
