"""What is known of a published dataset, and whether a folder holds all of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from atypica.core.errors import SourceError
from atypica.core.vocabulary import Label
from atypica.data.figures import Figures
from atypica.data.sources.walk import walk

Finder = Callable[[str], Path | None]
"""Where another dataset lies, by its name; None where it is not at hand."""


@dataclass(frozen=True)
class Download:
    """Where a dataset is published.

    Attributes:
        url: of a file; of a Zenodo record (`https://zenodo.org/records/NUMBER`) all files are taken.
        filename: what to call the file here.
        part: the folder inside the archive that is wanted, "" for all of it.
        only: the one file inside the archive that is wanted, "" for all.
        unless: not needed where this file is already there.
        checksum: "md5:…" or "sha256:…" as published. None where none is known beforehand: Zenodo tells it with the
            record, otherwise the first download records it.
    """

    url: str
    filename: str
    part: str = ""
    only: str = ""
    unless: str = ""
    checksum: str | None = None


@dataclass(frozen=True)
class Dataset:
    """A published dataset.

    Attributes:
        name: as users type it.
        title: as papers print it.
        about: what it is, in a few words.
        figures: how many in all; None where that could not be confirmed.
        amf: how many of them AMF.
        cases: how many patients; None where no case ids are published.
        license: of the images and labels.
        citation: what to cite.
        url: where people find it.
        folders: names of its folder below the data home, in the order tried; `fetch` makes the first.
        downloads: what `fetch` gets.
    """

    name: str
    title: str
    about: str
    figures: int | None
    amf: int | None
    cases: int | None
    license: str
    citation: str
    url: str
    folders: tuple[str, ...]
    downloads: tuple[Download, ...]


@dataclass(frozen=True)
class Adapter:
    """How a dataset's own folder becomes a figure table.

    Attributes:
        dataset: what is known of it.
        recognizes: whether a folder holds this dataset.
        read: the folder as figures with crops; the finder leads to other datasets that complete it.
        label_table: the name of the file that `read_labels` reads, "" where there is none.
        read_labels: the published labels alone, with or without crops.
    """

    dataset: Dataset
    recognizes: Callable[[Path], bool]
    read: Callable[[Path, Finder], Figures]
    label_table: str = ""
    read_labels: Callable[[Path], Figures] | None = None


def nothing_else(_: str) -> Path | None:
    """The finder that finds nothing."""
    return None


def check_counts(table: pd.DataFrame, dataset: Dataset, folder: Path) -> tuple[str, ...]:
    """The note on how much of a dataset is there; none where it is whole.

    Args:
        table: with `label`.
        dataset: what should be there.
        folder: for the message.

    Raises:
        SourceError: as many figures as published or more, but other counts: these are not the published labels.
    """
    found, amf = len(table), int(np.sum(table["label"] == Label.AMF.value))
    if dataset.figures is None:
        return ()
    if found < dataset.figures:
        return (f"sample: {found:,} of {dataset.figures:,}",)
    if (found, amf) != (dataset.figures, dataset.amf):
        raise SourceError(
            f"{folder} has {found:,} figures, {amf:,} of them AMF; {dataset.title} was published with "
            f"{dataset.figures:,} and {dataset.amf:,}",
            f"fetch it again (atypica data fetch {dataset.name} --again), or give your own labels as a figure table",
        )
    return ()


def crop_paths(folder: Path) -> list[str]:
    """The PNG files below a folder, relative to it."""
    return [path for path in walk(folder) if path.lower().endswith(".png")]


def crops_by_name(folder: Path) -> dict[str, str]:
    """The PNG files below a folder: file name to path relative to the folder.

    Raises:
        SourceError: two files have one name, so that the name does not tell which is meant.
    """
    crops: dict[str, str] = {}
    for path in crop_paths(folder):
        other = crops.setdefault(path.rsplit("/", 1)[-1], path)
        if other != path:
            raise SourceError(f"{folder} has two crops of one name: {other} and {path}", "remove or rename one of them")
    return crops


def read_published(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """Read a dataset's own table.

    Raises:
        SourceError: it cannot be read, or a column is missing.
    """
    try:
        table = pd.read_csv(path)
    except (ValueError, OSError) as error:
        raise SourceError(f"{path} cannot be read: {error}", "fetch the dataset again") from error
    missing = [column for column in columns if column not in table]
    if missing:
        raise SourceError(f"{path} has no column {', '.join(missing)}", "fetch the dataset again")
    return table
