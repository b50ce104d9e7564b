"""Where figures come from: published datasets by name; folders, images and tables by path."""

from __future__ import annotations

from pathlib import Path

from atypica.core.errors import SettingsError, SourceError
from atypica.data.figures import Figures, figures_from, read_table
from atypica.data.slide import VENDOR_SUFFIXES
from atypica.data.sources import ami_br, atnorm_br, atnorm_md, home, midog25, midogpp, omg_octo
from atypica.data.sources.dataset import Adapter, Dataset
from atypica.data.sources.folder import read_folder
from atypica.data.sources.home import data_home as data_home
from atypica.data.sources.image import read_image
from atypica.data.sources.slide_and_figures import TABLE_SUFFIXES, check_slide_and_figures
from atypica.data.sources.slides import Reading as Reading
from atypica.data.sources.slides import is_table_of_slides, read_slide, read_slides

ADAPTERS: dict[str, Adapter] = {
    module.DATASET.name: module.ADAPTER for module in (ami_br, atnorm_br, atnorm_md, midog25, omg_octo)
}
"""The published datasets of typed figures, by name."""
DATASETS: dict[str, Dataset] = {
    **{name: adapter.dataset for name, adapter in ADAPTERS.items()},
    midogpp.DATASET.name: midogpp.DATASET,
}
"""Everything that can be fetched, by name."""


def open_source(
    source: str | Path,
    *,
    data_home: Path | None = None,
    figures: Path | None = None,
    reading: Reading | None = None,
) -> Figures:
    """Open figures by a dataset's name or by a path.

    Args:
        source: a name of `ADAPTERS`; or a folder (a dataset's own, classes or cases as sub-folders, or flat), one
            image, a multi-page TIFF (one figure a page), a figure table (CSV or Parquet); a slide, with `figures`; or a
            table of slides with the columns `slide` and `figures`.
        data_home: where datasets lie; `data_home()` if None.
        figures: the file of detections on a slide.
        reading: how detections are to be understood.

    Raises:
        SourceError: no such dataset or path, or nothing usable there.
        SettingsError: classes of detections are chosen where there are none, or there is no such class.
    """
    if figures is not None:
        slide = Path(source).expanduser()
        check_slide_and_figures(slide, figures)
        return read_slide(slide, figures, reading)
    found = _open(source, data_home or home.data_home(), reading)
    if reading and reading.classes is not None and not found.slides:
        raise SettingsError(
            "--classes chooses among the detections on slides", "give --figures, or take rows out of the figure table"
        )
    return found


def _open(source: str | Path, where: Path, reading: Reading | None) -> Figures:
    adapter = ADAPTERS.get(str(source).lower())
    if adapter and not Path(source).exists():
        return _open_dataset(adapter, where)
    path = Path(source).expanduser()
    if path.is_dir():
        return _open_folder(path, where)
    if path.is_file():
        return _open_file(path, reading)
    names = ", ".join(ADAPTERS)
    raise SourceError(f"there is no dataset or path '{source}'", f"check the path, or give one of {names}")


def find_dataset(name: str, *places: Path) -> Path | None:
    """The folder of a dataset below the first of `places` that has it, None where none has."""
    adapter = ADAPTERS[name]
    folders = [place / folder for place in places for folder in adapter.dataset.folders]
    return next((folder for folder in folders if folder.is_dir() and adapter.recognizes(folder)), None)


def _open_dataset(adapter: Adapter, where: Path) -> Figures:
    dataset = adapter.dataset
    folder = find_dataset(dataset.name, where)
    if folder is None:
        raise SourceError(
            f"{dataset.title} is not in {where}",
            f"run 'atypica data fetch {dataset.name}', or set ATYPICA_DATA to where {dataset.folders[0]} lies",
        )
    return adapter.read(folder, lambda name: find_dataset(name, where))


def _open_folder(path: Path, where: Path) -> Figures:
    for adapter in ADAPTERS.values():
        if adapter.recognizes(path):
            return adapter.read(path, lambda name: find_dataset(name, path.resolve().parent, where))
    return read_folder(path)


def _open_file(path: Path, reading: Reading | None) -> Figures:
    for adapter in ADAPTERS.values():
        if adapter.read_labels and path.name == adapter.label_table:
            return adapter.read_labels(path.parent)
    if path.suffix.lower() in TABLE_SUFFIXES:
        table = read_table(path)
        if is_table_of_slides(table):
            return read_slides(table, path.parent, path.name, reading)
        return figures_from(table, path.parent, path.name)
    if path.suffix.lower() in VENDOR_SUFFIXES:
        raise SourceError(f"{path.name} is a slide", "say where its figures are with --figures FILE")
    return read_image(path)
