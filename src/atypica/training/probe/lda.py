"""Linear discriminant analysis: Gaussians with one covariance; its discriminant is linear, a head like any other.

Classes are equally likely beforehand. The covariance within classes, each class counting the same, is shrunk towards a
multiple of the identity, (1 - s) S + s tr(S) / d I, on features of mean 0 and variance 1 (Ledoit and Wolf's form;
scikit-learn's `LinearDiscriminantAnalysis(solver="lsqr", shrinkage=s, priors=[1/C, ...])`).
"""

from __future__ import annotations

import torch
from torch import Tensor

from atypica.training.probe.problems import Linear, Problems, Scaling

_LEAST_VARIANCE = 1e-9
NEVER = -30.0
"""The bias of a class that no row teaches."""


def solve_lda(problems: Problems) -> Linear:
    """Solve all problems; their penalties are shrinkages in 0..1.

    Neighboring problems of the same rows share one decomposition.
    """
    scaling = Scaling.of(problems)
    weight: list[Tensor] = []
    bias: list[Tensor] = []
    kept: _Classes | None = None
    for index in range(len(problems)):
        same = index > 0 and torch.equal(problems.weights[index], problems.weights[index - 1])
        if kept is None or not same:
            features = (problems.features - scaling.mean[index]) / scaling.scale[index]
            kept = _Classes(features, problems.targets, problems.weights[index])
        solution = kept.discriminant(float(problems.penalties[index]))
        weight.append(solution[0])
        bias.append(solution[1])
    return Linear.unscaled(torch.stack(weight), torch.stack(bias), scaling)


class _Classes:
    """Means of classes, and the axes of the covariance within them."""

    def __init__(self, features: Tensor, targets: Tensor, weights: Tensor) -> None:
        single = targets.shape[1] == 1
        shares = (weights > 0)[:, None] * (torch.cat([1 - targets, targets], dim=1) if single else targets)
        counts = shares.sum(dim=0)
        self._single, self._there = single, counts > 0
        shares = shares / counts.clamp_min(1e-12)
        self._means = shares.T @ features
        # E[x x] - m m, both over rows whose classes count the same.
        equal = shares.sum(dim=1) / self._there.sum()
        known = equal > 0
        rows = features[known] * equal[known].sqrt()[:, None]
        means = self._means[self._there]
        covariance = rows.T @ rows - means.T @ means / len(means)
        variances, self._axes = torch.linalg.eigh(covariance)
        self._variances = variances.clamp_min(0)

    def discriminant(self, shrinkage: float) -> tuple[Tensor, Tensor]:
        """Weight (C, d) and bias (C,)."""
        mean = self._variances.mean()
        shrunk = ((1 - shrinkage) * self._variances + shrinkage * mean).clamp_min(_LEAST_VARIANCE)
        weight = (self._means @ self._axes / shrunk) @ self._axes.T
        bias = -(weight * self._means).sum(dim=1) / 2
        bias = torch.where(self._there, bias, NEVER)
        if self._single:
            return weight[1:] - weight[:1], bias[1:] - bias[:1]
        return weight, bias
