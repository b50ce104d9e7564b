"""What a probe is once it is solved: a linear layer, one behind a hidden layer, or the training figures themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from atypica.models.network import FigureNetwork
from atypica.training.probe.problems import class_shares

Floats = NDArray[np.float64]


class Probe(Protocol):
    """Anything that reads features."""

    def logits(self, features: NDArray[np.floating]) -> Floats:
        """Features (n, d) -> (n, C), one logit of yes, or those of a softmax."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """All that `read_probe` needs."""
        ...


@dataclass(frozen=True)
class LinearProbe:
    """What logistic regression and LDA give.

    Attributes:
        weight: (C, d).
        bias: (C,).
    """

    weight: Floats
    bias: Floats

    def logits(self, features: NDArray[np.floating]) -> Floats:
        """Features (n, d) -> (n, C)."""
        return features @ self.weight.T + self.bias

    def tensors(self) -> dict[str, Tensor]:
        """Those of a network."""
        return {"head.weight": _tensor(self.weight), "head.bias": _tensor(self.bias)}


@dataclass(frozen=True)
class HiddenProbe:
    """A linear layer on a hidden layer with ReLU.

    Attributes:
        inner: gives the hidden layer, (h, d).
        outer: reads it, (C, h).
    """

    inner: LinearProbe
    outer: LinearProbe

    def logits(self, features: NDArray[np.floating]) -> Floats:
        """Features (n, d) -> (n, C)."""
        return self.outer.logits(np.maximum(self.inner.logits(features), 0))

    def tensors(self) -> dict[str, Tensor]:
        """Those of a network."""
        inner = {"shared.weight": _tensor(self.inner.weight), "shared.bias": _tensor(self.inner.bias)}
        return {**inner, **self.outer.tensors()}


@dataclass(frozen=True)
class Neighbors:
    """The nearest training figures by cosine, each voting with its weight for its target; no network can hold it.

    A class has one vote from the start, so that no probability is 0.

    Attributes:
        features: (n, d), of length 1.
        targets: (n, C).
        weights: (n,), 1 on average.
        count: how many neighbors vote.
    """

    features: NDArray[np.float32]
    targets: Floats
    weights: Floats
    count: int

    PRIOR: ClassVar[float] = 1.0

    def logits(self, features: NDArray[np.floating]) -> Floats:
        """Features (n, d) -> (n, C)."""
        near = unit(features) @ self.features.T
        count = min(self.count, len(self.features))
        rows = np.argpartition(-near, count - 1, axis=1)[:, :count]
        shares = class_shares(self.targets) * self.weights[:, None]
        votes = np.log(shares[rows].sum(axis=1) + self.PRIOR)
        return votes[:, 1:] - votes[:, :1] if self.targets.shape[1] == 1 else votes

    def tensors(self) -> dict[str, Tensor]:
        """The figures as they vote."""
        values = {"features": self.features, "targets": self.targets, "weights": self.weights}
        return {**{name: _tensor(value) for name, value in values.items()}, "count": torch.tensor([self.count])}


def unit(features: NDArray[np.floating]) -> NDArray[np.float32]:
    """Features (n, d) brought to length 1."""
    length = np.linalg.norm(features, axis=1, keepdims=True)
    return (features / np.maximum(length, 1e-12)).astype(np.float32)


def read_probe(tensors: dict[str, Tensor]) -> Probe:
    """What `tensors` gave, as a probe again."""
    if "count" in tensors:
        features = tensors["features"].numpy()
        return Neighbors(features, _array(tensors["targets"]), _array(tensors["weights"]), int(tensors["count"]))
    outer = LinearProbe(_array(tensors["head.weight"]), _array(tensors["head.bias"]))
    if "shared.weight" not in tensors:
        return outer
    return HiddenProbe(LinearProbe(_array(tensors["shared.weight"]), _array(tensors["shared.bias"])), outer)


def fill(network: FigureNetwork, probe: Probe) -> FigureNetwork:
    """Give a network a probe as its head; it comes back ready for inference."""
    tensors = probe.tensors()
    network.head = _layer(tensors, "head")
    if "shared.weight" in tensors:
        network.shared = _layer(tensors, "shared")
    return network.eval()


def _layer(tensors: dict[str, Tensor], name: str) -> nn.Linear:
    weight, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
    layer = nn.Linear(weight.shape[1], len(weight))
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer


def joined(probes: Sequence[Probe]) -> Probe:
    """One probe whose logits are the mean of others' logits: linear layers averaged, hidden layers side by side."""
    linear = [probe for probe in probes if isinstance(probe, LinearProbe)]
    hidden = [probe for probe in probes if isinstance(probe, HiddenProbe)]
    if len(linear) == len(probes):
        return LinearProbe(*(np.mean(parts, axis=0) for parts in zip(*map(_parts, linear), strict=True)))
    assert len(hidden) == len(probes), "neighbors are no network"
    inner = LinearProbe(*(np.concatenate(parts) for parts in zip(*(_parts(one.inner) for one in hidden), strict=True)))
    weight = np.concatenate([one.outer.weight for one in hidden], axis=1) / len(hidden)
    return HiddenProbe(inner, LinearProbe(weight, np.mean([one.outer.bias for one in hidden], axis=0)))


def _parts(probe: LinearProbe) -> tuple[Floats, Floats]:
    return probe.weight, probe.bias


def _tensor(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


def _array(values: Tensor) -> Floats:
    return values.numpy().astype(np.float64)
