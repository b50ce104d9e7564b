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


@dataclass(frozen=True)
class Targets:
    """Targets of every head as probabilities; NaN where unknown.

    Attributes:
        heads: `amf` (n, 1): share of the votes for AMF, else the label; `subtype` (n, 8): mean over the experts'
            subtypes; `votes` (n, experts); `disagreement` (n, 1): 1 where votes differ; and where it is asked for,
            `hardness` (n, 4): NMF easy, NMF hard, AMF easy, AMF hard.
    """

    heads: dict[str, Tensor]

    @classmethod
    def of(cls, figures: Figures, soft_labels: bool = True, subtype_expert: int = 0, hardness: bool = False) -> Targets:
        """Read the targets out of a figure table.

        Args:
            figures: labeled.
            soft_labels: teach the share of the votes for AMF where there are votes, and not the label.
            subtype_expert: whose subtypes are taught, from 1; 0 for the shares of all experts.
            hardness: also make the targets of the head `hardness`.

        Raises:
            SourceError: a figure without a label, or the expert named none of the subtypes.
        """
        labels = figures.labels
        if np.isnan(labels).any():
            raise SourceError(f"{figures.name} has figures without a label", "fill the column 'label' (AMF or NMF)")
        votes = figures.votes
        soft = soft_label(votes) if soft_labels and votes.shape[1] else np.full(len(figures), np.nan)
        hard = disagreement(votes) if votes.shape[1] else np.full(len(figures), np.nan)
        heads = {
            "amf": np.where(np.isnan(soft), labels, soft)[:, None],
            "subtype": subtype_shares(figures, subtype_expert),
            "votes": votes,
            "disagreement": hard[:, None],
        }
        if hardness:
            heads["hardness"] = hardness_shares(heads["amf"], heads["disagreement"])
        return cls({name: torch.tensor(values).float() for name, values in heads.items()})

    def at(self, rows: Tensor) -> dict[str, Tensor]:
        """The targets of some rows."""
        return {name: values[rows] for name, values in self.heads.items()}


def hardness_shares(amf: NDArray[np.float64], hard: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares of NMF easy, NMF hard, AMF easy, AMF hard, (n, 4), from those of AMF and of disagreement, (n, 1) each."""
    return np.concatenate([(1 - amf) * (1 - hard), (1 - amf) * hard, amf * (1 - hard), amf * hard], axis=1)


def subtype_shares(figures: Figures, expert: int = 0) -> NDArray[np.float64]:
    """The share of the experts who named each subtype, (figures, 8); NaN rows where none did.

    Args:
        figures: with columns `subtype_1`, ..., or `subtype`.
        expert: only this one's, from 1; 0 for all.

    Raises:
        SourceError: there is no such expert.
    """
    columns = numbered(figures.table, "subtype_") or [name for name in ["subtype"] if name in figures.table]
    if expert:
        columns = [name for name in columns if name == f"subtype_{expert}"]
        if not columns:
            raise SourceError(
                f"{figures.name} has no column 'subtype_{expert}'", "set heads.subtype_expert to 0, or add the column"
            )
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
