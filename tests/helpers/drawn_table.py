"""Tables of drawn figures that a small network tells apart after a few epochs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from atypica.core.vocabulary import Subtype
from atypica.data.drawn import draw_figures

EASY = dict.fromkeys(Subtype, 0.0) | {Subtype.METAPHASE: 1.0, Subtype.MULTIPOLAR: 1.0}
"""One subtype a side."""


def write_drawn_table(folder: Path, count: int, *, tested: int = 0, seed: int = 1) -> Path:
    """Draw figures, four in ten AMF; with `tested`, so many of the first cases are the split `test`, the rest `train`.

    Returns:
        `folder/figures.csv`.
    """
    draw_figures(folder, count, seed=seed, amf_rate=0.4, mix=EASY)
    path = folder / "figures.csv"
    if tested:
        table = pd.read_csv(path)
        first = sorted(table["case"].unique())[:tested]
        table.assign(split=np.where(table["case"].isin(first), "test", "train")).to_csv(path, index=False)
    return path
