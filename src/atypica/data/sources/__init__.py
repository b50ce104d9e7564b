"""Where figures come from: published datasets by name, folders, images and tables by path."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from atypica.core.errors import SourceError
from atypica.data.figures import Figures
from atypica.data.sources import ami_br, home
from atypica.data.sources.dataset import Adapter
from atypica.data.sources.home import data_home as data_home

ADAPTERS: dict[str, Adapter] = {adapter.dataset.name: adapter for adapter in (ami_br.ADAPTER,)}
"""The published datasets, by name."""


def open_source(source: str | Path, *, data_home: Path | None = None) -> Figures:
    """Open figures by a dataset's name or by a path.

    Args:
        source: a name of `ADAPTERS`; or a folder (a dataset's own, classes or cases as sub-folders, or flat), one
            image, a multi-page TIFF (one figure a page), or a figure table (CSV or Parquet).
        data_home: where datasets lie; `data_home()` if None.

    Raises:
        SourceError: no such dataset or path, or nothing usable there.
    """
    where = data_home or home.data_home()
    adapter = ADAPTERS.get(str(source).lower())
    if adapter:
        return _open_dataset(adapter, where)
    path = Path(source)
    for known in ADAPTERS.values():
        if path.is_dir() and known.recognizes(path):
            return known.read(path, partial(find_dataset, where=where))
    raise SourceError(f"there is no dataset or path '{source}'", f"give a path, or one of {', '.join(ADAPTERS)}")


def find_dataset(name: str, where: Path) -> Path | None:
    """The folder of a dataset below `where`, None where it is not there."""
    adapter = ADAPTERS[name]
    places = [where / folder for folder in adapter.dataset.folders]
    return next((place for place in places if place.is_dir() and adapter.recognizes(place)), None)


def _open_dataset(adapter: Adapter, where: Path) -> Figures:
    folder = find_dataset(adapter.dataset.name, where)
    if folder is None:
        raise SourceError(
            f"{adapter.dataset.title} is not in {where}",
            f"run 'atypica data fetch {adapter.dataset.name}', or set ATYPICA_DATA to the folder that holds it",
        )
    return adapter.read(folder, partial(find_dataset, where=where))
