"""Which figures make a batch: seeded, balanced, and the same again after a resume."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler


def derive_seed(*parts: int) -> int:
    """One seed from several numbers (NumPy's SeedSequence), so that nearby ones are unrelated."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


class BalancedBatches(Sampler[list[int]]):
    """Batches of row numbers; an epoch has as many figures as there are rows, in whole batches.

    Args:
        labels: (n,) 0 or 1.
        batch_size: figures a batch.
        balance: 1 draws both labels equally often, 0 as they come (each once, without repeats).
        seed: with the epoch it decides everything.
    """

    def __init__(self, labels: NDArray[np.float64], batch_size: int, balance: float, seed: int) -> None:
        self._weights = _weights(labels, balance)
        self._balance = balance
        self._batch_size = min(batch_size, len(labels))
        self._seed = seed
        self._epoch = 0

    @property
    def rows(self) -> int:
        """How many rows there are to draw from."""
        return len(self._weights)

    @property
    def sampler(self) -> BalancedBatches:
        """Itself: Lightning tells the epoch to the sampler of a batch sampler, and here they are one."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer at the start of every epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._weights) // self._batch_size

    def __iter__(self) -> Iterator[list[int]]:
        random = np.random.default_rng(derive_seed(self._seed, self._epoch))
        count = len(self._weights)
        repeats = self._balance > 0
        rows = random.choice(count, size=count, replace=repeats, p=self._weights if repeats else None)
        for start in range(0, len(self) * self._batch_size, self._batch_size):
            yield [int(row) for row in rows[start : start + self._batch_size]]


def _weights(labels: NDArray[np.float64], balance: float) -> NDArray[np.float64]:
    positive = labels.mean()
    rates = np.where(labels == 1, positive, 1 - positive)
    weights = (1 - balance) + balance * 0.5 / rates
    return weights / weights.sum()
