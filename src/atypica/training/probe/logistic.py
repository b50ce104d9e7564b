"""Logistic regression solved to convergence: many problems in one batch of matrix products.

Each problem is, on features of mean 0 and variance 1, the least of

    sum_i w_i loss(y_i, W x_i + b) + penalty / 2 |W|^2,  with sum_i w_i = 1

with the log loss of a sigmoid (one class) or of a softmax; the intercept b is not penalized. scikit-learn's `C` is
1 / (penalty * sum of its sample weights). It is convex and solved by L-BFGS (Nocedal and Wright, chapter 7), whose
first metric is the inverse of correlation plus penalty, so that dozens of steps do.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from atypica.training.probe.problems import Linear, Problems, Scaling

TOLERANCE = 1e-6
"""Of the next step, over the largest coefficient: what is left to go."""
STEPS = 1000
_MEMORY = 12
_CURVATURE = 0.15
"""Typical p (1 - p): the Hessian is about that times the correlation."""
_NO_VARIANCE = 1e-12
_STILL_GOING = 0.75
"""Share of the problems."""
_LARGEST_BLOCK = 6e7
"""Numbers that are held at once; more problems are solved one block after another."""


def solve_logistic(problems: Problems, tolerance: float = TOLERANCE, steps: int = STEPS) -> Linear:
    """Solve all problems.

    Args:
        problems: see the module; their weights sum to 1, their penalties are above 0.
        tolerance: when a problem is solved.
        steps: after which the solution is taken as it is.
    """
    rows, width = problems.features.shape
    metric = _Metric.of(problems.features)
    of_one = problems.targets.shape[1] * (4 * rows + (2 * _MEMORY + 6) * width)
    block = max(1, int(_LARGEST_BLOCK / of_one))
    found = [
        _solve(problems.part(slice(start, start + block)), metric, tolerance, steps)
        for start in range(0, len(problems), block)
    ]
    return Linear(torch.cat([part.weight for part in found]), torch.cat([part.bias for part in found]))


@dataclass(frozen=True)
class _Metric:
    """The directions in which features vary, by correlation: it decides how fast a problem is solved, not to what.

    Of fewer rows than features there are as many as rows, which is all that has to be gone through.
    """

    axes: Tensor
    variances: Tensor

    @classmethod
    def of(cls, features: Tensor) -> _Metric:
        centered = features - features.mean(dim=0)
        scale = centered.square().mean(dim=0).sqrt()
        scaled = centered / torch.where(scale > 0, scale, 1.0)
        variances, axes = torch.linalg.eigh(scaled.T @ scaled / len(features))
        there = variances > _NO_VARIANCE * variances.amax()
        return cls(axes[:, there], variances[there])

    def apply(self, gradient: Tensor, penalties: Tensor) -> Tensor:
        """(P, C, d + 1) -> the same; the last column is the intercept's."""
        flat = penalties[:, None, None]
        more = 1 / (_CURVATURE * self.variances + flat) - 1 / flat
        weights = gradient[..., :-1]
        moved = weights / flat + (weights @ self.axes * more) @ self.axes.T
        return torch.cat([moved, gradient[..., -1:] / _CURVATURE], dim=-1)


class _Objective:
    """Losses and gradients of all problems, parameters (P, C, d + 1) on standardized features."""

    def __init__(self, problems: Problems, scaling: Scaling) -> None:
        self._problems = problems
        self._scaling = scaling
        self._targets = problems.targets.T
        self._weights = problems.weights[:, None]

    def part(self, kept: Tensor) -> _Objective:
        """That of some of the problems."""
        scaling = Scaling(self._scaling.mean[kept], self._scaling.scale[kept])
        return _Objective(self._problems.part(kept), scaling)

    @property
    def penalties(self) -> Tensor:
        """(P,)."""
        return self._problems.penalties

    def unscaled(self, values: Tensor) -> Linear:
        return Linear.unscaled(values[..., :-1], values[..., -1], self._scaling)

    def logits(self, values: Tensor) -> Tensor:
        """(P, C, d + 1) -> (P, C, n); linear."""
        return self.unscaled(values).logits(self._problems.features)

    def losses(self, logits: Tensor, values: Tensor) -> Tensor:
        """(P,)."""
        if logits.shape[1] == 1:
            each = F.softplus(logits) - self._targets * logits
        else:
            each = logits.logsumexp(dim=1, keepdim=True) - (self._targets * logits).sum(dim=1, keepdim=True)
        norms = values[..., :-1].square().sum(dim=(1, 2))
        return (self._weights * each).sum(dim=(1, 2)) + self._problems.penalties / 2 * norms

    def gradient(self, logits: Tensor, values: Tensor) -> Tensor:
        """(P, C, d + 1)."""
        said = logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(dim=1)
        wrong = self._weights * (said - self._targets)
        total = wrong.sum(dim=2, keepdim=True)
        plain = (wrong.flatten(0, 1) @ self._problems.features).view(*total.shape[:2], -1)
        scaled = (plain - self._scaling.mean[:, None] * total) / self._scaling.scale[:, None]
        scaled = scaled + self._problems.penalties[:, None, None] * values[..., :-1]
        return torch.cat([scaled, total], dim=-1)


def _solve(problems: Problems, metric: _Metric, tolerance: float, steps: int) -> Linear:
    whole = objective = _Objective(problems, Scaling.of(problems))
    shape = (len(problems), problems.targets.shape[1], problems.features.shape[1] + 1)
    solution = problems.features.new_zeros(shape)
    open_ = torch.arange(len(problems))
    values, logits = solution.clone(), objective.logits(solution)
    loss, gradient = objective.losses(logits, values), objective.gradient(logits, values)
    memory: list[tuple[Tensor, Tensor]] = []
    for _ in range(steps):
        direction = -_two_loops(gradient, memory, metric, objective.penalties)
        left = direction.abs().amax(dim=(1, 2)) / values.abs().amax(dim=(1, 2)).clamp_min(1.0)
        going = left >= tolerance
        if going.float().mean() <= _STILL_GOING:  # the others are finished; a batch of fewer problems is quicker
            solution[open_[~going]] = values[~going]
            open_, objective = open_[going], objective.part(going)
            if not len(open_):
                return whole.unscaled(solution)
            values, logits, loss = values[going], logits[going], loss[going]
            gradient, direction = gradient[going], direction[going]
            memory = [(step[going], change[going]) for step, change in memory]
        along = objective.logits(direction)
        length = _lengths(objective, values, logits, loss, direction, along, gradient)
        step = length[:, None, None] * direction
        values, logits = values + step, logits + length[:, None, None] * along
        before, loss, gradient = gradient, objective.losses(logits, values), objective.gradient(logits, values)
        memory = [*memory[-_MEMORY + 1 :], (step, gradient - before)]
        if not bool(length.any()):  # rounding is all that is left
            break
    solution[open_] = values
    return whole.unscaled(solution)


def _lengths(
    objective: _Objective, values: Tensor, logits: Tensor, loss: Tensor, direction: Tensor, along: Tensor, slope: Tensor
) -> Tensor:
    """Halved from 1 until the loss falls enough (Armijo), each problem by itself, (P,); 0 where it falls no more."""
    length, wanted = torch.ones_like(loss), 1e-4 * _dot(slope, direction)
    fails = torch.ones_like(loss, dtype=torch.bool)
    for _ in range(30):
        taken = length[:, None, None]
        rounding = 1e-14 * loss.abs()
        fails = objective.losses(logits + taken * along, values + taken * direction) > (
            loss + length * wanted + rounding
        )
        if not bool(fails.any()):
            return length
        length = torch.where(fails, length / 2, length)
    return torch.where(fails, 0.0, length)


def _two_loops(gradient: Tensor, memory: list[tuple[Tensor, Tensor]], metric: _Metric, penalties: Tensor) -> Tensor:
    """The inverse Hessian that the last steps and changes of the gradient tell of, times the gradient."""
    result, kept = gradient, list[tuple[Tensor, Tensor, Tensor, Tensor]]()
    for step, change in reversed(memory):
        curved = _dot(step, change)
        inverse = torch.where(curved > 0, 1 / curved.clamp_min(1e-300), 0.0)  # nothing is learned from no step
        share = inverse * _dot(step, result)
        result = result - share[:, None, None] * change
        kept.append((step, change, inverse, share))
    result = metric.apply(result, penalties)
    for step, change, inverse, share in reversed(kept):
        result = result + (share - inverse * _dot(change, result))[:, None, None] * step
    return result


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).sum(dim=(1, 2))
