"""AMi-Br: mitotic figures of human breast cancer from TUPAC16 and MIDOG21, three experts, two of them with subtypes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from atypica.core.vocabulary import Label
from atypica.data.figures import Figures, figures_from
from atypica.data.sources.dataset import Adapter, Dataset, check_counts, find_crops

TABLE = "AMI-BR.csv"
TRAINING = "amibr_train_split.csv"
EXPERTS = (1, 2, 3)
MPP = 0.25

DATASET = Dataset(
    name="ami-br",
    title="AMi-Br",
    about="human breast cancer (TUPAC16, MIDOG21), votes of three experts, subtypes by two",
    figures=3720,
    amf=832,
    cases=202,
    license="MIT",
    citation="Bertram CA et al. Histologic Dataset of Normal and Atypical Mitotic Figures on Human Breast Cancer "
    "(AMi-Br). Bildverarbeitung für die Medizin (BVM) 2025.",
    url="https://github.com/DeepMicroscopy/AMi-Br_Benchmark",
    folders=("AMi-Br", "ami-br"),
)


def recognizes(folder: Path) -> bool:
    """Whether `folder` holds AMi-Br."""
    return (folder / TABLE).is_file()


def read(folder: Path, others: Callable[[str], Path | None] = lambda _: None) -> Figures:
    """Read AMi-Br: `label` by the experts' majority, `subtype` by the first expert, `split` as officially published.

    A case is a slide (there is one a patient). Figures without a crop are left out and counted in a note.

    Raises:
        SourceError: the tables are not those published.
    """
    published = pd.read_csv(folder / TABLE)
    crops = find_crops(folder, ("Atypical", "Normal", "patches", ""))
    names = published["dataset"] + "_" + published["uid"].astype(str) + ".png"
    table = _table(published, names, crops)
    notes = [f"mpp {MPP} assumed for all scanners (crops are published without it)"]
    if (folder / TRAINING).is_file():
        training = set(pd.read_csv(folder / TRAINING, usecols=["dataset_uid"])["dataset_uid"])
        table["split"] = np.where(names.isin(training), "train", "test")
    else:
        notes.append(f"no official split: {TRAINING} is not there")
    table = table[table["image"].notna()]
    if table.empty:
        return figures_from(table, folder, DATASET.title)
    return figures_from(table, folder, DATASET.title, (*notes, *check_counts(table, DATASET, folder)))


def _table(published: pd.DataFrame, names: pd.Series[str], crops: dict[str, str]) -> pd.DataFrame:
    slides = published["slide"].str.rsplit(".", n=1).str[0]
    table = pd.DataFrame(
        {
            "figure_id": names.str.removesuffix(".png"),
            "image": names.map(crops),
            "x": published["x"],
            "y": published["y"],
            "case": published["dataset"] + "_" + slides,
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
    )
    for expert in EXPERTS:
        table[f"vote_{expert}"] = published[f"expert{expert}_atypical"]
    return table


ADAPTER = Adapter(DATASET, recognizes, read)
