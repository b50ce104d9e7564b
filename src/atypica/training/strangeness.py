"""How unlike the training figures an embedding is: a Mahalanobis distance in the main directions plus the rest.

After Lee et al., NeurIPS 2018 (one Gaussian here, not one a class) and the residual of Wang et al., CVPR 2022.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DIRECTIONS = 64


@dataclass(frozen=True)
class StrangenessModel:
    """The Gaussian of the training embeddings.

    Attributes:
        mean: (width,).
        whiten: (width, directions): to the main directions, each with variance 1.
        basis: (width, directions): orthonormal.
        residual: root mean square length of what the main directions leave.
    """

    mean: NDArray[np.float32]
    whiten: NDArray[np.float32]
    basis: NDArray[np.float32]
    residual: float

    @classmethod
    def fit(cls, embeddings: NDArray[np.float32], directions: int = DIRECTIONS) -> StrangenessModel:
        """Fit to embeddings (n, width); of few figures at most a quarter as many directions are used."""
        mean = embeddings.mean(axis=0)
        centered = embeddings - mean
        directions = max(1, min(directions, len(embeddings) // 4, embeddings.shape[1]))
        _, scales, axes = np.linalg.svd(centered, full_matrices=False)
        basis = axes[:directions].T
        deviation = scales[:directions] / np.sqrt(len(embeddings) - 1)
        left = centered - centered @ basis @ basis.T
        residual = float(np.sqrt((left**2).sum(axis=1).mean()))
        return cls(mean, basis / np.maximum(deviation, 1e-6), basis, max(residual, 1e-6))

    def distance(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Distances (n,), near 1 for the training figures."""
        centered = embeddings - self.mean
        main = ((centered @ self.whiten) ** 2).mean(axis=1)
        left = (centered**2).sum(axis=1) - ((centered @ self.basis) ** 2).sum(axis=1)
        return np.sqrt((main + np.maximum(left, 0) / self.residual**2) / 2).astype(np.float32)


def held_out_distances(
    embeddings: NDArray[np.float32], folds: NDArray[np.int64], directions: int = DIRECTIONS
) -> NDArray[np.float32]:
    """The distance of every figure from a Gaussian fitted without its fold, (n,)."""
    distances = np.empty(len(embeddings), dtype=np.float32)
    for fold in np.unique(folds):
        inside = folds == fold
        distances[inside] = StrangenessModel.fit(embeddings[~inside], directions).distance(embeddings[inside])
    return distances


def quantiles(distances: NDArray[np.float32]) -> list[float]:
    """The 101 quantiles that the card keeps."""
    return [round(float(value), 6) for value in np.quantile(distances, np.linspace(0, 1, 101))]
