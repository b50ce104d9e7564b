"""Text that may be shown: the ids a person gave, never the folders of their machine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

Shown = Callable[[object], str]
"""Turns a value into the text that a report may carry."""

HOME_DEPTH = 3
"""`/home/ann` has three parts; what images share is cut out only where no home is left behind."""
_FOLDERS = re.compile(r"""(?:\b[A-Za-z]:[\\/]|\\\\|(?<![\w.:/~-])~?/)(?:[^\s\\/:'",;()]+[\\/])*(?=[^\s\\/])""")


def without_folders(root: Path, images: Iterable[object] = ()) -> Shown:
    """A function that cuts absolute folders out of text: `/home/ann/a/b.png` is shown as `b.png`, or `a/b.png`
    where `root` is `/home/ann`.

    Args:
        root: the folder that relative image paths start from.
        images: the image paths as given; of absolute ones only what tells them apart is shown.
    """
    known = {str(folder) for folder in (root, root.absolute(), Path.home())} | _image_folders(images)
    known -= {".", "/"}
    prefixes = sorted(known, key=len, reverse=True)

    def shown(value: object) -> str:
        text = str(value)
        for prefix in prefixes:
            text = text.replace(f"{prefix}/", "").replace(f"{prefix}\\", "")
        return _FOLDERS.sub("", text)

    return shown


def _image_folders(images: Iterable[object]) -> set[str]:
    """The folder that all absolute image paths share, where it is as deep as a home, else the folder of each."""
    folders = {folder for image in images if (folder := _folder(str(image))) is not None}
    lines = [{folder, *folder.parents} for folder in folders]
    shared = list(set[PurePath].intersection(*lines)) if lines else []
    common = max(shared, key=lambda folder: len(folder.parts), default=PurePath())
    return {str(common)} if len(common.parts) >= HOME_DEPTH else {str(folder) for folder in folders}


def _folder(image: str) -> PurePath | None:
    for path in (PurePosixPath(image), PureWindowsPath(image)):
        if path.is_absolute() and len(path.parts) > 2:
            return path.parent
    return None
