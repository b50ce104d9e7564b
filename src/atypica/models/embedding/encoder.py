"""A frozen network that turns crops into vectors, and a name for all that its vectors depend on."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from atypica.inference.card import Geometry
from atypica.inference.stain import StainReference
from atypica.models.layout import Pooling
from atypica.models.network import FigureNetwork, build_network

Precision = Literal["float32", "bfloat16", "float16"]
CROP_UM = 32.0
"""Side of the usual crop: 128 px at 0.25 um/px."""
DEFAULT_PX = 224
CPU_BATCH, GPU_BATCH = 8, 64
"""On a CPU every core has a batch of its own, which should stay in its cache."""
_HEADS = ("shared.", "head.", "specialists.")
"""Parts of a network that come after the embedding."""
_TRAITS = ("global_pool", "num_prefix_tokens", "pool_include_prefix", "share", "output_fmt")
"""What a backbone computes by and neither its modules nor its tensors show."""


@dataclass(frozen=True)
class Encoder:
    """A network whose embedding is taken as it is: backbone, normalization, pooling.

    Attributes:
        network: put into evaluation mode; its heads are not used, so a probe can be solved on the vectors and put
            into the same network.
        geometry: what the network is shown of a figure.
        name: of the backbone.
        stain_normalization: the colors to bring every crop to; None leaves them.
        batch: crops a pass; what suits the device if None.
        precision: of the arithmetic; below float32 by autocast, which pays on GPUs.
    """

    network: FigureNetwork
    geometry: Geometry
    name: str
    stain_normalization: StainReference | None = None
    batch: int | None = None
    precision: Precision = "float32"
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.network.eval().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    @property
    def width(self) -> int:
        """Numbers a vector."""
        return self.network.width

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.network.head.weight.device

    @property
    def batch_size(self) -> int:
        """Crops a pass."""
        return self.batch or (CPU_BATCH if self.device.type == "cpu" else GPU_BATCH)

    @torch.inference_mode()
    def encode(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Crops as the network is shown them, (N, S, S, 3) RGB -> vectors (N, width).

        May be called from several threads; those of a GPU take turns.
        """
        batches = torch.from_numpy(crops).split(self.batch_size)
        with nullcontext() if self.device.type == "cpu" else self._turn:
            return torch.cat([self._encode(batch) for batch in batches]).numpy()

    @contextmanager
    def a_core_a_thread(self) -> Generator[None]:
        """Lets threads that encode on a CPU have one core each, for the length of the block."""
        before = torch.get_num_threads()
        if self.device.type == "cpu":
            torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def _encode(self, crops: Tensor) -> Tensor:
        shown = crops.to(self.device).permute(0, 3, 1, 2).float() / 255
        with torch.autocast(self.device.type, getattr(torch, self.precision), enabled=self.precision != "float32"):
            vectors = self.network.embed(self.network.features(shown))
        return vectors.float().cpu()

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256, in hexadecimal, of all that a vector depends on beside the pixels: weights, construction,
        normalization, pooling, precision."""
        network = self.network
        traits = {name: str(getattr(network.backbone, name, None)) for name in _TRAITS}
        said = (repr(network.backbone), traits, network.pooling, network.hed, self.precision)
        digest = hashlib.sha256(repr(said).encode())
        for name, tensor in network.state_dict().items():
            if not name.startswith(_HEADS):
                digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
                digest.update(_bytes(tensor).data)
        return digest.hexdigest()


def _bytes(tensor: Tensor) -> NDArray[np.uint8]:
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()


def load_encoder(
    backbone: str,
    weights: str,
    *,
    field_um: float = CROP_UM,
    size_px: int | None = None,
    pooling: Pooling = "own",
    stain_normalization: StainReference | None = None,
    device: str = "cpu",
    batch: int | None = None,
    precision: Precision = "float32",
) -> Encoder:
    """Load a frozen encoder.

    Args:
        backbone: a card's name, or timm's.
        weights: as in `create_backbone`.
        field_um: side of what is shown around a figure.
        size_px: side of the crops that the network is given; that of its training if None.
        pooling: the backbone's own, or the average of its map.
        stain_normalization: the colors to bring every crop to; None leaves them.
        device: PyTorch's name of it.
        batch: crops a pass; what suits the device if None.
        precision: of the arithmetic.

    Raises:
        SettingsError: no such network, or its weights are not to be had or do not fit.
    """
    network = build_network(backbone, weights, {"amf": 1}, pooling=pooling, size_px=size_px).to(device)
    side = size_px or trained_size(network.backbone)
    return Encoder(network, Geometry(field_um=field_um, size_px=side), backbone, stain_normalization, batch, precision)


def trained_size(backbone: nn.Module) -> int:
    """The side, in pixels, of the images that a timm backbone was trained with."""
    config: dict[str, Any] = getattr(backbone, "pretrained_cfg", {})
    return int(config.get("input_size", (3, DEFAULT_PX, DEFAULT_PX))[-1])
