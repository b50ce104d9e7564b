"""What a trained network says of figures: logits over one or eight views."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from atypica.models.network import FigureNetwork
from atypica.training.crops import CropStore

BATCH = 128
Outputs = dict[str, NDArray[np.float32]]


@torch.inference_mode()
def predict(network: FigureNetwork, store: CropStore, rows: NDArray[np.int64], views: int = 1) -> Outputs:
    """Head name to logits (n, size), averaged over views, and `embedding` (n, width) of the first view.

    Args:
        network: in evaluation mode.
        store: the crops.
        rows: which of them.
        views: 1, or 8 for all rotations by 90 degrees and their mirror images.
    """
    network.eval()
    device = network.head.weight.device
    pieces: list[dict[str, Tensor]] = []
    for start in range(0, len(rows), BATCH):
        crops = store.plain(rows[start : start + BATCH]).to(device).contiguous(memory_format=torch.channels_last)
        pieces.append(_answer(network, crops, views))
    return {name: torch.cat([piece[name] for piece in pieces]).cpu().numpy() for name in pieces[0]}


def turned(crops: Tensor, view: int) -> Tensor:
    """One of the eight views of a batch (n, c, s, s): turned by `view` quarters, from the fifth on mirrored before."""
    return torch.rot90(crops.flip(3) if view >= 4 else crops, view % 4, (2, 3))


def _answer(network: FigureNetwork, crops: Tensor, views: int) -> dict[str, Tensor]:
    first: Tensor | None = None
    total: dict[str, Tensor] = {}
    for view in range(views):
        answers, embedding = network.answer(turned(crops, view))
        first = embedding if first is None else first
        for name, logits in answers.items():
            total[name] = total[name] + logits if name in total else logits
    assert first is not None
    return {**{name: logits / views for name, logits in total.items()}, "embedding": first}
