"""Drawn figures of which the atypical ones are darker: what even a transformer with random weights soon learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from drawn_table import write_drawn_table
from PIL import Image

DARKER = 0.75


def write_shaded_table(folder: Path, count: int, *, tested: int = 0) -> Path:
    """As `write_drawn_table`, then the crops of AMF times `DARKER`."""
    path = write_drawn_table(folder, count, tested=tested)
    table = pd.read_csv(path)
    for name in table.loc[table["label"] == "AMF", "image"]:
        pixels = np.asarray(Image.open(folder / name))
        Image.fromarray((pixels * DARKER).astype(np.uint8)).save(folder / name)
    return path
