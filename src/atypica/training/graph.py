"""From a trained network to one ONNX graph that holds everything, and the proof that it says the same."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from onnxscript import ir, optimizer
from torch import Tensor, nn

from atypica.inference.bundle import WEIGHTS_FOLDER
from atypica.models.ensemble import EnsembleNetwork
from atypica.models.network import FigureNetwork
from atypica.training.strangeness import StrangenessModel

Deployable = FigureNetwork | EnsembleNetwork
NETWORK = "network."
"""What the names of the network's weights start with in the graph."""
LARGEST = 2**31 - 2**24
"""Bytes that one ONNX file holds (the limit of protobuf), less what the graph itself may take."""
LARGE = 1024
"""Bytes from which on a weight goes into the file beside the graph, where there is one."""


class DeployedNetwork(nn.Module):
    """The network with normalization, activation map and distance inside: bytes in, everything out."""

    def __init__(self, network: Deployable, strangeness: StrangenessModel) -> None:
        super().__init__()
        self.network = network.eval()
        self.residual = strangeness.residual
        for name in ("mean", "scale", "basis", "weight"):
            self.register_buffer(name, torch.from_numpy(getattr(strangeness, name).astype(np.float32)))

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        """(N, S, S, 3) bytes -> every answer's logits, `cam` (N, h, w), `embedding` (N, width), `distance` (N,)."""
        read = self.network.read(crops.permute(0, 3, 1, 2).float() / 255)
        return (*read.answers.values(), read.map, read.embedding, self._distance(read.statistics))

    def _distance(self, statistics: Tensor) -> Tensor:
        scaled = (statistics - cast(Tensor, self.mean)) * cast(Tensor, self.scale)
        along = (scaled @ cast(Tensor, self.basis)).square()
        left = (scaled.square().sum(dim=1) - along.sum(dim=1)).clamp_min(0) / self.residual
        return (((along * cast(Tensor, self.weight)).mean(dim=1) + left) / 2).sqrt()


def output_names(network: Deployable) -> list[str]:
    """The names of the graph's outputs, in order."""
    return [*network.sizes, "cam", "embedding", "distance"]


def stored_bytes(network: nn.Module) -> int:
    """What the weights of a network take in a graph, two bytes each."""
    return 2 * sum(values.numel() for values in network.state_dict().values())


def export_graph(
    network: Deployable, strangeness: StrangenessModel, size_px: int, weights: Path | None = None
) -> bytes:
    """An ONNX graph with a free batch size, weights stored as float16, arithmetic in float32.

    Args:
        network: of the bundle.
        strangeness: of its training figures.
        size_px: side of a crop.
        weights: the file that large weights are written to; the graph knows it by its name. None keeps them in the
            graph, up to `LARGEST` bytes.
    """
    deployed = DeployedNetwork(network.cpu(), strangeness).eval()
    # Two crops in the example: with one, the exporter would freeze the batch size at one.
    example = torch.zeros(2, size_px, size_px, 3, dtype=torch.uint8)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            deployed,
            (example,),
            dynamo=True,
            optimize=False,
            verbose=False,
            input_names=["crops"],
            output_names=output_names(network),
            dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=4096)},),
        )
    simple = cast(Any, program).model
    _simplify(simple)
    if weights:
        ir.external_data.unload_from_model(simple, weights.parent, weights.name, size_threshold_bytes=LARGE)
    model = ir.to_proto(simple)
    strip_traces(model)
    if not weights:  # onnx looks for the file of weights in the working folder; ONNX Runtime will check such a graph
        onnx.checker.check_model(model)
    return model.SerializeToString()


def _simplify(model: ir.Model) -> None:
    """Constants folded, but weights left apart: ONNX Runtime fuses them, and fine-tuning reads them back.

    They are halved before the graph is written, as a file holds `LARGEST` bytes.
    """
    optimizer.inline(model)
    optimizer.fold_constants(model, should_fold=_may_be_folded)
    optimizer.remove_unused_nodes(model)
    store_as_half(model.graph)


def _may_be_folded(node: Any) -> bool | None:
    """None: by the optimizer's own rules."""
    reads_weights = any(value is not None and str(value.name).startswith("network.") for value in node.inputs)
    return False if reads_weights else None


def strip_traces(model: onnx.ModelProto) -> None:
    """Drop what the exporter notes of its own source lines (and of the machine's paths), in place."""
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    for part in (*model.graph.node, *model.graph.initializer, *model.graph.value_info, *model.functions):
        del part.metadata_props[:]
        part.doc_string = ""
    del model.graph.value_info[:]


def store_as_half(graph: ir.Graph) -> None:
    """Replace the float32 matrices and kernels by float16 ones and a cast, in place; vectors weigh nothing."""
    casts: list[ir.Node] = []
    for name, weight in list(graph.initializers.items()):
        values = weight.const_value
        if values is None or values.dtype != ir.DataType.FLOAT or len(values.shape) < 2:
            continue
        del graph.initializers[name]
        stored = ir.tensor(values.numpy().astype(np.float16), name=f"{name}.half")
        half = ir.Value(name=stored.name, shape=weight.shape, type=ir.TensorType(stored.dtype), const_value=stored)
        cast_back = ir.node("Cast", [half], {"to": ir.DataType.FLOAT}, name=f"{name}.cast")
        ir.convenience.replace_all_uses_with(weight, cast_back.outputs[0])
        cast_back.outputs[0].name = name
        graph.initializers[f"{name}.half"] = half
        casts.append(cast_back)
    graph.insert_before(graph[0], casts)


def stored_weights(graph: bytes, weights: Path | None = None) -> dict[str, Tensor]:
    """The weights of a bundle's network by the names that torch gives them, of float16 precision.

    Args:
        graph: of the bundle.
        weights: the file beside it; None where there is none.
    """
    parts = onnx.load_from_string(graph).graph.initializer
    named = {part.name.removesuffix(".half"): part for part in parts if part.name.startswith(NETWORK)}
    folder = str(weights.parent) if weights else ""
    return {
        name.removeprefix(NETWORK): torch.from_numpy(numpy_helper.to_array(part, folder).astype(np.float32))
        for name, part in named.items()
    }


def largest_differences(
    network: Deployable,
    strangeness: StrangenessModel,
    graph: bytes,
    crops: NDArray[np.uint8],
    weights: Path | None = None,
) -> dict[str, float]:
    """The largest absolute difference between the network in torch and the graph in ONNX Runtime, by output."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if weights:
        options.add_session_config_entry(WEIGHTS_FOLDER, str(weights.parent.absolute()))
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    names = output_names(network)
    got = cast(list[NDArray[np.float32]], session.run(names, {"crops": crops}))
    with torch.inference_mode():
        wanted = DeployedNetwork(network.cpu(), strangeness)(torch.from_numpy(crops))
    pairs = zip(names, got, wanted, strict=True)
    return {name: float(np.abs(mine - theirs.numpy()).max()) for name, mine, theirs in pairs}
