"""The model bundle: `model.onnx`, `card.json` and, if known, `trained_on.txt`, in a folder or one zip file."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import atypica
from atypica.core.errors import BundleError, SettingsError
from atypica.core.files import atomic_path, sha256_bytes
from atypica.inference.card import FORMAT_VERSION, Card
from atypica.inference.trained_on import from_bytes, to_bytes

MODEL, CARD, TRAINED_ON = "model.onnx", "card.json", "trained_on.txt"
DEFAULT_BUNDLE = Path(atypica.__file__).parent / "inference" / "bundles" / "default"
"""The bundle that comes with the package."""


@dataclass(frozen=True)
class Bundle:
    """A verified model bundle.

    Attributes:
        path: the folder or zip file it was read from.
        card: what must travel with the weights.
        onnx: the graph, as bytes; its SHA-256 is `card.onnx_sha256`.
        trained_on: the hashes of the training figures (see `trained_on`); None where the bundle does not say.
    """

    path: Path
    card: Card
    onnx: bytes
    trained_on: frozenset[str] | None = None


def read_bundle(path: Path = DEFAULT_BUNDLE) -> Bundle:
    """Read and verify a bundle.

    Args:
        path: a folder, or a zip file.

    Raises:
        BundleError: missing, incomplete, of another format version, or the graph or the list of training figures is not
            the one of the card.
    """
    path = Path(path)
    contents = _contents(path)
    card = _card(contents[CARD], path)
    trained_on = contents.get(TRAINED_ON)
    _verify(path, MODEL, contents[MODEL], card.onnx_sha256)
    _verify(path, TRAINED_ON, trained_on, card.trained_on_sha256)
    return Bundle(path, card, contents[MODEL], None if trained_on is None else from_bytes(trained_on))


def _verify(path: Path, name: str, content: bytes | None, wanted: str) -> None:
    """A file that the card does not know is as suspect as one that is not there."""
    if ("" if content is None else sha256_bytes(content)) != wanted:
        raise BundleError(
            f"the bundle {path} is damaged or altered: the hash of {name} is not the one in {CARD}",
            "get the bundle again from its source",
        )


def _contents(path: Path) -> dict[str, bytes]:
    if not path.exists():
        if path == DEFAULT_BUNDLE:
            raise BundleError("this installation has no default model", "give one by --model BUNDLE")
        raise BundleError(f"there is no bundle {path}", "check --model: a folder or zip with model.onnx and card.json")
    try:
        return _from_folder(path) if path.is_dir() else _from_zip(path)
    except (KeyError, FileNotFoundError) as error:
        raise BundleError(f"{path} is not a bundle: {MODEL} or {CARD} is missing", "check --model") from error
    except (zipfile.BadZipFile, OSError) as error:
        raise BundleError(f"the bundle {path} cannot be read: {error}", "get it again from its source") from error


def _from_folder(path: Path) -> dict[str, bytes]:
    optional = [TRAINED_ON] if (path / TRAINED_ON).is_file() else []
    return {name: (path / name).read_bytes() for name in (MODEL, CARD, *optional)}


def _from_zip(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        optional = [TRAINED_ON] if TRAINED_ON in archive.namelist() else []
        return {name: archive.read(name) for name in (MODEL, CARD, *optional)}


def _card(text: bytes, path: Path) -> Card:
    try:
        values = json.loads(text)
    except ValueError as error:
        raise BundleError(f"{CARD} of {path} is not JSON: {error}", "get the bundle again from its source") from error
    version = values.get("format_version") if isinstance(values, dict) else None
    if version != FORMAT_VERSION:
        raise BundleError(
            f"the bundle {path} has format version {version}, this atypica reads {FORMAT_VERSION}",
            "update atypica, or get a bundle of this version",
        )
    try:
        return Card.parse(values, f"{CARD} of {path}")
    except SettingsError as error:
        raise BundleError(error.message, error.fix) from error


def write_bundle(target: Path, onnx: bytes, card: Card, trained_on: Iterable[str] | None = None) -> Bundle:
    """Write a bundle, whole or not at all, replacing an older one.

    Args:
        target: a folder; a zip file if it ends in `.zip`.
        onnx: the graph.
        card: its `onnx_sha256` and `trained_on_sha256` are set here.
        trained_on: the hashes of the training figures (`trained_on.hash_figures`); None where they are not known.

    Raises:
        OutputError: it cannot be written.
    """
    listed = None if trained_on is None else to_bytes(trained_on)
    hashes = {
        "onnx_sha256": sha256_bytes(onnx),
        "trained_on_sha256": "" if listed is None else sha256_bytes(listed),
    }
    card = card.model_copy(update=hashes)
    contents = {MODEL: onnx, CARD: (card.model_dump_json(indent=2) + "\n").encode()}
    if listed is not None:
        contents[TRAINED_ON] = listed
    with atomic_path(target) as temporary:
        if target.suffix.lower() == ".zip":
            _to_zip(temporary, contents)
        else:
            _to_folder(temporary, contents)
    return Bundle(target, card, onnx, None if listed is None else from_bytes(listed))


def _to_folder(path: Path, contents: dict[str, bytes]) -> None:
    path.mkdir()
    for name, data in contents.items():
        (path / name).write_bytes(data)


def _to_zip(path: Path, contents: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in contents.items():
            # A fixed date: the same bundle gives the same file.
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)
