"""From the logits that a recipe trains to those that every model answers with.

Whatever a recipe trains, its network answers `amf` (N, 1) and, where they are known, `subtype` (N, 8; read as a softmax
within each side), `votes` (N, experts), `disagreement` (N, 1) and `hardness` (N, 4). What is not trained follows
from what is, by the rules of probability.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from atypica.core.vocabulary import NMF_SUBTYPES

ANSWERS = ("amf", "subtype", "votes", "disagreement", "hardness")
"""In the order of the graph's outputs."""
SIDE = len(NMF_SUBTYPES)
"""The first four subtypes are normal, the other four atypical."""
HARDNESS_CLASSES: tuple[str, ...] = ("NMF easy", "NMF hard", "AMF easy", "AMF hard")


class Heads:
    """The answers are trained as they are: `amf`, and any others.

    Args:
        trained: head name to the number of its logits.
    """

    main: ClassVar[tuple[str, ...]] = ("amf",)
    """The heads that cannot be left out."""
    derived: ClassVar[tuple[str, ...]] = ()
    """The answers that follow from those."""

    def __init__(self, trained: Mapping[str, int]) -> None:
        self.trained = dict(trained)

    @property
    def sizes(self) -> dict[str, int]:
        """Every answer and the number of its logits."""
        known = {**self.trained, **dict.fromkeys(self.derived, 1)}
        return {name: known[name] for name in ANSWERS if name in known}

    def answers(self, trained: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Trained logits, name to (N, size), with those that follow from them."""
        known = {**trained, **self._derive(trained)}
        return {name: known[name] for name in self.sizes}

    def slopes(self, trained: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The derivative of the answer `amf` with respect to the trained logits it follows from, name to (N, size)."""
        return {"amf": torch.ones_like(trained["amf"])}

    def _derive(self, trained: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {}


class SoftmaxHeads(Heads):
    """One softmax over the eight subtypes: p(AMF) is the sum over the four atypical ones."""

    main = ("subtype",)
    derived = ("amf",)

    def slopes(self, trained: Mapping[str, Tensor]) -> dict[str, Tensor]:
        normal, atypical = trained["subtype"].split(SIDE, dim=1)
        return {"subtype": torch.cat([-normal.softmax(1), atypical.softmax(1)], dim=1)}

    def _derive(self, trained: Mapping[str, Tensor]) -> dict[str, Tensor]:
        normal, atypical = trained["subtype"].split(SIDE, dim=1)
        return {"amf": _log_sum(atypical) - _log_sum(normal)}


class ExpertHeads(Heads):
    """One logit for each expert's vote: p(AMF) is the mean of the experts' probabilities."""

    main = ("votes",)
    derived = ("amf",)

    def slopes(self, trained: Mapping[str, Tensor]) -> dict[str, Tensor]:
        yes, no = log_sigmoid(trained["votes"]), log_sigmoid(-trained["votes"])
        return {"votes": yes.softmax(1) * no.exp() + no.softmax(1) * yes.exp()}

    def _derive(self, trained: Mapping[str, Tensor]) -> dict[str, Tensor]:
        votes = trained["votes"]
        return {"amf": _log_sum(log_sigmoid(votes)) - _log_sum(log_sigmoid(-votes))}


class HardnessHeads(Heads):
    """One softmax over label x hardness (`HARDNESS_CLASSES`): both margins are sums of two classes."""

    main = ("hardness",)
    derived = ("amf", "disagreement")

    def slopes(self, trained: Mapping[str, Tensor]) -> dict[str, Tensor]:
        normal, atypical = trained["hardness"].split(2, dim=1)
        return {"hardness": torch.cat([-normal.softmax(1), atypical.softmax(1)], dim=1)}

    def _derive(self, trained: Mapping[str, Tensor]) -> dict[str, Tensor]:
        classes = trained["hardness"]
        normal, atypical = classes.split(2, dim=1)
        hard, easy = classes[:, 1::2], classes[:, 0::2]
        return {"amf": _log_sum(atypical) - _log_sum(normal), "disagreement": _log_sum(hard) - _log_sum(easy)}


class HierarchicalHeads(Heads):
    """A network for `amf`, and one specialist for the subtypes of each side."""

    main = ("amf", "subtype")


HEADS: dict[str, type[Heads]] = {
    "separate": Heads,
    "softmax": SoftmaxHeads,
    "experts": ExpertHeads,
    "hardness": HardnessHeads,
    "hierarchical": HierarchicalHeads,
}
"""By the name that a recipe gives (`heads.kind`)."""


def log_sigmoid(logits: Tensor) -> Tensor:
    """Log-probabilities of yes. PyTorch's own is exported as the log of a sigmoid: minus infinity at -100."""
    return -F.softplus(-logits)


def _log_sum(logits: Tensor) -> Tensor:
    return logits.logsumexp(dim=1, keepdim=True)
