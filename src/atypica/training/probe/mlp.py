"""A probe with a hidden layer: many small networks trained side by side, all figures at every step."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from atypica.training.probe.heads import HiddenProbe, LinearProbe
from atypica.training.probe.problems import Problems, Scaling

STEPS = 200
LR = 3e-3
"""Of Adam, falling to 0 with half a cosine."""
_LARGEST_BLOCK = 4e7


def solve_mlp(problems: Problems, hidden: int, seed: int, steps: int = STEPS) -> list[HiddenProbe]:
    """Train the networks of all problems; each minimizes what a logistic regression does, behind a hidden layer.

    Args:
        problems: the penalty is on the weights of both layers.
        hidden: width of the layer.
        seed: of the first weights, the same in every problem.
        steps: of Adam.
    """
    rows, width = problems.features.shape
    block = max(1, int(_LARGEST_BLOCK / (hidden * (2 * rows + 4 * width))))
    starts = range(0, len(problems), block)
    return [
        probe for start in starts for probe in _train(problems.part(slice(start, start + block)), hidden, seed, steps)
    ]


def _train(problems: Problems, hidden: int, seed: int, steps: int) -> list[HiddenProbe]:
    center = problems.features.mean(dim=0)  # so that float32 keeps what differs
    features, targets = (problems.features - center).float(), problems.targets.T.float()
    scaling = Scaling.of(problems)
    mean, scale = (scaling.mean - center).float(), scaling.scale.float()
    count, (rows, width), classes = len(problems), features.shape, len(targets)
    generator = Generator().manual_seed(seed)
    parts = [
        _drawn((count, hidden, width), math.sqrt(2 / width), generator),
        torch.zeros(count, hidden, requires_grad=True),
        _drawn((count, classes, hidden), math.sqrt(1 / hidden), generator),
        torch.zeros(count, classes, requires_grad=True),
    ]
    optimizer = torch.optim.Adam(parts, lr=LR)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    weights, penalties = problems.weights.float()[:, None], problems.penalties.float()

    def plain() -> tuple[Tensor, Tensor]:
        weight = parts[0] / scale[:, None]
        return weight, parts[1] - (weight @ mean[:, :, None])[..., 0]

    for _ in range(steps):
        weight, bias = plain()
        inner = (weight.view(-1, width) @ features.T).view(count, hidden, rows) + bias[..., None]
        logits = torch.baddbmm(parts[3][..., None], parts[2], inner.relu())
        norms = parts[0].square().sum(dim=(1, 2)) + parts[2].square().sum(dim=(1, 2))
        loss = (weights * _losses(logits, targets)).sum() + (penalties / 2 * norms).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        weight, bias = (part.double() for part in plain())
        bias = bias - weight @ center
        outer = [part.detach().double().numpy() for part in parts[2:]]
    layers = zip(weight.numpy(), bias.numpy(), *outer, strict=True)
    return [HiddenProbe(LinearProbe(w, b), LinearProbe(v, c)) for w, b, v, c in layers]


def _drawn(shape: tuple[int, int, int], deviation: float, generator: Generator) -> Tensor:
    one = deviation * torch.randn(shape[1:], generator=generator)
    return one.expand(shape).clone().requires_grad_()


def _losses(logits: Tensor, targets: Tensor) -> Tensor:
    """(P, C, n), (C, n) -> (P, 1, n)."""
    if len(targets) == 1:
        return F.softplus(logits) - targets * logits
    return logits.logsumexp(dim=1, keepdim=True) - (targets * logits).sum(dim=1, keepdim=True)
