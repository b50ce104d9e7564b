"""The figure table: one row a mitotic figure, the same columns from every source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from atypica.core.errors import SourceError
from atypica.core.vocabulary import Label, parse_label, parse_subtype

KEYS = ("figure_id", "image", "page", "x", "y", "case", "slide", "dataset")
"""The columns that say which figure a row is; predictions repeat them."""
DETECTION = ("detection_score", "detection_class")
"""What a detector said of a figure; predictions repeat these too."""
CONTEXT = ("tumor", "species", "scanner", "lab", "mpp")
TRUTH = ("label", "subtype")
TEXT_COLUMNS = (
    *(key for key in KEYS if key not in {"page", "x", "y"}),
    "tumor",
    "species",
    "scanner",
    "lab",
    "detection_class",
    *TRUTH,
)
NUMBER_COLUMNS = ("page", "x", "y", "mpp", "detection_score")


@dataclass(frozen=True)
class ListedSlide:
    """A slide that was named as such, whether figures lie on it or not.

    Attributes:
        image: its path, as the figure table names it.
        slide: its name.
        case: the patient; None where unknown.
        mpp: micrometers per pixel that a person said, None where nobody did.
        reasons: what there is to say of its detections, as sentences without a full stop.
    """

    image: str
    slide: str
    case: str | None = None
    mpp: float | None = None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Figures:
    """A figure table with the place its images are relative to.

    Attributes:
        table: one row a figure, RangeIndex. Columns as in the documentation's "figure table"; only `figure_id`
            and `image` are always there. Text columns hold str or None, `page`, `x`, `y`, `mpp`, `detection_score`
            floats with NaN for blank, `label` and `subtype` the values of `Label` and `Subtype`; `vote_1`… floats
            (1 AMF, 0 NMF, NaN not read) and `subtype_1`… the values of `Subtype` or None.
        root: the folder that relative `image` paths start from.
        name: what to call this source in messages and reports.
        notes: what was understood and assumed, as sentences for the person.
        slides: the slides that were named as such, in that order; also those without figures.
    """

    table: pd.DataFrame
    root: Path
    name: str
    notes: tuple[str, ...] = ()
    slides: tuple[ListedSlide, ...] = ()

    def __len__(self) -> int:
        return len(self.table)

    def path(self, image: str) -> Path:
        """Where the file of one `image` entry lies."""
        return self.root / image

    def where(self, mask: NDArray[np.bool_] | pd.Series[bool]) -> Figures:
        """The rows where `mask` holds, renumbered from 0."""
        return replace(self, table=self.table.loc[np.asarray(mask)].reset_index(drop=True))

    @property
    def labels(self) -> NDArray[np.float64]:
        """1 for AMF, 0 for NMF, NaN for unlabeled; shape (figures,)."""
        if "label" not in self.table:
            return np.full(len(self), np.nan)
        known = {Label.AMF.value: 1.0, Label.NMF.value: 0.0}
        return np.array([known.get(value, np.nan) for value in self.table["label"]], dtype=np.float64)

    @property
    def votes(self) -> NDArray[np.float64]:
        """The experts' votes, shape (figures, experts); experts may be 0."""
        columns = numbered(self.table, "vote_")
        return self.table[columns].to_numpy(dtype=np.float64).reshape(len(self), len(columns))

    @property
    def cases(self) -> NDArray[np.object_]:
        """The case of each figure, shape (figures,).

        Raises:
            SourceError: there is no `case` column, or it has blanks.
        """
        if "case" not in self.table or self.table["case"].isna().any():
            raise SourceError(f"{self.name} has figures without a case", "fill the column 'case' (the patient)")
        return self.table["case"].to_numpy(dtype=object)


def numbered(table: pd.DataFrame, prefix: str) -> list[str]:
    """The columns `prefix1`, `prefix2`… in the order of their number."""
    found = [name for name in table.columns if str(name).startswith(prefix) and str(name)[len(prefix) :].isdigit()]
    return sorted(found, key=lambda name: int(name[len(prefix) :]))


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV or Parquet file as it stands: text columns as str, blanks as missing.

    Raises:
        SourceError: the file is missing, of another type, or cannot be parsed; its fields are not separated by
            commas, a column stands twice, or rows have more fields than there are columns.
    """
    if not path.is_file():
        raise SourceError(f"there is no table {path}", "check the path")
    try:
        if path.suffix.lower() in {".parquet", ".pq"}:
            return pd.read_parquet(path)
        head = pd.read_csv(path, header=None, nrows=1, dtype="object")
        table = pd.read_csv(path, dtype=dict.fromkeys(TEXT_COLUMNS, "object"), keep_default_na=True)
    except (ValueError, OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read as a table: {error}", "save it as CSV (UTF-8) or Parquet") from error
    check_columns(path, [str(name) for name in head.iloc[0].dropna()])
    if not isinstance(table.index, pd.RangeIndex):
        raise SourceError(f"{path} has rows of more fields than columns", "mend them; quote fields that hold commas")
    return table


def check_columns(path: Path, names: list[str]) -> None:
    if len(names) == 1 and (mark := next((mark for mark in ";\t|" if mark in names[0]), None)):
        shown = "tabs" if mark == "\t" else f"'{mark}'"
        raise SourceError(f"{path} separates its fields by {shown}", "save it with commas, or as Parquet")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SourceError(f"{path} has more than one column {', '.join(map(repr, twice))}", "keep one of each")


def figures_from(table: pd.DataFrame, root: Path, name: str, notes: tuple[str, ...] = ()) -> Figures:
    """Bring a table to the schema: types, spellings of labels, ids where there are none.

    Args:
        table: at least the column `image`.
        root: the folder that relative paths start from.
        name: the source, for messages.
        notes: what the caller already understood.

    Raises:
        SourceError: no `image` column, no rows, a repeated `figure_id`, a label, subtype or vote that is none,
            or a number column with text; the message names the first such rows.
    """
    if "image" not in table:
        columns = ", ".join(map(str, table.columns))
        raise SourceError(f"{name} has no column 'image' (it has: {columns})", "name the column of paths 'image'")
    if table.empty:
        raise SourceError(f"{name} has no figures", "check the source")
    tidy = table.reset_index(drop=True).copy()
    for column in TEXT_COLUMNS:
        if column in tidy:
            tidy[column] = tidy_text(tidy[column])
    for column in NUMBER_COLUMNS:
        if column in tidy:
            tidy[column] = tidy_numbers(tidy[column], name)
    if "label" in tidy:
        tidy["label"] = _parsed(tidy["label"], parse_label, name)
    for column in ["subtype", *numbered(tidy, "subtype_")]:
        if column in tidy:
            tidy[column] = _parsed(tidy_text(tidy[column]), parse_subtype, name)
    for column in numbered(tidy, "vote_"):
        tidy[column] = _votes(tidy[column], name)
    tidy["figure_id"] = _ids(tidy, name)
    return Figures(_ordered(tidy), root, name, notes)


def tidy_text(values: pd.Series[Any]) -> pd.Series[Any]:
    """Entries as text without blanks around it; None where there is nothing."""
    return pd.Series(
        [None if pd.isna(v) or str(v).strip() == "" else _plain(v) for v in values],
        index=values.index,
        dtype=object,
        name=values.name,
    )


def _plain(value: object) -> str:
    """3.0, which pandas makes of 3 in a column with blanks, is '3' again."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def tidy_numbers(values: pd.Series[Any], name: str) -> pd.Series[Any]:
    """Entries as floats, NaN for blank.

    Raises:
        SourceError: some are no numbers; `name` is that of the table.
    """
    numbers = pd.to_numeric(values, errors="coerce").astype(np.float64)
    _refuse(values, numbers.isna() & values.notna(), name, "a number")
    return numbers


def _parsed(values: pd.Series[Any], parse: Any, name: str) -> pd.Series[Any]:
    parsed = [None if value is None or pd.isna(value) else parse(value) for value in values]
    result = pd.Series([p and p.value for p in parsed], index=values.index, dtype=object, name=values.name)
    _refuse(values, result.isna() & values.notna(), name, "a known name")
    return result


def _votes(values: pd.Series[Any], name: str) -> pd.Series[Any]:
    labels = _parsed(tidy_text(values), parse_label, name)
    return labels.map({Label.AMF.value: 1.0, Label.NMF.value: 0.0}).astype(np.float64)


def _refuse(values: pd.Series[Any], bad: pd.Series[bool], name: str, wanted: str) -> None:
    if bad.any():
        rows = ", ".join(f"row {row + 2}: {values[row]!r}" for row in values.index[bad][:3])
        raise SourceError(
            f"{name}, column '{values.name}': {int(bad.sum())} entries are not {wanted} ({rows})",
            "mend or blank them",
        )


def _ids(table: pd.DataFrame, name: str) -> pd.Series[Any]:
    if "figure_id" not in table or table["figure_id"].isna().all():
        return _ids_from_images(table)
    ids = table["figure_id"]
    _refuse(ids, ids.isna() | ids.duplicated(), name, "unique (blank or repeated figure_id)")
    return ids


def _ids_from_images(table: pd.DataFrame) -> pd.Series[Any]:
    ids = table["image"].fillna("").astype(str)
    for column in ("page", "x", "y"):
        if column in table:
            ids = ids + [f"#{column}={value:g}" if pd.notna(value) else "" for value in table[column]]
    repeats = ids.groupby(ids).cumcount()
    return pd.Series([f"{i}#{n + 1}" if n else i for i, n in zip(ids, repeats, strict=True)], dtype=object)


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    known = [*KEYS, *DETECTION, *CONTEXT, *TRUTH, *numbered(table, "vote_"), *numbered(table, "subtype_")]
    first = [column for column in known if column in table]
    return table[[*first, *(column for column in table.columns if column not in first)]]
