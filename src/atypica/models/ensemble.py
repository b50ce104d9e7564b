"""Several networks that answer as one: the mean of what they say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from atypica.models.heads import SIDE, log_sigmoid
from atypica.models.network import FigureNetwork, Reading

Answers = Mapping[str, Tensor]
"""Name to logits (N, size)."""


class EnsembleNetwork(nn.Module):
    """Networks with the same answers, read as one.

    The activation map is the mean of their maps. Embedding and statistics are those of the first network: each network
    has a space of its own, and between spaces there is no mean.

    Args:
        networks: two or more.
        mean: a name in `MEANS`.
    """

    def __init__(self, networks: Sequence[FigureNetwork], mean: str) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.sizes = networks[0].sizes
        self._mean = MEANS[mean]

    def read(self, crops: Tensor) -> Reading:
        """All that the networks say of crops: RGB in 0..1, (N, 3, S, S)."""
        readings = [cast(FigureNetwork, network).read(crops) for network in self.networks]
        answers = self._mean([reading.answers for reading in readings])
        maps = torch.stack([reading.map for reading in readings]).mean(dim=0)
        return Reading(answers, maps, readings[0].embedding, readings[0].statistics)


def mean_logit(answers: Sequence[Answers]) -> dict[str, Tensor]:
    """The mean logits of every answer."""
    return {name: torch.stack([answer[name] for answer in answers]).mean(dim=0) for name in answers[0]}


def mean_probability(answers: Sequence[Answers]) -> dict[str, Tensor]:
    """The logits of the mean probabilities; those of a softmax up to a constant.

    An answer of yes or no is the mean of sigmoids, `hardness` that of softmaxes. A subtype's probability is that of its
    side times its share of the side, so a network that is sure of the other side has little to say.
    """
    joined = {name: torch.stack([answer[name] for answer in answers]) for name in answers[0]}
    return {name: _logits(name, logits, joined["amf"]) for name, logits in joined.items()}


def _logits(name: str, logits: Tensor, amf: Tensor) -> Tensor:
    """(networks, N, size) -> (N, size)."""
    if name == "subtype":
        normal, atypical = logits.split(SIDE, dim=2)
        sides = (log_sigmoid(-amf) + normal.log_softmax(2), log_sigmoid(amf) + atypical.log_softmax(2))
        return torch.cat(sides, dim=2).logsumexp(0)
    if name == "hardness":
        return logits.log_softmax(2).logsumexp(0)
    return log_sigmoid(logits).logsumexp(0) - log_sigmoid(-logits).logsumexp(0)


MEANS: dict[str, Callable[[Sequence[Answers]], dict[str, Tensor]]] = {
    "mean_probability": mean_probability,
    "mean_logit": mean_logit,
}
"""By the name that a recipe gives (`ensemble`)."""


def as_one(networks: Sequence[FigureNetwork], ensemble: str) -> FigureNetwork | EnsembleNetwork:
    """Networks as one model: a mean of `MEANS`, or `first`; a single network stays itself."""
    if ensemble == "first" or len(networks) == 1:
        return networks[0]
    return EnsembleNetwork(networks, ensemble)
