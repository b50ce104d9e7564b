"""OMG-Octo Atypical: mitotic figures typed by the authors of OMG-Net.

The layout is not confirmed against the Zenodo record. It follows what public code that uses the data expects: a CSV
with `image_file` and `label` (MF for normal, AMF, and other words for what is neither), crops named
`<case>_x<column>_y<row>_<box>.png`. A folder for each class is read as well. A preparation in public has 379 NMF and
1,378 AMF of 125 cases, which is not checked here.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from atypica.core.errors import SourceError
from atypica.core.vocabulary import Label, parse_label
from atypica.data.figures import Figures, figures_from
from atypica.data.sources.dataset import Adapter, Dataset, Download, Finder, crops_by_name, nothing_else

IMAGE, LABEL = "image_file", "label"

DATASET = Dataset(
    name="omg-octo",
    title="OMG-Octo Atypical",
    about="pan-cancer, by the authors of OMG-Net; mostly AMF",
    figures=None,
    amf=None,
    cases=None,
    license="as stated in the Zenodo record",
    citation="Shen Z et al. OMG-Octo Atypical: A Refinement of the Original OMG-Octo Database to Incorporate Atypical "
    "Mitoses. Zenodo 2025.",
    url="https://zenodo.org/records/16107743",
    folders=("OMG-Octo", "omg-octo", "OMG-Octo-Atypical"),
    downloads=(Download("https://zenodo.org/records/16107743", "zenodo-16107743"),),
)


def recognizes(folder: Path) -> bool:
    """Whether `folder` holds OMG-Octo: by its table, or by its name."""
    return folder.name.lower().startswith("omg-octo") or _label_table(folder) is not None


def read(folder: Path, find: Finder = nothing_else) -> Figures:
    """Read OMG-Octo; `case` is the crop's name up to the first underscore. Other labels than MF and AMF are left out.

    Raises:
        SourceError: no crops, or neither a label table nor class folders.
    """
    crops = crops_by_name(folder)
    path = _label_table(folder)
    if path:
        source = pd.read_csv(path)
        names, labels = [str(name) for name in source[IMAGE]], [_label(word) for word in source[LABEL]]
    else:
        names = list(crops)
        labels = [_label(Path(crops[name]).parent.name) for name in names]
    rows = [(name, label) for name, label in zip(names, labels, strict=True) if label and name in crops]
    if not rows:
        raise SourceError(
            f"{folder} has no crops with a label", f"bring a CSV with {IMAGE} and {LABEL}, or folders AMF and MF"
        )
    left_out = f"{len(names) - len(rows)} rows without a crop or with a label that is neither MF nor AMF left out"
    notes = ("no mpp is published", *((left_out,) if len(rows) < len(names) else ()))
    return figures_from(_table(rows, crops), folder, DATASET.title, notes)


def _table(rows: list[tuple[str, Label]], crops: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "figure_id": [f"OMG-Octo_{Path(name).stem}" for name, _ in rows],
            "image": [crops[name] for name, _ in rows],
            "case": ["OMG-Octo_" + name.split("_", 1)[0] for name, _ in rows],
            "dataset": DATASET.title,
            "label": [label for _, label in rows],
        }
    )


def _label(word: object) -> Label | None:
    return Label.NMF if str(word).strip().upper() == "MF" else parse_label(word)


def _label_table(folder: Path) -> Path | None:
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8", errors="replace") as handle:
            columns = handle.readline().strip().split(",")
        if IMAGE in columns and LABEL in columns:
            return path
    return None


ADAPTER = Adapter(DATASET, recognizes, read)
