"""What the networks of a run say of a test set, as it is kept: one Parquet file, one row a figure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from atypica.core.files import atomic_path
from atypica.core.vocabulary import Subtype
from atypica.core.votes import disagreement
from atypica.data.figures import Figures
from atypica.evaluation.doubt import ensemble_spread

SUBTYPES = len(Subtype)
KEY = "atypica-key"


@dataclass(frozen=True)
class Answers:
    """Logits of several networks.

    Attributes:
        amf: (figures, networks); NaN where a network does not answer for a figure.
        subtype: (figures, networks, 8); None where the networks have no such head.
        disagreement: (figures, networks): that the experts differ; None where the networks have no such head.
    """

    amf: NDArray[np.float64]
    subtype: NDArray[np.float64] | None
    disagreement: NDArray[np.float64] | None = None

    @property
    def spread(self) -> NDArray[np.float64]:
        """How much the networks' probabilities of AMF differ, (figures,); NaN where fewer than two answer."""
        return ensemble_spread(expit(self.amf))

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """`spread`; `amf_K`, `disagreement_K` and `subtype_K_J` of each network K."""
        named = {"spread": self.spread} | {f"amf_{k}": self.amf[:, k] for k in range(self.amf.shape[1])}
        if self.disagreement is not None:
            named |= {f"disagreement_{k}": self.disagreement[:, k] for k in range(self.disagreement.shape[1])}
        if self.subtype is not None:
            networks = range(self.subtype.shape[1])
            named |= {f"subtype_{k}_{j}": self.subtype[:, k, j] for k in networks for j in range(SUBTYPES)}
        return named

    @classmethod
    def of(cls, table: pd.DataFrame) -> Answers:
        """Read them back from a table's columns."""
        count = sum(str(name).startswith("amf_") for name in table.columns)
        amf = table[[f"amf_{k}" for k in range(count)]].to_numpy(dtype=np.float64)
        subtype = _columns(table, [f"subtype_{k}_{j}" for k in range(count) for j in range(SUBTYPES)])
        wide = None if subtype is None else subtype.reshape(len(table), count, SUBTYPES)
        return cls(amf, wide, _columns(table, [f"disagreement_{k}" for k in range(count)]))

    def among(self, rows: NDArray[np.bool_]) -> Answers:
        """The answers for the figures where `rows` holds, among all figures; NaN for the others."""
        subtype = None if self.subtype is None else _among(self.subtype, rows)
        disagreement = None if self.disagreement is None else _among(self.disagreement, rows)
        return Answers(_among(self.amf, rows), subtype, disagreement)


def _columns(table: pd.DataFrame, names: list[str]) -> NDArray[np.float64] | None:
    return table[names].to_numpy(dtype=np.float64) if names[0] in table else None


def _among(values: NDArray[np.float64], rows: NDArray[np.bool_]) -> NDArray[np.float64]:
    wide = np.full((len(rows), *values.shape[1:]), np.nan)
    wide[rows] = values
    return wide


def figure_columns(figures: Figures, domains: list[str]) -> pd.DataFrame:
    """What scoring needs of the figures: `figure_id`, `label`, and where there are such `case`, `subtype`, domains.

    And `hard`: 1 where the experts disagree, 0 where they agree, NaN with fewer than two votes.
    """
    wanted = ["figure_id", "label", "case", "subtype", *domains]
    kept = figures.table[[name for name in dict.fromkeys(wanted) if name in figures.table]].reset_index(drop=True)
    votes = figures.votes
    return kept.assign(hard=disagreement(votes) if votes.shape[1] else np.full(len(kept), np.nan))


def write_predictions(path: Path, table: pd.DataFrame, answers: Answers, key: str) -> None:
    """Keep a table with the answers beside it, whole or not at all; `key` says what they depend on."""
    full = pd.concat([table, pd.DataFrame(answers.columns(), index=table.index)], axis=1)
    full.attrs[KEY] = key
    with atomic_path(path) as temporary:
        full.to_parquet(temporary)


def kept_answers(path: Path, key: str) -> Answers | None:
    """The answers in a file, if it is there and of this key."""
    if not path.is_file():
        return None
    table = pd.read_parquet(path)
    return Answers.of(table) if table.attrs.get(KEY) == key else None
