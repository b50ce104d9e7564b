"""Tables written whole or not at all."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from atypica.core.errors import SettingsError
from atypica.core.files import atomic_path

if TYPE_CHECKING:
    import pandas as pd

PARQUET = {".parquet", ".pq"}


def check_table_name(path: Path) -> None:
    """Refuse a name that says neither CSV nor Parquet, before there is anything to write.

    Raises:
        SettingsError: another suffix than .csv, .parquet or .pq.
    """
    if path.suffix.lower() not in {".csv", *PARQUET}:
        raise SettingsError(f"{path} is no name of a table", "let it end in .csv or .parquet")


def write_table(table: pd.DataFrame, path: Path) -> Path:
    """Write a table without its index as CSV (UTF-8) or Parquet, by the suffix, whole or not at all.

    Raises:
        SettingsError: another suffix than .csv, .parquet or .pq.
        OutputError: it cannot be written.
    """
    check_table_name(path)
    write = table.to_parquet if path.suffix.lower() in PARQUET else table.to_csv
    with atomic_path(path) as temporary:
        partial(write, index=False)(temporary)
    return path
