"""AtNorM-MD: mitotic figures of six domains of MIDOG++, typed by five experts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from atypica.core.vocabulary import parse_label
from atypica.data.figures import Figures, figures_from
from atypica.data.sources.benchmark import CITATION, REPOSITORY, benchmark_download
from atypica.data.sources.dataset import (
    Adapter,
    Dataset,
    Finder,
    check_counts,
    crops_by_name,
    nothing_else,
    read_published,
)

TABLE = "AtNorM-MD_expert_votes.csv"
EXPERTS = (1, 2, 3, 4, 5)
MPP = 0.25

DATASET = Dataset(
    name="atnorm-md",
    title="AtNorM-MD",
    about="six domains of MIDOG++ (human, canine), five experts",
    figures=2107,
    amf=219,
    cases=None,
    license="MIT",
    citation=CITATION,
    url=REPOSITORY,
    folders=("AtNorM-MD", "atnorm-md", "AtNorM-MD-sample"),
    downloads=(benchmark_download("AtNorM-MD"),),
)


def recognizes(folder: Path) -> bool:
    """Whether `folder` holds AtNorM-MD."""
    return (folder / TABLE).is_file()


def read(folder: Path, find: Finder = nothing_else) -> Figures:
    """Read AtNorM-MD: `label` by the five experts' majority. Neither cases nor domains are published.

    Raises:
        SourceError: the table is not that published, or there are no crops.
    """
    published = read_published(folder / TABLE, ("Filename", "Majority", *(f"Expert_{e}" for e in EXPERTS)))
    crops = published["Filename"].map(crops_by_name(folder))
    columns = {
        "figure_id": "AtNorM-MD_" + published["Filename"].str.rsplit(".", n=1).str[0],
        "image": crops,
        "dataset": DATASET.title,
        "mpp": MPP,
        "label": [parse_label(value) for value in published["Majority"]],
    }
    votes = {f"vote_{expert}": published[f"Expert_{expert}"] for expert in EXPERTS}
    table = pd.DataFrame({**columns, **votes})[crops.notna()]
    notes = ["no case ids and no domains are published: it cannot be split by case", f"mpp {MPP} taken for all"]
    moved = int(
        np.sum([parse_label(Path(i).parent.name) != w for i, w in zip(table["image"], table["label"], strict=True)])
    )
    if moved:
        notes.append(f"{moved} crops lie in a folder that contradicts the majority; the majority is taken")
    if len(table):
        notes.extend(check_counts(table, DATASET, folder))
    return figures_from(table, folder, DATASET.title, tuple(notes))


ADAPTER = Adapter(DATASET, recognizes, read)
