"""All crops of a training in memory, as one tensor of bytes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from atypica.core.errors import FigureError, SourceError
from atypica.core.progress import track
from atypica.data.figures import Figures
from atypica.inference.card import Geometry
from atypica.inference.crops import FileCrops
from atypica.inference.preprocess import preprocess, resample
from atypica.inference.resolution import Resolution
from atypica.inference.stain import StainReference

MARGIN = 1.6
"""Side of what is kept over the side of the field of view: room to rotate, shift and zoom out."""
KEPT_MPP = 0.25


def kept_geometry(seen: Geometry) -> Geometry:
    """The field to keep for a field of view: an even number of pixels, so that crops of `KEPT_MPP` are cut as they are.

    >>> kept_geometry(Geometry(field_um=16, size_px=128))
    Geometry(field_um=26.0, size_px=104)
    """
    pairs = math.ceil(seen.field_um * MARGIN / KEPT_MPP / 2)
    return Geometry(field_um=2 * pairs * KEPT_MPP, size_px=2 * pairs)


@dataclass(frozen=True)
class CropStore:
    """Crops at one resolution, larger than the field of view.

    Attributes:
        pixels: (figures, 3, side, side) bytes.
        kept: the field that `pixels` cover.
        seen: the field that the network sees.
    """

    pixels: Tensor
    kept: Geometry
    seen: Geometry

    @classmethod
    def load(cls, figures: Figures, seen: Geometry, stain: StainReference | None = None) -> CropStore:
        """Read every figure of a table; 40 KB a figure at 128 px.

        Args:
            figures: the table.
            seen: the field that the network sees.
            stain: the colors to bring every crop to, as at inference; None leaves them.

        Raises:
            SourceError: figures that cannot be read; training never drops one in silence.
        """
        kept = kept_geometry(seen)
        pixels = np.empty((len(figures), kept.size_px, kept.size_px, 3), dtype=np.uint8)
        failed: list[str] = []
        files, resolution = FileCrops(figures), Resolution(figures, None)
        for row in track(range(len(figures)), "reading crops", len(figures)):
            try:
                crop = files.read(row)
                pixels[row] = preprocess(crop.pixels, resolution.of(row, crop.mpp)[0], kept, stain)
            except FigureError as error:
                failed.append(f"{figures.table['image'][row]}: {error.message}")
        files.close()
        if failed:
            raise SourceError(
                f"{len(failed)} of {len(figures)} training figures cannot be read, first: {failed[0]}",
                "mend or remove them (atypica data audit lists all)",
            )
        return cls(torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))), kept, seen)

    def __len__(self) -> int:
        return len(self.pixels)

    def plain(self, rows: Tensor | NDArray[np.int64]) -> Tensor:
        """What the network sees without augmentation, resampled as at inference: RGB in 0..1, (n, 3, S, S)."""
        chosen = self.pixels[torch.as_tensor(rows)].permute(0, 2, 3, 1).numpy()
        seen = np.stack([resample(crop, self.kept.mpp, self.seen) for crop in chosen])
        return torch.from_numpy(seen).permute(0, 3, 1, 2).contiguous().float() / 255
