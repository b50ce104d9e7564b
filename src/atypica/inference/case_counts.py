"""The figures of every case, counted: all that the rates of cases need of predictions."""

from __future__ import annotations

from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from atypica.core.vocabulary import Label
from atypica.inference.counting import counted


class CaseCounts:
    """Counts that predictions are added to part by part; the memory grows with the cases alone.

    Cases stand in the order in which they first come; None is that of figures without one. `thresholds` are those that
    figures were called at, NaN where a table does not say it.
    """

    def __init__(self) -> None:
        self.thresholds: set[float] = set()
        self._codes: dict[str | None, int] = {}
        self._values = np.zeros((4, 0), dtype=np.int64)

    @classmethod
    def of(cls, predictions: pd.DataFrame) -> Self:
        """Of one table; see `add`."""
        counts = cls()
        counts.add(predictions)
        return counts

    def add(self, predictions: pd.DataFrame) -> None:
        """Count the figures of a predictions table; one without a column `case` has figures of no case."""
        used = predictions["threshold"].dropna().unique().tolist() if "threshold" in predictions else [np.nan]
        self.thresholds |= set(used)
        cases = predictions["case"] if "case" in predictions else pd.Series([None] * len(predictions), dtype=object)
        codes, names = pd.factorize(cases, use_na_sentinel=False)
        known = [None if pd.isna(name) else str(name) for name in names]  # pyright: ignore[reportArgumentType]
        places = np.array([self._codes.setdefault(name, len(self._codes)) for name in known], dtype=np.int64)
        grown = np.zeros((4, len(self._codes)), dtype=np.int64)
        grown[:, : self._values.shape[1]] = self._values
        for row, mask in enumerate(_masks(predictions)):
            np.add.at(grown[row], places, np.bincount(codes[mask], minlength=len(known)))
        self._values = grown

    @property
    def names(self) -> list[str | None]:
        """The cases."""
        return list(self._codes)

    @property
    def values(self) -> NDArray[np.int64]:
        """(4, cases): all rows; those that were typed; of these those that count; of these those called AMF."""
        return self._values


def called_amf(predictions: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows were called AMF, shape (rows,)."""
    return (predictions["prediction"] == Label.AMF.value).to_numpy(dtype=bool)


def _masks(predictions: pd.DataFrame) -> tuple[NDArray[np.bool_], ...]:
    counts = counted(predictions)
    typed = predictions["p_amf"].notna().to_numpy(dtype=bool)
    return np.ones(len(predictions), dtype=bool), typed, counts, called_amf(predictions) & counts
