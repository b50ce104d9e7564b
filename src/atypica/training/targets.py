"""What the heads should say, from labels, votes and subtypes. NaN marks what is not known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from atypica.core.errors import SourceError
from atypica.core.vocabulary import Subtype
from atypica.core.votes import disagreement, soft_label
from atypica.data.figures import Figures, numbered

HEADS = ("amf", "subtype", "votes", "disagreement")


@dataclass(frozen=True)
class Targets:
    """Targets of every head as probabilities; NaN where unknown.

    Attributes:
        heads: `amf` (n, 1): share of the votes for AMF, else the label; `subtype` (n, 8): mean over the experts'
            subtypes; `votes` (n, experts); `disagreement` (n, 1): 1 where votes differ.
    """

    heads: dict[str, Tensor]

    @classmethod
    def of(cls, figures: Figures, soft_labels: bool = True) -> Targets:
        """Read the targets out of a figure table.

        Args:
            figures: labeled.
            soft_labels: teach the share of the votes for AMF where there are votes, and not the label.

        Raises:
            SourceError: a figure without a label.
        """
        labels = figures.labels
        if np.isnan(labels).any():
            raise SourceError(f"{figures.name} has figures without a label", "fill the column 'label' (AMF or NMF)")
        votes = figures.votes
        soft = soft_label(votes) if soft_labels and votes.shape[1] else np.full(len(figures), np.nan)
        hard = disagreement(votes) if votes.shape[1] else np.full(len(figures), np.nan)
        heads = {
            "amf": np.where(np.isnan(soft), labels, soft)[:, None],
            "subtype": subtype_shares(figures),
            "votes": votes,
            "disagreement": hard[:, None],
        }
        return cls({name: torch.from_numpy(values).float() for name, values in heads.items()})

    def at(self, rows: Tensor) -> dict[str, Tensor]:
        """The targets of some rows."""
        return {name: values[rows] for name, values in self.heads.items()}


def subtype_shares(figures: Figures) -> NDArray[np.float64]:
    """The share of the experts who named each subtype, (figures, 8); NaN rows where none did."""
    columns = numbered(figures.table, "subtype_") or [name for name in ["subtype"] if name in figures.table]
    order = [subtype.value for subtype in Subtype]
    counts = np.zeros((len(figures), len(order)))
    for column in columns:
        for index, name in enumerate(order):
            counts[:, index] += (figures.table[column] == name).to_numpy(dtype=np.float64)
    total = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, total, out=np.full_like(counts, np.nan), where=total > 0)


def blend(targets: dict[str, Tensor], teacher: dict[str, Tensor], weight: float) -> dict[str, Tensor]:
    """Mix the teacher's probabilities into the targets; where a target is unknown the teacher has it all."""
    return {
        name: torch.where(values.isnan(), teacher[name], (1 - weight) * values + weight * teacher[name])
        for name, values in targets.items()
        if name in teacher
    }
