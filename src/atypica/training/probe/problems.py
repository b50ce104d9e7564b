"""Many fits on the same features at once: each with its own weights of the figures and its own penalty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Problems:
    """P fits on n rows of features.

    Attributes:
        features: (n, d).
        targets: (n, C): shares of C exclusive classes, or for C = 1 the share of yes.
        weights: (P, n); rows of weight 0 are unknown to a problem.
        penalties: (P,).
    """

    features: Tensor
    targets: Tensor
    weights: Tensor
    penalties: Tensor

    @classmethod
    def of(cls, features: NDArray[np.floating], targets: Floats, weights: Floats, penalties: Floats) -> Problems:
        """Bring arrays to the precision in which problems are solved; the weights of each sum to 1."""
        shares = weights / weights.sum(axis=1, keepdims=True)
        values = (features, targets, shares, penalties)
        return cls(*(torch.from_numpy(np.ascontiguousarray(value, dtype=np.float64)) for value in values))

    def __len__(self) -> int:
        return len(self.weights)

    def part(self, chosen: slice | Tensor) -> Problems:
        """Some of the problems."""
        return Problems(self.features, self.targets, self.weights[chosen], self.penalties[chosen])


@dataclass(frozen=True)
class Scaling:
    """What brings the rows of each problem to mean 0 and variance 1, as scikit-learn's `StandardScaler` does.

    Attributes:
        mean, scale: (P, d); a feature that does not vary has scale 1.
    """

    mean: Tensor
    scale: Tensor

    @classmethod
    def of(cls, problems: Problems) -> Scaling:
        """Of the rows that each problem knows, whatever their weight."""
        known = (problems.weights > 0).to(problems.features)
        share = known / known.sum(dim=1, keepdim=True)
        center = problems.features.mean(dim=0)
        centered = problems.features - center
        shift = share @ centered
        variance = (share @ centered.square() - shift.square()).clamp_min(0)
        scale = variance.sqrt()
        constant = scale <= 1e-10 * center.abs().clamp_min(1e-10)
        return cls(center + shift, torch.where(constant, 1.0, scale))


@dataclass(frozen=True)
class Linear:
    """Solutions on the features as they are: logits are features @ weight.T + bias.

    Attributes:
        weight: (P, C, d).
        bias: (P, C).
    """

    weight: Tensor
    bias: Tensor

    @classmethod
    def unscaled(cls, weight: Tensor, bias: Tensor, scaling: Scaling) -> Linear:
        """Fold mean and scale of standardized features into their weight (P, C, d) and bias (P, C)."""
        plain = weight / scaling.scale[:, None]
        return cls(plain, bias - (plain @ scaling.mean[:, :, None])[..., 0])

    def logits(self, features: Tensor) -> Tensor:
        """Features (n, d) -> (P, C, n)."""
        problems, classes, width = self.weight.shape
        flat = self.weight.reshape(-1, width) @ features.T
        return flat.view(problems, classes, -1) + self.bias[..., None]


def class_shares(targets: Floats) -> Floats:
    """Targets (n, C) as shares of exclusive classes: of one column, no and yes."""
    return np.concatenate([1 - targets, targets], axis=1) if targets.shape[1] == 1 else targets


def balanced_weights(targets: Floats, known: NDArray[np.bool_]) -> Floats:
    """The weight of each row, (n,), with which every class that is there weighs the same; 0 where not `known`.

    As scikit-learn's `class_weight="balanced"`: n over the number of classes times the rows of the class; a row that is
    shared between classes has the mean of their weights.
    """
    shares = np.where(known[:, None], class_shares(targets), 0.0)
    counts = shares.sum(axis=0)
    there = counts > 0
    weight = np.divide(known.sum(), there.sum() * counts, out=np.zeros_like(counts), where=there)
    return shares @ weight
