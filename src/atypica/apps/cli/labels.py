"""Where labels come from."""

from __future__ import annotations

from pathlib import Path

from atypica.data.figures import Figures, figures_from, read_table

TABLES = {".csv", ".parquet", ".pq"}


def open_labels(labels: str) -> Figures:
    """Open a figure table (ids alone will do), a labeled folder, or a dataset by its name.

    Raises:
        SourceError: there is none of these.
    """
    path = Path(labels)
    if path.suffix.lower() in TABLES:
        table = read_table(path)
        if "image" not in table and "figure_id" in table:
            # Labels need no pixels: ids alone will do.
            table["image"] = table["figure_id"].astype(str)
        return figures_from(table, path.parent, path.name)

    from atypica.data.sources import open_source

    return open_source(labels)
