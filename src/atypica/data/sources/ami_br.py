"""AMi-Br: mitotic figures of human breast cancer from TUPAC16 and MIDOG21, three experts, two of them with subtypes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from atypica.core.vocabulary import Label
from atypica.data.figures import Figures, figures_from
from atypica.data.sources import midog25
from atypica.data.sources.benchmark import benchmark_download
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

TABLE = "AMI-BR.csv"
TRAINING = "amibr_train_split.csv"
EXPERTS = (1, 2, 3)
MPP = 0.25
COLUMNS = (
    "slide", "dataset", "uid", "x", "y", "expert1_label", "expert2_label", "expert1_atypical", "expert2_atypical",
    "expert3_atypical", "majority_atypical",
)  # fmt: skip

DATASET = Dataset(
    name="ami-br",
    title="AMi-Br",
    about="human breast cancer (TUPAC16, MIDOG21), three experts, subtypes by two",
    figures=3720,
    amf=832,
    cases=202,
    license="MIT",
    citation="Bertram CA et al. Histologic Dataset of Normal and Atypical Mitotic Figures on Human Breast Cancer "
    "(AMi-Br). Bildverarbeitung für die Medizin (BVM) 2025.",
    url="https://github.com/DeepMicroscopy/AMi-Br_Benchmark",
    folders=("AMi-Br", "ami-br"),
    downloads=(
        benchmark_download("AMi-Br"),
        Download("https://github.com/DeepMicroscopy/AMi-Br/archive/HEAD.zip", "AMi-Br.zip", only=TABLE, unless=TABLE),
    ),
)


def recognizes(folder: Path) -> bool:
    """Whether `folder` holds AMi-Br."""
    return (folder / TABLE).is_file()


def read(folder: Path, find: Finder = nothing_else) -> Figures:
    """Read AMi-Br: `label` by the experts' majority, `subtype` by the first expert, `split` as officially published.

    A case is a slide (there is one a patient). Figures without a crop are left out and counted in a note. Scanner and
    lab of the MIDOG21 half come from MIDOG25's table where that is at hand.

    Raises:
        SourceError: the tables are not those published, or there are no crops.
    """
    published = read_published(folder / TABLE, COLUMNS)
    names = published["dataset"] + "_" + published["uid"].astype(str) + ".png"
    table, notes = _table(published, names, crops_by_name(folder)), [f"mpp {MPP} taken for all scanners"]
    if (folder / TRAINING).is_file():
        training = set(read_published(folder / TRAINING, ("dataset_uid",))["dataset_uid"])
        table["split"] = np.where(names.isin(training), "train", "test")
    else:
        notes.append(f"no official split: {TRAINING} is not there")
    notes.append(_add_scanners(table, find(midog25.DATASET.name)))
    table = table[table["image"].notna()]
    if len(table):
        notes.extend(check_counts(table, DATASET, folder))
    return figures_from(table, folder, DATASET.title, tuple(notes))


def _table(published: pd.DataFrame, names: pd.Series[str], crops: dict[str, str]) -> pd.DataFrame:
    columns = {
        "figure_id": names.str.removesuffix(".png"),
        "image": names.map(crops),
        "x": published["x"],
        "y": published["y"],
        "case": published["dataset"] + "_" + published["slide"].str.rsplit(".", n=1).str[0],
        "slide": published["slide"],
        "dataset": DATASET.title,
        "source": published["dataset"],
        "tumor": "human breast cancer",
        "species": "human",
        "mpp": MPP,
        "label": np.where(published["majority_atypical"], Label.AMF.value, Label.NMF.value),
        "subtype": published["expert1_label"],
        "subtype_1": published["expert1_label"],
        "subtype_2": published["expert2_label"],
    }
    votes = {f"vote_{expert}": published[f"expert{expert}_atypical"] for expert in EXPERTS}
    return pd.DataFrame({**columns, **votes})


def _add_scanners(table: pd.DataFrame, other: Path | None) -> str:
    """Fill `scanner` and `lab` by file name, x and y; the note says for how many."""
    if other is None:
        return "no scanner names: MIDOG25's table, which has them, is not at hand"
    known = midog25.published(other).drop_duplicates(midog25.PLACE).set_index(midog25.PLACE)
    places = pd.MultiIndex.from_frame(table[["slide", "x", "y"]])
    tupac = (table["source"] != "MIDOG21").to_numpy()
    for column, origin in (("scanner", "Scanner"), ("lab", "Origin")):
        table[column] = known[origin].reindex(places).mask(tupac, None).to_numpy()
    return f"scanner and lab of {int(table['scanner'].notna().sum()):,} figures by joining MIDOG25 on file, x, y"


ADAPTER = Adapter(DATASET, recognizes, read)
