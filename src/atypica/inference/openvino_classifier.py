"""A bundle's graph in OpenVINO: another engine for the processor, and its bfloat16 arithmetic."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from queue import SimpleQueue
from types import ModuleType
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from atypica.core.errors import BundleError, MissingExtraError, SettingsError
from atypica.core.machine import default_threads
from atypica.inference.bundle import MODEL, Bundle
from atypica.inference.classifier import DEVICE, INPUT, Outputs, check_graph

Arithmetic = Literal["float32", "bfloat16"]
HINTS: dict[Arithmetic, str] = {"float32": "f32", "bfloat16": "bf16"}
REPORTER = "openvino_telemetry"
"""The package by which OpenVINO reports its use to its maker."""


class OpenVinoClassifier:
    """A bundle's graph in OpenVINO, on the processor. `forward` may be called from several threads at once.

    One call of `forward` uses one thread, and as many run at a time as there are streams; a further caller waits.
    float32 differs from ONNX Runtime by rounding alone. bfloat16 has 8 bits of mantissa: about twice as fast on
    processors that have it (AVX512-BF16, AMX), and a little off (docs/speed.md).

    Args:
        bundle: a verified bundle.
        arithmetic: of convolutions and products; int8 graphs keep their integers.
        streams: calls that run at a time; one a core if None.

    Raises:
        BundleError: the graph cannot be loaded, or is not one of this format.
        MissingExtraError: OpenVINO is not installed.
        SettingsError: this processor has no bfloat16.
    """

    def __init__(self, bundle: Bundle, arithmetic: Arithmetic = "float32", streams: int | None = None) -> None:
        openvino = import_openvino()
        self.card = bundle.card
        self.engine = f"OpenVINO {openvino.__version__.split('-')[0]}, {arithmetic}"
        streams = streams or default_threads()
        compiled = _compiled(openvino.Core(), bundle, arithmetic, streams)
        self.names = tuple(str(port.any_name) for port in compiled.outputs)
        shapes = {str(port.any_name): _shape(port.partial_shape) for port in compiled.inputs}
        check_graph(bundle, shapes, self.names)
        self._idle: SimpleQueue[Any] = SimpleQueue()
        for _ in range(streams):
            self._idle.put(compiled.create_infer_request())

    def forward(self, crops: NDArray[np.uint8], names: Sequence[str] | None = None) -> Outputs:
        """See `Classifier.forward`."""
        request = self._idle.get()
        try:
            request.infer({INPUT: crops}, share_inputs=True)
            return {name: np.array(request.get_tensor(name).data, np.float32) for name in names or self.names}
        finally:
            self._idle.put(request)


def import_openvino() -> ModuleType:
    """OpenVINO, kept from reporting its import to its maker: nothing of a run leaves the machine.

    Raises:
        MissingExtraError: it is not installed.
    """
    missing = object()
    before = sys.modules.get(REPORTER, missing)
    # A module that cannot be imported: OpenVINO takes its own stand-in for it, which reports nothing.
    sys.modules[REPORTER] = cast(ModuleType, None)
    try:
        import openvino
    except ImportError as error:
        raise MissingExtraError(f"{DEVICE}=openvino", "openvino") from error
    finally:
        if before is missing:
            del sys.modules[REPORTER]
        else:
            sys.modules[REPORTER] = cast(ModuleType, before)
    return openvino


def _compiled(core: Any, bundle: Bundle, arithmetic: Arithmetic, streams: int) -> Any:
    if arithmetic == "bfloat16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise SettingsError("this processor has no bfloat16 arithmetic", f"set {DEVICE}=openvino or {DEVICE}=cpu")
    settings = {
        "INFERENCE_PRECISION_HINT": HINTS[arithmetic],
        "INFERENCE_NUM_THREADS": streams,
        "NUM_STREAMS": streams,
        "ENABLE_CPU_PINNING": False,
    }
    try:
        # Weights that lie beside the graph are found from its path alone.
        model = core.read_model(bundle.path / MODEL) if bundle.weights else core.read_model(bundle.onnx, b"")
        return core.compile_model(model, "CPU", settings)
    except Exception as error:  # OpenVINO raises RuntimeError and its own exceptions
        reason = next((line for line in reversed(str(error).splitlines()) if line.strip()), "no reason given")
        raise BundleError(
            f"the graph of {bundle.path} cannot be loaded: {reason.strip()}",
            f"update openvino, or type without {DEVICE}",
        ) from error


def _shape(shape: Any) -> list[int | None]:
    return [int(part.get_length()) if part.is_static else None for part in shape]
