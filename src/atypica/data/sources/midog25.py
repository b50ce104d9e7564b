"""MIDOG25: the atypical training set of the MIDOG 2025 challenge, seven tumor types, two or three experts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from atypica.core.errors import SourceError
from atypica.core.votes import majority
from atypica.data.figures import Figures, figures_from
from atypica.data.sources.dataset import (
    Adapter,
    Dataset,
    Download,
    Finder,
    check_counts,
    crops_by_name,
    nothing_else,
    read_published,
)

TABLE = "MIDOG25_Atypical_Classification_Train_Set.csv"
CROPS = "MIDOG25_Binary_Classification_Train_Set"
PLACE = ["filename", "coordinateX", "coordinateY"]
EXPERTS = (1, 2, 3)
MPP = 0.25
BREAST = "human breast cancer"
COLUMNS = ("image_id", *PLACE, "Tumor", "Scanner", "Origin", "Species", "expert1", "expert2", "expert3", "majority")

DATASET = Dataset(
    name="midog25",
    title="MIDOG25",
    about="seven tumor types, two species, four scanners, two or three experts",
    figures=11939,
    amf=1748,
    cases=475,
    license="as stated in the Zenodo record",
    citation="Weiss V et al. A Dataset of Atypical vs Normal Mitoses Classification for MIDOG - 2025. Zenodo 2025. "
    "Ammeling J et al. Mitosis Domain Generalization Challenge 2025 (MIDOG 2025).",
    url="https://zenodo.org/records/16044804",
    folders=("MIDOG25", "midog25"),
    downloads=(Download("https://zenodo.org/records/16044804", "zenodo-16044804"),),
)


def recognizes(folder: Path) -> bool:
    """Whether `folder` holds MIDOG25's table."""
    return (folder / TABLE).is_file()


def published(folder: Path) -> pd.DataFrame:
    """The table as published."""
    return read_published(folder / TABLE, COLUMNS)


def read(folder: Path, find: Finder = nothing_else) -> Figures:
    """Read MIDOG25's figures that have a crop; `case` is the file name.

    Where the crops are not there but AMi-Br is at hand, its MIDOG21 crops (the same figures by file name, x and y)
    give the human breast cancer part.

    Raises:
        SourceError: another table than published, or no crops at all.
    """
    source = published(folder)
    crops = crops_by_name(folder)
    if crops:
        return _figures(source, source["image_id"].map(crops), folder, folder, ())
    other = find("ami-br")
    if other is None:
        raise SourceError(
            f"{folder} has labels but no crops",
            f"bring the folder {CROPS} beside the table (atypica data fetch midog25), or AMi-Br for its breast part; "
            f"the labels alone: give the table itself, {folder / TABLE}",
        )
    note = "no crops beside the table: human breast cancer only, with the crops of AMi-Br (joined on file, x, y)"
    breast = source[source["Tumor"] == BREAST].drop_duplicates(PLACE)
    return _figures(breast, _ami_br_crops(breast, other), other, folder, (note,))


def read_labels(folder: Path) -> Figures:
    """All published labels, with the paths where crops belong, whether they are there or not."""
    source = published(folder)
    crops = CROPS + "/" + source["image_id"]
    return _figures(source, crops, folder, folder, ("labels only: the crops were not looked for",))


def _ami_br_crops(breast: pd.DataFrame, folder: Path) -> pd.Series[str]:
    table = read_published(folder / "AMI-BR.csv", ("slide", "x", "y", "dataset", "uid"))
    midog = table[table["dataset"] == "MIDOG21"].set_index(["slide", "x", "y"])
    names = "MIDOG21_" + midog["uid"].astype(str) + ".png"
    found = names.map(crops_by_name(folder)).reindex(pd.MultiIndex.from_frame(breast[PLACE]))
    return pd.Series(found.to_numpy(), index=breast.index, dtype=object)


def _figures(source: pd.DataFrame, crops: pd.Series[str], root: Path, folder: Path, notes: tuple[str, ...]) -> Figures:
    stems = source["image_id"].str.rsplit(".", n=1).str[0]
    repeats = stems.groupby(stems).cumcount()
    files = source["filename"].str.rsplit(".", n=1).str[0]
    columns = {
        "figure_id": [f"MIDOG25_{s}" + (f"#{n + 1}" if n else "") for s, n in zip(stems, repeats, strict=True)],
        "image": crops,
        "x": source["coordinateX"],
        "y": source["coordinateY"],
        # The breast cases are those of MIDOG21, and have the same names as in AMi-Br.
        "case": np.where(source["Tumor"] == BREAST, "MIDOG21_", "MIDOG_") + files,
        "slide": source["filename"],
        "dataset": DATASET.title,
        "tumor": source["Tumor"],
        "species": source["Species"].str.lower(),
        "scanner": source["Scanner"],
        "lab": source["Origin"],
        "mpp": MPP,
        "label": source["majority"],
    }
    votes = {f"vote_{expert}": source[f"expert{expert}"] for expert in EXPERTS}
    table = pd.DataFrame({**columns, **votes})[crops.notna()]
    if table.empty:
        raise SourceError(f"none of the crops of {folder / TABLE} is in {root}", "bring the published crops")
    figures = figures_from(table, root, DATASET.title)
    every = (*notes, f"mpp {MPP} taken for all scanners", *_flaws(source, figures), *check_counts(table, DATASET, root))
    return Figures(figures.table, root, DATASET.title, every)


def _flaws(source: pd.DataFrame, figures: Figures) -> list[str]:
    """What is wrong with the published table, among these rows."""
    notes: list[str] = []
    blank = int(source["expert3"].isna().sum())
    if blank:
        notes.append(f"expert 3 is blank in {blank:,} of {len(source):,} rows: counted as not read")
    ids = source["image_id"].value_counts()
    notes.extend(f"image_id {name} stands {count} times" for name, count in ids[ids > 1].items())
    wrong = int(np.sum(majority(figures.votes) == 1 - figures.labels))
    if wrong:
        notes.append(f"{wrong} rows have a majority that contradicts the votes: the published majority is taken")
    return notes


ADAPTER = Adapter(DATASET, recognizes, read, TABLE, read_labels)
