"""The model bundle: `model.onnx` and `card.json`, in a folder or one zip file."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import atypica
from atypica.core.errors import BundleError, SettingsError
from atypica.core.files import atomic_path, sha256_bytes
from atypica.inference.card import FORMAT_VERSION, Card

MODEL, CARD = "model.onnx", "card.json"
DEFAULT_BUNDLE = Path(atypica.__file__).parent / "inference" / "bundles" / "default"
"""The bundle that comes with the package."""


@dataclass(frozen=True)
class Bundle:
    """A verified model bundle.

    Attributes:
        path: the folder or zip file it was read from.
        card: what must travel with the weights.
        onnx: the graph, as bytes; its SHA-256 is `card.onnx_sha256`.
    """

    path: Path
    card: Card
    onnx: bytes


def read_bundle(path: Path = DEFAULT_BUNDLE) -> Bundle:
    """Read and verify a bundle.

    Args:
        path: a folder, or a zip file.

    Raises:
        BundleError: missing, incomplete, of another format version, or the graph is not the one of the card.
    """
    path = Path(path)
    contents = _contents(path)
    card = _card(contents[CARD], path)
    if sha256_bytes(contents[MODEL]) != card.onnx_sha256:
        raise BundleError(
            f"the bundle {path} is damaged or altered: the hash of {MODEL} is not the one in {CARD}",
            "get the bundle again from its source",
        )
    return Bundle(path, card, contents[MODEL])


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
    return {name: (path / name).read_bytes() for name in (MODEL, CARD)}


def _from_zip(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in (MODEL, CARD)}


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


def write_bundle(target: Path, onnx: bytes, card: Card) -> Bundle:
    """Write a bundle, whole or not at all, replacing an older one.

    Args:
        target: a folder; a zip file if it ends in `.zip`.
        onnx: the graph.
        card: its `onnx_sha256` is set here.

    Raises:
        OutputError: it cannot be written.
    """
    card = card.model_copy(update={"onnx_sha256": sha256_bytes(onnx)})
    contents = {MODEL: onnx, CARD: (card.model_dump_json(indent=2) + "\n").encode()}
    with atomic_path(target) as temporary:
        if target.suffix.lower() == ".zip":
            _to_zip(temporary, contents)
        else:
            _to_folder(temporary, contents)
    return Bundle(target, card, onnx)


def _to_folder(path: Path, contents: dict[str, bytes]) -> None:
    path.mkdir()
    for name, data in contents.items():
        (path / name).write_bytes(data)


def _to_zip(path: Path, contents: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in contents.items():
            # A fixed date: the same bundle gives the same file.
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)
