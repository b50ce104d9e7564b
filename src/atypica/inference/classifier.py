"""What types a batch of crops: the Protocol, and its ONNX Runtime implementation (`engines` has the other ones)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from atypica.core.errors import BundleError, SettingsError
from atypica.inference.bundle import WEIGHTS_FOLDER, Bundle
from atypica.inference.card import Card

if TYPE_CHECKING:
    import onnxruntime

Outputs = dict[str, NDArray[np.float32]]
"""Output name to its values, the first axis being the crops."""
Providers = list[str | tuple[str, dict[str, int]]]
INPUT = "crops"
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
DEVICE = "ATYPICA_DEVICE"
"""The setting that chooses one of `DEVICES`; the first where it is not set."""
DEVICES = ("cpu", "cuda", "openvino", "openvino-bf16")
ALWAYS = ("amf", "cam", "embedding")
"""The outputs that every bundle's graph has; the card's heads name the others, `distance` comes with `strangeness`."""


class Classifier(Protocol):
    """Types crops that are already at the model's field of view."""

    @property
    def card(self) -> Card:
        """The model's card."""
        ...

    @property
    def engine(self) -> str:
        """What it runs on, in words."""
        ...

    def forward(self, crops: NDArray[np.uint8], names: Sequence[str] | None = None) -> Outputs:
        """Raw outputs of the network (logits are not calibrated).

        Args:
            crops: (N, S, S, 3) RGB with S = `card.geometry.size_px`.
            names: which outputs; None for all.
        """
        ...


class OnnxClassifier:
    """A bundle's graph in ONNX Runtime. `forward` may be called from several threads at once.

    It runs on the CPU, or with the device `cuda` on a GPU where ONNX Runtime finds one (see `providers`).

    One call of `forward` uses one thread: with as many callers as cores, that is the most figures a second.

    Args:
        bundle: a verified bundle.
        device: `cpu` or `cuda`; what ATYPICA_DEVICE says if None.

    Raises:
        BundleError: the graph cannot be loaded, or is not one of this format.
        SettingsError: the device is none that this ONNX Runtime has.
    """

    def __init__(self, bundle: Bundle, device: str | None = None) -> None:
        self.card = bundle.card
        self._session = _session(bundle, os.environ.get(DEVICE, "") if device is None else device)
        self.providers = tuple(self._session.get_providers())
        self.names = tuple(output.name for output in self._session.get_outputs())
        check_graph(bundle, {part.name: list(part.shape) for part in self._session.get_inputs()}, self.names)

    @property
    def engine(self) -> str:
        """See `Classifier.engine`."""
        import onnxruntime

        return f"ONNX Runtime {onnxruntime.__version__}, {self.providers[0]}"

    def forward(self, crops: NDArray[np.uint8], names: Sequence[str] | None = None) -> Outputs:
        """See `Classifier.forward`."""
        wanted = list(names or self.names)
        values = cast("list[NDArray[np.float32]]", self._session.run(wanted, {INPUT: crops}))
        return dict(zip(wanted, values, strict=True))


def _session(bundle: Bundle, device: str) -> onnxruntime.InferenceSession:
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # where it was imported before atypica
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if bundle.weights:
        options.add_session_config_entry(WEIGHTS_FOLDER, str(bundle.weights.parent.absolute()))
    providers = wanted_providers(device, onnxruntime.get_available_providers())
    try:
        return onnxruntime.InferenceSession(bundle.onnx, options, providers=providers)
    except Exception as error:  # ONNX Runtime's own exceptions share no base
        reason = str(error).splitlines()[0]
        raise BundleError(
            f"the graph of {bundle.path} cannot be loaded: {reason}", "update onnxruntime, or get the bundle again"
        ) from error


def wanted_providers(device: str, available: Sequence[str]) -> Providers:
    """ONNX Runtime's providers for a device, the first choice first. TF32 is off: a GPU is to answer as a CPU does.

    Raises:
        SettingsError: no such device, or CUDA without an ONNX Runtime that has it.
    """
    match device.lower():
        case "" | "cpu":
            return [CPU]
        case "cuda" if CUDA in available:
            return [(CUDA, {"use_tf32": 0}), CPU]
        case "cuda":
            raise SettingsError(f"{DEVICE} is cuda, but this ONNX Runtime has no CUDA", "install onnxruntime-gpu")
        case _:
            raise SettingsError(f"{DEVICE} is '{device}'", f"set it to one of {', '.join(DEVICES)}")


def check_graph(bundle: Bundle, inputs: Mapping[str, Sequence[object]], names: Sequence[str]) -> None:
    """Whether a graph is one of this format.

    Args:
        bundle: what it is of.
        inputs: name of each input to its shape, of any types that compare with numbers.
        names: of the outputs.

    Raises:
        BundleError: it is not.
    """
    wanted = [*ALWAYS, *bundle.card.heads, *(["distance"] if bundle.card.strangeness else [])]
    lacking = [name for name in wanted if name not in names]
    if lacking:
        raise BundleError(
            f"the graph of {bundle.path} lacks the outputs {', '.join(lacking)}", "export the model again"
        )
    size = bundle.card.geometry.size_px
    if list(inputs) != [INPUT] or list(inputs[INPUT])[1:] != [size, size, 3]:
        raise BundleError(
            f"the graph of {bundle.path} does not take '{INPUT}' of (N, {size}, {size}, 3)", "export the model again"
        )
