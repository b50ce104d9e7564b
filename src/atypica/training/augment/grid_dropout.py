"""Grid dropout: a lattice of squares blanked out, so that no single place decides."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

CELLS = 10
"""Cells of the grid along a side, as in Albumentations."""


def drop_grid(crops: Tensor, share: float, generator: Generator) -> Tensor:
    """Fill a square of each cell with the crop's mean color; the grid lies anywhere (Chen et al., GridMask, 2020).

    Args:
        crops: (n, 3, S, S).
        share: side of the square over that of its cell.
        generator: of the grid's place.
    """
    start = torch.rand(2, len(crops), 1, generator=generator)
    places = torch.arange(crops.shape[-1]) * (CELLS / crops.shape[-1])
    rows, columns = (places + start) % 1 < share
    holes = (rows[:, :, None] & columns[:, None, :])[:, None].to(crops.device)
    return torch.where(holes, crops.mean((2, 3), keepdim=True), crops)
