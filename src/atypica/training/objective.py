"""What a training minimizes: every trained head's loss and weight, built from the recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from atypica.core.errors import SourceError
from atypica.models.heads import HEADS, SIDE
from atypica.training.losses import (
    balanced_weights,
    cross_entropy,
    focal,
    focal_recall,
    masked_bce,
    recall,
    side_cross_entropy,
    two_classes,
    weighted_sum,
)
from atypica.training.settings.heads import HeadSettings
from atypica.training.settings.loss import LossSettings

ClassLoss = Callable[[Tensor, Tensor], Tensor]
"""Of log-probabilities and targets over exclusive classes, (n, C) each."""
HeadLoss = Callable[[Tensor, Tensor], Tensor]
"""Of a head's logits and its targets."""
_NEEDS = {"subtype": "subtypes", "votes": "votes", "hardness": "two votes a figure"}


@dataclass(frozen=True)
class Objective:
    """The weighted sum of the heads' losses.

    Attributes:
        losses: of every trained head.
        weights: of the same.
    """

    losses: Mapping[str, HeadLoss]
    weights: Mapping[str, float]

    @classmethod
    def of(cls, heads: HeadSettings, loss: LossSettings, targets: Mapping[str, Tensor]) -> Objective:
        """Build it for the heads that the recipe wants and the targets can teach.

        Args:
            heads, loss: of the recipe.
            targets: of the training subset, from which balanced class weights are counted.
        """
        weights = {name: head_weights(heads)[name] for name in trained_heads(heads, targets)}
        return cls({name: _head_loss(name, heads, loss, targets[name]) for name in weights}, weights)

    def __call__(self, answers: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        """The loss of a batch: answers and targets of the same figures."""
        losses = {name: loss(answers[name], targets[name]) for name, loss in self.losses.items()}
        return weighted_sum(losses, self.weights)


def head_weights(settings: HeadSettings) -> dict[str, float]:
    """The loss weight of every head that the recipe wants trained, in the order of the answers."""
    kind = HEADS[settings.kind]
    given = {"subtype": settings.subtype, "votes": settings.votes, "disagreement": settings.disagreement}
    wanted = {name: weight for name, weight in given.items() if weight > 0 and name not in kind.derived}
    # Those that the kind needs come first, at 1 unless given; the network splits its logits in this order.
    return {**{name: wanted.get(name, 1.0) for name in kind.main}, **wanted}


def trained_heads(settings: HeadSettings, targets: Mapping[str, Tensor]) -> dict[str, int]:
    """The heads that the recipe wants and the figures can teach, with their number of logits.

    Raises:
        SourceError: the figures cannot teach a head that the kind needs.
    """
    sizes = {name: targets[name].shape[1] for name in head_weights(settings) if not targets[name].isnan().all()}
    lacking = [name for name in HEADS[settings.kind].main if name not in sizes]
    if lacking:
        raise SourceError(
            f"heads.kind '{settings.kind}' is taught by {_NEEDS[lacking[0]]}, and the figures have none",
            "take another heads.kind, or figures that have them",
        )
    return sizes


def _head_loss(name: str, heads: HeadSettings, loss: LossSettings, targets: Tensor) -> HeadLoss:
    if name == "subtype" and heads.kind == "hierarchical":
        return SideLoss.of(loss, targets)
    if name == "subtype" and heads.kind != "softmax":
        return side_cross_entropy
    if name in {"subtype", "hardness"}:
        of_classes = class_loss(loss, _weights(loss, targets, says_amf=True))
        return lambda logits, shares: of_classes(logits.log_softmax(1), shares)
    if loss.name == "bce":
        return masked_bce
    known = targets.reshape(-1, 1)
    weights = _single_weights(loss, torch.cat([1 - known, known], dim=1), says_amf=name != "disagreement")
    of_two = class_loss(loss, weights)
    return lambda logits, share: of_two(*two_classes(logits, share))


def class_loss(settings: LossSettings, weights: Tensor | None = None) -> ClassLoss:
    """The loss over exclusive classes that the settings name."""
    gamma, beta = settings.gamma, settings.beta
    return {
        "bce": cross_entropy,
        "cross_entropy": partial(cross_entropy, weights=weights),
        "focal": partial(focal, gamma=gamma, weights=weights),
        "categorical_focal": partial(focal, gamma=gamma, weights=weights),
        "recall": recall,
        "focal_recall": partial(focal_recall, gamma=gamma, beta=beta, weights=weights),
    }[settings.name]


def _single_weights(settings: LossSettings, targets: Tensor, says_amf: bool) -> Tensor | None:
    if settings.name in {"focal", "focal_recall"} and settings.alpha is not None:
        return torch.tensor([1 - settings.alpha, settings.alpha])
    return None if settings.name == "focal" else _weights(settings, targets, says_amf)


def _weights(settings: LossSettings, targets: Tensor, says_amf: bool) -> Tensor | None:
    """Numbers are for the heads that say AMF; other heads have none."""
    if settings.class_weights == "balanced":
        return balanced_weights(targets)
    return torch.tensor(settings.class_weights) if settings.class_weights and says_amf else None


@dataclass(frozen=True)
class SideLoss:
    """The specialists': each learns from the figures of its side as if there were no others.

    Attributes:
        sides: the loss of the normal and of the atypical specialist.
    """

    sides: tuple[ClassLoss, ClassLoss]

    @classmethod
    def of(cls, settings: LossSettings, targets: Tensor) -> SideLoss:
        """With balanced class weights counted within each side."""
        balanced = settings.class_weights == "balanced"
        first, second = (balanced_weights(part) if balanced else None for part in _by_side(targets))
        return cls((class_loss(settings, first), class_loss(settings, second)))

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Logits and targets (n, 8)."""
        pairs = zip(self.sides, logits.split(SIDE, dim=1), _by_side(targets), strict=True)
        return torch.stack([loss(part.log_softmax(1), shares) for loss, part, shares in pairs]).sum()


def _by_side(targets: Tensor) -> list[Tensor]:
    """Shares (n, 8) as those of each side, (n, 4); NaN for figures that are not of the side at all."""
    parts = targets.split(SIDE, dim=1)
    return [torch.where(part.sum(dim=1, keepdim=True) > 0, part, torch.nan) for part in parts]
