"""Datasets from their public homes: with checksum, resumable, from a mirror where one is named."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pooch

from atypica.core.errors import AtypicaError, DownloadError, OutputError, SourceError
from atypica.core.files import atomic_path
from atypica.data.fetch import checksums
from atypica.data.fetch.archive import Wanted, is_archive, unpack
from atypica.data.fetch.remote import Remote, resolve
from atypica.data.fetch.resume import PAUSE_S, ResumingDownloader
from atypica.data.sources import ADAPTERS, DATASETS, find_dataset
from atypica.data.sources.dataset import Dataset, Download
from atypica.data.sources.home import data_home

DOWNLOADS = "downloads"
MIRROR = "ATYPICA_MIRROR"

Say = Callable[[str], None]


def fetch(
    name: str,
    *,
    home: Path | None = None,
    mirror: str | None = None,
    again: bool = False,
    say: Say = lambda _: None,
    pause: float = PAUSE_S,
) -> Path:
    """Bring a dataset into the data home, whole or not at all.

    What was downloaded stays in `HOME/downloads`, so that a cut download goes on and datasets that share an archive
    share the download. Checksums are those that the publisher states; where none are stated, the first download's is
    recorded in `HOME/downloads/checksums.json`, said, and asked of every later one.

    Args:
        name: one of `DATASETS`.
        home: where datasets lie; `data_home()` if None.
        mirror: an address that repeats the public ones as `MIRROR/HOST/PATH`; the setting ATYPICA_MIRROR if None.
        again: download anew, replace what is there, and take a changed file for the new one.
        say: called with a line about every step.
        pause: seconds before a failed connection is tried again; doubled each time.

    Returns:
        the dataset's folder.

    Raises:
        SourceError: no such dataset.
        DownloadError: no connection, a wrong checksum, or not the dataset that was expected.
        OutputError: the home cannot be written.
    """
    dataset = DATASETS.get(name.lower())
    if dataset is None:
        raise SourceError(f"there is no dataset '{name}'", f"choose one of {', '.join(DATASETS)}")
    where = home or data_home()
    target = where / dataset.folders[0]
    if target.exists() and not again:
        say(f"{dataset.title} is already in {target}")
        return target
    try:
        with atomic_path(target) as temporary:
            temporary.mkdir()
            for download in dataset.downloads:
                _bring(download, temporary, where / DOWNLOADS, mirror or os.environ.get(MIRROR), again, say, pause)
            _lift(dataset, temporary)
            found = _check(dataset, temporary, where)
    except OSError as error:
        raise OutputError(f"cannot write to {where}: {error.strerror}", "free some space, or choose --home") from error
    say(f"{dataset.title} is in {target}")
    say(f"  license: {dataset.license}; cite: {dataset.citation}")
    for line in found:
        say(f"  {line}")
    return target


def _bring(
    download: Download, target: Path, folder: Path, mirror: str | None, again: bool, say: Say, pause: float
) -> None:
    if download.unless and (target / download.unless).is_file():
        return
    for remote in resolve(download, mirror):
        path = _retrieve(remote, folder, again, say, pause)
        if is_archive(path):
            count = unpack(path, target, _wanted(download))
            if not count and not download.only:
                raise DownloadError(f"{path.name} holds no folder {download.part}", "the publisher changed its layout")
        else:
            shutil.copyfile(path, target / remote.filename)


def _retrieve(remote: Remote, folder: Path, again: bool, say: Say, pause: float) -> Path:
    """The downloaded file, verified against the checksum that is published or was recorded."""
    if again and not remote.checksum:
        (folder / remote.filename).unlink(missing_ok=True)
        checksums.forget(folder, remote.filename)
    known = remote.checksum or checksums.recorded(folder, remote.filename)
    pooch.get_logger().setLevel(logging.ERROR)
    say(f"{remote.filename} from {remote.url}")
    downloader = ResumingDownloader(folder / f"{remote.filename}.part", remote.filename, pause)
    try:
        path = pooch.retrieve(remote.url, known, fname=remote.filename, path=folder, downloader=downloader)
    except ValueError as error:
        raise _wrong_checksum(remote, folder) from error
    if remote.checksum:
        say(f"  checksum as published ({remote.checksum})")
    elif not known:
        digest = checksums.record(folder, remote.filename, remote.url)
        say(f"  no checksum is published: sha256 {digest} recorded in {folder / checksums.FILE}")
    else:
        say("  checksum as recorded at the first download")
    return Path(path)


def _wrong_checksum(remote: Remote, folder: Path) -> DownloadError:
    if remote.checksum:
        return DownloadError(
            f"{remote.filename} arrived with another checksum than published ({remote.checksum}); it was removed",
            "run the same command again; if it stays so, do not use that address",
        )
    return DownloadError(
        f"{remote.filename} is not the file of the first download (see {folder / checksums.FILE}); it was removed",
        "if the publisher has changed it, and you want the new one, add --again",
    )


def _wanted(download: Download) -> Wanted:
    """Where members of an archive go: the wanted part or file, without the folders above it."""

    def place(path: PurePosixPath) -> PurePosixPath | None:
        if download.only:
            return PurePosixPath(download.only) if path.name.lower() == download.only.lower() else None
        if not download.part:
            return path
        above, _, below = str(path).partition(f"{download.part}/")
        return PurePosixPath(below) if below and above.count("/") <= 1 and (not above or above[-1] == "/") else None

    return place


def _lift(dataset: Dataset, folder: Path) -> None:
    """Where the archive put the dataset into a sub-folder, bring its content up."""
    adapter = ADAPTERS.get(dataset.name)
    if adapter is None or adapter.recognizes(folder):
        return
    inner = [path for path in sorted(folder.rglob("*")) if path.is_dir() and adapter.recognizes(path)]
    if len(inner) == 1:
        for path in list(inner[0].iterdir()):
            if not (folder / path.name).exists():
                path.rename(folder / path.name)


def _check(dataset: Dataset, folder: Path, where: Path) -> tuple[str, ...]:
    """Open what was fetched, which checks the counts; what there is to say of it."""
    adapter = ADAPTERS.get(dataset.name)
    if adapter is None:
        return ()
    try:
        figures = adapter.read(folder, lambda name: find_dataset(name, where))
    except AtypicaError as error:
        # The folder is a temporary one, whose name would tell nobody anything.
        reason = error.message.replace(str(folder), dataset.title)
        raise DownloadError(f"{dataset.title} was fetched, but cannot be used: {reason}", error.fix) from error
    return (f"{len(figures):,} figures, {int((figures.labels == 1).sum()):,} of them AMF", *figures.notes)
