"""AtNorM-Br: mitotic figures of human breast cancer from TCGA, typed by one expert; a folder for each class."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from atypica.core.vocabulary import parse_label
from atypica.data.figures import Figures, figures_from
from atypica.data.sources.benchmark import CITATION, REPOSITORY, benchmark_download
from atypica.data.sources.dataset import Adapter, Dataset, Finder, check_counts, crop_paths, nothing_else

MPP = 0.25

DATASET = Dataset(
    name="atnorm-br",
    title="AtNorM-Br",
    about="human breast cancer (TCGA), one expert",
    figures=746,
    amf=128,
    cases=None,
    license="MIT",
    citation=CITATION,
    url=REPOSITORY,
    folders=("AtNorM-Br", "atnorm-br", "AtNorM-Br-sample"),
    downloads=(benchmark_download("AtNorM-Br"),),
)


def recognizes(folder: Path) -> bool:
    """Whether `folder` holds AtNorM-Br; it has no file of its own, so by its name and class folders."""
    named = folder.name.lower().startswith("atnorm-br")
    return named and all((folder / name).is_dir() for name in ("Atypical", "Normal"))


def read(folder: Path, find: Finder = nothing_else) -> Figures:
    """Read AtNorM-Br. There is no `case` column, because no case ids are published.

    Raises:
        SourceError: there are no crops, or other counts than published.
    """
    crops = crop_paths(folder)
    stems = pd.Series([Path(crop).stem for crop in crops], dtype=object)
    repeats = stems.groupby(stems).cumcount()
    table = pd.DataFrame(
        {
            "figure_id": [f"AtNorM-Br_{s}" + (f"#{n + 1}" if n else "") for s, n in zip(stems, repeats, strict=True)],
            "image": crops,
            "dataset": DATASET.title,
            "tumor": "human breast cancer",
            "species": "human",
            "mpp": MPP,
            "label": [parse_label(Path(crop).parent.name) for crop in crops],
        }
    )
    notes = ("no case ids are published: it cannot be split by case", f"mpp {MPP} taken for all")
    return figures_from(table, folder, DATASET.title, (*notes, *check_counts(table, DATASET, folder)))


ADAPTER = Adapter(DATASET, recognizes, read)
