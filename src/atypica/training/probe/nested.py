"""Which penalty: chosen within the training figures of each fold, the held-out ones never looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_softmax

from atypica.training.probe.heads import LinearProbe, Neighbors, Probe, unit
from atypica.training.probe.lda import solve_lda
from atypica.training.probe.logistic import solve_logistic
from atypica.training.probe.mlp import solve_mlp
from atypica.training.probe.problems import Floats, Linear, Problems, balanced_weights, class_shares
from atypica.training.settings.probe import ProbeKind

Mask = NDArray[np.bool_]
Solve = Callable[[NDArray[np.floating], Floats, Floats, Sequence[float]], list[list[Probe]]]
"""Of features (n, d), targets (n, C), weights (M, n) and G candidates: probes [M][G]."""


@dataclass(frozen=True)
class Chosen:
    """The probe of a fold.

    Attributes:
        probe: solved on all its training rows.
        penalty: the candidate that was chosen.
        losses: candidate to the mean of its loss on the inner folds.
    """

    probe: Probe
    penalty: float
    losses: dict[float, float]


@dataclass(frozen=True)
class Fold:
    """What a fold may look at.

    Attributes:
        trained: its training rows, (n,).
        inner: parts of them, each left out in turn to choose by, (n,) each.
    """

    trained: Mask
    inner: Sequence[Mask]


def solve_folds(
    features: NDArray[np.float32], targets: Floats, folds: Sequence[Fold], grid: Sequence[float], solve: Solve
) -> list[Chosen]:
    """Solve every fold, inner fold and candidate in one pass, and keep of each fold the candidate with the least loss.

    The loss is the log loss with classes weighing the same: what is minimized is what chooses. With tens of AMF in an
    inner fold it is far steadier than balanced accuracy, which moves in jumps, and it holds for eight classes as well.

    Args:
        features: (rows, views, d); all views train, the first one is judged.
        targets: (rows, C); NaN rows teach and judge nothing.
        folds: see there.
        grid: the candidates.
        solve: of the kind.
    """
    known: Mask = np.asarray(~np.isnan(targets).any(axis=1), dtype=bool)
    filled = np.where(known[:, None], targets, 0.0)
    masks = [mask for fold in folds for mask in (fold.trained, *(fold.trained & ~part for part in fold.inner))]
    weights = np.stack([balanced_weights(filled, mask & known) for mask in masks])
    views = features.shape[1]
    flat = features.reshape(-1, features.shape[2])
    solved = solve(flat, np.repeat(filled, views, axis=0), np.repeat(weights, views, axis=1), grid)
    found: list[Chosen] = []
    place = 0
    for fold in folds:
        whole, inner = solved[place], solved[place + 1 : place + 1 + len(fold.inner)]
        place += 1 + len(fold.inner)
        found.append(_choose(features[:, 0], filled, known, fold, whole, inner, grid))
    return found


def _choose(
    features: NDArray[np.float32],
    targets: Floats,
    known: Mask,
    fold: Fold,
    whole: list[Probe],
    inner: list[list[Probe]],
    grid: Sequence[float],
) -> Chosen:
    table = np.zeros((len(fold.inner), len(grid)))
    for row, (part, probes) in enumerate(zip(fold.inner, inner, strict=True)):
        judged = part & known
        for column, probe in enumerate(probes):
            table[row, column] = balanced_log_loss(targets[judged], probe.logits(features[judged]))
    losses = table.mean(axis=0) if len(table) else np.zeros(len(grid))
    best = int(losses.argmin())
    return Chosen(whole[best], grid[best], dict(zip(grid, losses.tolist(), strict=True)))


def balanced_log_loss(targets: Floats, logits: Floats) -> float:
    """The log loss of logits (n, C) against shares (n, C), every class that is there weighing the same."""
    weights = balanced_weights(targets, np.ones(len(targets), dtype=bool))
    if targets.shape[1] == 1:
        log_p = np.log(np.clip(np.concatenate([expit(-logits), expit(logits)], axis=1), 1e-15, 1))
    else:
        log_p = log_softmax(logits, axis=1)
    return float(-(weights * (class_shares(targets) * log_p).sum(axis=1)).sum() / weights.sum())


def solver(kind: ProbeKind, hidden: int, seed: int) -> Solve:
    """How a kind is solved.

    Args:
        kind: of probe.
        hidden: width of the hidden layer of `mlp`.
        seed: of its first weights.
    """
    if kind == "knn":
        return _neighbors
    if kind == "mlp":
        return partial(_hidden, hidden, seed)
    return partial(_linear, solve_lda if kind == "lda" else solve_logistic)


def _problems(features: NDArray[np.floating], targets: Floats, weights: Floats, grid: Sequence[float]) -> Problems:
    penalties = np.tile(np.array(grid, dtype=np.float64), len(weights))
    return Problems.of(features, targets, np.repeat(weights, len(grid), axis=0), penalties)


def _linear(
    solve: Callable[[Problems], Linear],
    features: NDArray[np.floating],
    targets: Floats,
    weights: Floats,
    grid: Sequence[float],
) -> list[list[Probe]]:
    found = solve(_problems(features, targets, weights, grid))
    pairs = zip(found.weight.numpy(), found.bias.numpy(), strict=True)
    return _grouped([LinearProbe(weight, bias) for weight, bias in pairs], grid)


def _hidden(
    hidden: int,
    seed: int,
    features: NDArray[np.floating],
    targets: Floats,
    weights: Floats,
    grid: Sequence[float],
) -> list[list[Probe]]:
    return _grouped(solve_mlp(_problems(features, targets, weights, grid), hidden, seed), grid)


def _neighbors(
    features: NDArray[np.floating], targets: Floats, weights: Floats, grid: Sequence[float]
) -> list[list[Probe]]:
    whole = unit(features)
    found: list[list[Probe]] = []
    for weight in weights:
        rows = weight > 0
        share = weight[rows] / weight[rows].mean()
        found.append([Neighbors(whole[rows], targets[rows], share, int(count)) for count in grid])
    return found


def _grouped(probes: Sequence[Probe], grid: Sequence[float]) -> list[list[Probe]]:
    return [list(probes[start : start + len(grid)]) for start in range(0, len(probes), len(grid))]
