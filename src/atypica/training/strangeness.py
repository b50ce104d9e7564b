"""How unlike the training figures a crop is: a Mahalanobis distance in the main directions plus the rest.

Measured on what the last stages of the backbone see (`FigureNetwork.features_and_statistics`), for the layer behind
them is taught to be blind to blur and noise. After Lee et al., NeurIPS 2018 (one Gaussian of several stages, not one a
stage and class) and the residual of Wang et al., CVPR 2022.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from atypica.core.errors import TrainingError
from atypica.models.network import FigureNetwork
from atypica.training.crops import CropStore
from atypica.training.predict import BATCH

DIRECTIONS = 64
LEAST_DEVIATION = 0.01
"""Of a statistic, as a share of the median one."""
LEAST_RESIDUAL = 1e-4
"""Of the scaled statistics' variance: below it is rounding."""


@dataclass(frozen=True)
class StrangenessModel:
    """The Gaussian of the training figures' statistics.

    Attributes:
        mean: (width,).
        scale: (width,): one over the standard deviation of each statistic.
        basis: (width, directions): orthonormal, of the statistics so scaled.
        weight: (directions,): one over the variance along each direction.
        residual: mean square length of what the directions leave.
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    basis: NDArray[np.float32]
    weight: NDArray[np.float32]
    residual: float

    @classmethod
    def fit(cls, statistics: NDArray[np.float32], directions: int = DIRECTIONS) -> StrangenessModel:
        """Fit to statistics (n, width); of few figures at most a quarter as many directions are used.

        Raises:
            TrainingError: fewer than two figures, of which there is no spread.
        """
        if len(statistics) < 2:
            raise TrainingError(
                f"the strangeness of figures cannot be learned from {len(statistics)} of them", "train on more figures"
            )
        mean = statistics.mean(axis=0)
        deviation = statistics.std(axis=0)
        # A channel that hardly ever stirs is not stretched without bound.
        scale = 1 / np.maximum(deviation, LEAST_DEVIATION * max(float(np.median(deviation)), 1e-6))
        scaled = (statistics - mean) * scale
        directions = max(1, min(directions, len(statistics) // 4, statistics.shape[1]))
        _, lengths, axes = np.linalg.svd(scaled, full_matrices=False)
        variance = lengths[:directions] ** 2 / (len(statistics) - 1)
        weight = (1 / np.maximum(variance, 1e-6)).astype(np.float32)
        basis = axes[:directions].T
        left = float(((scaled**2).sum(axis=1) - ((scaled @ basis) ** 2).sum(axis=1)).mean())
        return cls(mean, scale, basis, weight, max(left, LEAST_RESIDUAL * len(mean)))

    def distance(self, statistics: NDArray[np.float32]) -> NDArray[np.float32]:
        """Distances (n,), near 1 for the training figures."""
        scaled = (statistics - self.mean) * self.scale
        along = (scaled @ self.basis) ** 2
        left = np.maximum((scaled**2).sum(axis=1) - along.sum(axis=1), 0) / self.residual
        return np.sqrt(((along * self.weight).mean(axis=1) + left) / 2).astype(np.float32)


@torch.inference_mode()
def measure(network: FigureNetwork, store: CropStore) -> NDArray[np.float32]:
    """The statistics of every crop of a store, one view, (n, D); the network in evaluation mode."""
    device, pieces = network.head.weight.device, list[torch.Tensor]()
    for rows in torch.arange(len(store)).split(BATCH):
        crops = store.plain(rows).to(device).contiguous(memory_format=torch.channels_last)
        pieces.append(network.features_and_statistics(crops)[1])
    return torch.cat(pieces).cpu().numpy()


def held_out_distances(
    statistics: NDArray[np.float32], folds: NDArray[np.int64], directions: int = DIRECTIONS
) -> NDArray[np.float32]:
    """The distance of every figure that is held out from a Gaussian fitted without its fold, (held out,).

    Args:
        statistics: of all figures, (n, D).
        folds: (n,); -1 for figures that are never held out.
        directions: see `StrangenessModel.fit`.
    """
    distances = np.empty(len(statistics), dtype=np.float32)
    for fold in np.unique(folds[folds >= 0]):
        inside = folds == fold
        distances[inside] = StrangenessModel.fit(statistics[~inside], directions).distance(statistics[inside])
    return distances[folds >= 0]


def quantiles(distances: NDArray[np.float32]) -> list[float]:
    """The 101 quantiles that the card keeps."""
    return [round(float(value), 6) for value in np.quantile(distances, np.linspace(0, 1, 101))]
