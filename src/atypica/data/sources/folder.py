"""A folder of crops: sub-folders named like classes are labels, like parts of a split are splits, others are cases."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from atypica.core.errors import SourceError
from atypica.core.vocabulary import parse_label, parse_subtype
from atypica.data.figures import Figures, figures_from
from atypica.data.sources.image import IMAGE_SUFFIXES, page_count
from atypica.data.sources.walk import walk

SPLITS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test",
    "testing": "test",
}  # fmt: skip
AMBIGUOUS = {"0", "1", "true", "false", "other", "bipolar", "ring"}
"""Names that mean a class only where their neighbors do too; case '1' beside case '2' is no label."""
SHOWN = 6


@dataclass(frozen=True)
class Meaning:
    """What the name of a sub-folder says: one of these is set, or none for the folder itself."""

    label: str | None = None
    subtype: str | None = None
    split: str | None = None
    case: str | None = None


def read_folder(folder: Path) -> Figures:
    """Read a folder of images of any depth; `image` is the path relative to the folder.

    A TIFF of several pages gives a row a page. Files that are no images by their name are skipped and counted.

    Raises:
        SourceError: no images.
    """
    files = walk(folder)
    images = [file for file in files if PurePosixPath(file).suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        kinds = ", ".join(sorted(IMAGE_SUFFIXES))
        raise SourceError(f"{folder} has no images ({len(files)} other files)", f"give a folder with {kinds}")
    meanings = _meanings(images)
    shared = _shared_folders(images)
    rows = [row for image in images for row in _rows(folder, image, meanings, shared)]
    table = pd.DataFrame(rows).dropna(axis=1, how="all")
    return figures_from(table, folder, folder.resolve().name, _notes(files, images, meanings, table))


def _meanings(images: list[str]) -> dict[PurePosixPath, Meaning]:
    """What each sub-folder says; a name is understood together with the other names at its depth."""
    folders = sorted({parent for image in images for parent in PurePosixPath(image).parents} - {PurePosixPath()})
    depths: dict[int, set[str]] = {}
    for folder in folders:
        depths.setdefault(len(folder.parts), set()).add(folder.name)
    return {folder: _meaning(folder.name, depths[len(folder.parts)]) for folder in folders}


def _meaning(name: str, neighbors: set[str]) -> Meaning:
    words = name.strip().lower()
    certain = words not in AMBIGUOUS or all(parse_label(other) for other in neighbors)
    label, subtype = parse_label(name), parse_subtype(name)
    if label and certain:
        return Meaning(label=label.value, subtype=subtype.value if subtype else None)
    if words in SPLITS:
        return Meaning(split=SPLITS[words])
    return Meaning(case=name)


def _shared_folders(images: list[str]) -> int:
    """How many leading sub-folders all images share, but the last: as cases they tell no figure from another."""
    parents = [str(PurePosixPath(image).parent) for image in images]
    shared = len(PurePosixPath(os.path.commonpath(parents)).parts)
    deepest = max(len(PurePosixPath(parent).parts) for parent in parents)
    return shared - 1 if shared and shared == deepest else shared


def _rows(folder: Path, image: str, meanings: dict[PurePosixPath, Meaning], shared: int) -> list[dict[str, object]]:
    parents = [parent for parent in reversed(PurePosixPath(image).parents) if parent in meanings]
    said = [meanings[p] for depth, p in enumerate(parents) if depth >= shared or not meanings[p].case]
    cases = [meaning.case for meaning in said if meaning.case]
    row: dict[str, object] = {"image": image, "page": None, "case": "/".join(cases) or None}
    for column in ("label", "subtype", "split"):
        row[column] = next((getattr(meaning, column) for meaning in reversed(said) if getattr(meaning, column)), None)
    pages = page_count(folder / image)
    return [row] if pages == 1 else [{**row, "page": page} for page in range(pages)]


def _notes(
    files: list[str], images: list[str], meanings: dict[PurePosixPath, Meaning], table: pd.DataFrame
) -> tuple[str, ...]:
    notes: list[str] = []
    for column, what in (("label", "labels"), ("split", "splits")):
        read_as: dict[str, str] = {f.name: getattr(m, column) for f, m in meanings.items() if getattr(m, column)}
        if read_as:
            pairs = ", ".join(f"{name} = {value}" for name, value in sorted(read_as.items()))
            notes.append(f"sub-folders read as {what}: {pairs}")
    if "case" in table:
        names = list(dict.fromkeys(table["case"].dropna()))
        shown = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
        notes.append(f"sub-folders read as {len(names)} case{'' if len(names) == 1 else 's'}: {shown}")
        loose = int(table["case"].isna().sum())
        notes.extend([f"figures in no case's folder: {loose}"] if loose else [])
    if "page" in table:
        notes.append(f"{int(table['page'].notna().sum())} pages of TIFF stacks, a figure each")
    skipped = Counter(PurePosixPath(file).suffix.lower() or "no suffix" for file in set(files) - set(images))
    if skipped:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(skipped.items()))
        notes.append(f"skipped what is no image: {kinds}")
    return tuple(notes)
