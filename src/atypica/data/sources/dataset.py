"""What is known of a published dataset, and whether a folder holds all of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from atypica.core.errors import SourceError
from atypica.data.figures import Figures


@dataclass(frozen=True)
class Archive:
    """A file that the dataset is published in.

    Attributes:
        url: where it lies.
        filename: what to call it here.
        part: the folder inside the archive that is wanted, "" for all of it.
        checksum: "sha256:…" or "md5:…" as published; None where none is, then the first download records it.
        unpack: whether it is an archive rather than a file to keep as it is.
    """

    url: str
    filename: str
    part: str = ""
    checksum: str | None = None
    unpack: bool = True


@dataclass(frozen=True)
class Dataset:
    """A published dataset.

    Attributes:
        name: as users type it.
        title: as papers print it.
        about: one sentence.
        figures: how many in all; 0 where this is not known for sure.
        amf: how many of them AMF.
        cases: how many patients, None where none are published.
        license: of the images and labels.
        citation: the paper to cite.
        url: where people find it.
        folders: names of the folder below the data home, in the order tried.
        archives: what `fetch` downloads.
    """

    name: str
    title: str
    about: str
    figures: int
    amf: int
    cases: int | None
    license: str
    citation: str
    url: str
    folders: tuple[str, ...]
    archives: tuple[Archive, ...] = ()


@dataclass(frozen=True)
class Adapter:
    """How a dataset's own folder becomes a figure table.

    Attributes:
        dataset: what is known of it.
        recognizes: whether a folder holds this dataset.
        read: the folder as figures; `others` finds the folder of another dataset by name, or None.
    """

    dataset: Dataset
    recognizes: Callable[[Path], bool]
    read: Callable[[Path, Callable[[str], Path | None]], Figures]


def check_counts(table: pd.DataFrame, dataset: Dataset, folder: Path) -> tuple[str, ...]:
    """The note on how much of a dataset is there; nothing to note where it is whole.

    Args:
        table: with `label`.
        dataset: what should be there.
        folder: for the message.

    Raises:
        SourceError: as many figures as published or more, but other counts: not the published labels.
    """
    found, amf = len(table), int(np.sum(table["label"] == "AMF"))
    if not dataset.figures:
        return ()
    if found < dataset.figures:
        return (f"sample: {found:,} of {dataset.figures:,} figures of {dataset.title}",)
    if (found, amf) != (dataset.figures, dataset.amf):
        raise SourceError(
            f"{folder} has {found:,} figures, {amf:,} of them AMF; {dataset.title} has {dataset.figures:,} and "
            f"{dataset.amf:,}",
            f"fetch it again from {dataset.url}, or give the labels as your own figure table",
        )
    return ()


def find_crops(folder: Path, names: tuple[str, ...] = ("",)) -> dict[str, str]:
    """The PNG files right under `folder` or its sub-folders `names`: file name to path relative to `folder`."""
    places = [folder / name for name in names]
    found = [path for place in places if place.is_dir() for path in sorted(place.iterdir())]
    return {path.name: path.relative_to(folder).as_posix() for path in found if path.suffix.lower() == ".png"}
