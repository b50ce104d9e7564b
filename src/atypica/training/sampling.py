"""Which figures make a batch: seeded, balanced, and the same again after a resume."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Sampler

from atypica.core.errors import SourceError
from atypica.data.figures import Figures
from atypica.training.hardware import place

if TYPE_CHECKING:
    from atypica.training.recipe import Recipe

Rows = NDArray[np.int64]


def derive_seed(*parts: int) -> int:
    """One seed from several numbers (NumPy's SeedSequence), so that nearby ones are unrelated."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


class BalancedBatches(Sampler[list[int]]):
    """Batches of row numbers; an epoch has as many figures as there are rows, in whole batches.

    Of several processes each gets its share of every batch, so the recipe's batch is what all of them see together.

    With `balance` 1, rows are drawn with replacement by 1 over the frequency of their label: PyTorch's weighted random
    sampling.

    Args:
        labels: (n,) 0 or 1.
        batch_size: figures a batch.
        balance: 1 draws both labels equally often, 0 as they come (each once, without repeats).
        seed: with the epoch it decides everything.
        domains: (n,) numbers from 0; domains are drawn equally often, and labels balanced within each.
        exact: every batch has the same number of each label, as near to the balanced share as it goes.
        batches: batches an epoch; 0 for as many as the rows make.
    """

    def __init__(
        self,
        labels: NDArray[np.float64],
        batch_size: int,
        balance: float,
        seed: int,
        *,
        domains: NDArray[np.int64] | None = None,
        exact: bool = False,
        batches: int = 0,
    ) -> None:
        self._weights = _weights(labels, balance) if domains is None else _domain_weights(labels, domains, balance)
        self._repeats = balance > 0 or domains is not None
        self._labels = labels
        self._exact = exact
        self._batch_size = min(batch_size, len(labels))
        self._batches = batches or len(labels) // self._batch_size
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
        return self._batches

    def __iter__(self) -> Iterator[list[int]]:
        random = np.random.default_rng(derive_seed(self._seed, self._epoch))
        rows = self._exact_rows(random) if self._exact else self._random_rows(random)
        for start in range(0, len(self) * self._batch_size, self._batch_size):
            batch = rows[start : start + self._batch_size]
            process, processes = place()
            yield [int(row) for row in batch[process::processes]]

    def _random_rows(self, random: np.random.Generator) -> Rows:
        count, needed = self.rows, len(self) * self._batch_size
        if self._repeats:
            return random.choice(count, size=max(count, needed), replace=True, p=self._weights)
        rounds = -(-needed // count)
        return np.concatenate([random.choice(count, size=count, replace=False) for _ in range(rounds)])

    def _exact_rows(self, random: np.random.Generator) -> Rows:
        """Of each label its share of every batch; no figure again before all of its label were drawn."""
        share = float(self._weights[self._labels == 1].sum())
        amf = round(share * self._batch_size)
        columns = [
            _in_rounds(np.flatnonzero(self._labels == label), size * len(self), random).reshape(len(self), size)
            for label, size in ((1, amf), (0, self._batch_size - amf))
        ]
        return random.permuted(np.concatenate(columns, axis=1), axis=1).ravel()


def batches_of(figures: Figures, recipe: Recipe, seed: int) -> BalancedBatches:
    """The batches that a recipe draws from figures; row numbers are theirs.

    Raises:
        SourceError: the figures lack the column that `sampling.domain` names.
    """
    training, sampling = recipe.training, recipe.sampling
    return BalancedBatches(
        figures.labels,
        training.batch_size,
        training.balance,
        seed,
        domains=domain_numbers(figures, sampling.domain) if sampling.domain else None,
        exact=sampling.exact,
        batches=sampling.batches_per_epoch,
    )


def figure_weights(figures: Figures, recipe: Recipe) -> Tensor | None:
    """The weight of each figure in the recipe's loss, (figures,); None where all weigh 1.

    Raises:
        SourceError: the figures lack the column that `sampling.loss_domain` names.
    """
    column = recipe.sampling.loss_domain
    return torch.from_numpy(loss_weights(figures, column)) if column else None


def loss_weights(figures: Figures, column: str) -> NDArray[np.float32]:
    """A weight for each figure, their mean 1, with which all values of a column weigh the same: (figures,).

    Raises:
        SourceError: the figures lack the column.
    """
    domains = domain_numbers(figures, column)
    counts = np.bincount(domains)
    return (len(figures) / (len(counts) * counts[domains])).astype(np.float32)


def domain_numbers(figures: Figures, column: str) -> Rows:
    """The values of a column as numbers from 0, (figures,).

    Raises:
        SourceError: there is no such column, or it has blanks.
    """
    if column not in figures.table:
        raise SourceError(f"{figures.name} has no column '{column}'", "name another one, or none, under 'sampling'")
    values = figures.table[column]
    if values.isna().any():
        raise SourceError(f"{figures.name}: {int(values.isna().sum())} figures have no {column}", "fill or drop them")
    return pd.factorize(values, sort=True)[0].astype(np.int64)


def _in_rounds(rows: Rows, count: int, random: np.random.Generator) -> Rows:
    if not count:
        return rows[:0]
    rounds = [random.permutation(rows) for _ in range(-(-count // len(rows)))]
    return np.concatenate(rounds)[:count]


def _weights(labels: NDArray[np.float64], balance: float) -> NDArray[np.float64]:
    positive = labels.mean()
    rates = np.where(labels == 1, positive, 1 - positive)
    weights = (1 - balance) + balance * 0.5 / rates
    return weights / weights.sum()


def _domain_weights(labels: NDArray[np.float64], domains: Rows, balance: float) -> NDArray[np.float64]:
    weights = np.empty(len(labels))
    for domain in np.unique(domains):
        inside = domains == domain
        weights[inside] = _weights(labels[inside], balance)
    return weights / weights.sum()
