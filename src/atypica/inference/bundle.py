"""The model bundle: `model.onnx`, `card.json` and, if known, `trained_on.txt`, in a folder or one zip file.

What an ONNX file cannot hold (2 GiB) lies beside it in `model.onnx.data`; such a bundle is a folder.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import atypica
from atypica.core.errors import BundleError, SettingsError
from atypica.core.files import atomic_path, sha256_bytes, sha256_file
from atypica.inference.card import FORMAT_VERSION, WEIGHTS_APART, Card
from atypica.inference.trained_on import from_bytes, to_bytes

MODEL, CARD, TRAINED_ON = "model.onnx", "card.json", "trained_on.txt"
WEIGHTS = f"{MODEL}.data"
WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"
"""ONNX Runtime's setting for where they lie."""
VERSIONS = (FORMAT_VERSION, WEIGHTS_APART)
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
    weights: Path | None = None
    """The file of the graph's weights (SHA-256 `card.weights_sha256`); None where they are in the graph."""


def read_bundle(path: Path = DEFAULT_BUNDLE) -> Bundle:
    """Read and verify a bundle.

    Args:
        path: a folder, or a zip file.

    Raises:
        BundleError: missing, incomplete, of another format version, or the graph, its weights or the list of training
            figures are not those of the card; or weights in a file of their own within a zip.
    """
    path = Path(path)
    contents = _contents(path)
    card = _card(contents[CARD], path)
    trained_on = contents.get(TRAINED_ON)
    weights = path / WEIGHTS if path.is_dir() and (path / WEIGHTS).is_file() else None
    _verify(path, MODEL, sha256_bytes(contents[MODEL]), card.onnx_sha256)
    _verify(path, TRAINED_ON, "" if trained_on is None else sha256_bytes(trained_on), card.trained_on_sha256)
    _verify(path, WEIGHTS, sha256_file(weights) if weights else "", card.weights_sha256)
    return Bundle(path, card, contents[MODEL], None if trained_on is None else from_bytes(trained_on), weights)


def _verify(path: Path, name: str, found: str, wanted: str) -> None:
    """A file that the card does not know is as suspect as one that is not there."""
    if found != wanted:
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
        if WEIGHTS in archive.namelist():
            raise BundleError(
                f"the weights of {path} are a file of their own, {WEIGHTS}, which cannot be read inside a zip",
                "unpack it, and give the folder",
            )
        optional = [TRAINED_ON] if TRAINED_ON in archive.namelist() else []
        return {name: archive.read(name) for name in (MODEL, CARD, *optional)}


def _card(text: bytes, path: Path) -> Card:
    try:
        values = json.loads(text)
    except ValueError as error:
        raise BundleError(f"{CARD} of {path} is not JSON: {error}", "get the bundle again from its source") from error
    version = values.get("format_version") if isinstance(values, dict) else None
    if version not in VERSIONS:
        raise BundleError(
            f"the bundle {path} has format version {version}, this atypica reads {' and '.join(map(str, VERSIONS))}",
            "update atypica, or get a bundle of this version",
        )
    try:
        return Card.parse(values, f"{CARD} of {path}")
    except SettingsError as error:
        raise BundleError(error.message, error.fix) from error


def write_bundle(
    target: Path, onnx: bytes, card: Card, trained_on: Iterable[str] | None = None, weights: Path | None = None
) -> Bundle:
    """Write a bundle, whole or not at all, replacing an older one.

    Args:
        target: a folder; a zip file if it ends in `.zip`.
        onnx: the graph.
        card: its format version and hashes are set here.
        trained_on: the hashes of the training figures (`trained_on.hash_figures`); None where they are not known.
        weights: the file that the graph reads its weights from (as `model.onnx.data`), which is copied; None where they
            are in the graph.

    Raises:
        OutputError: it cannot be written.
        BundleError: weights in a file of their own were to go into a zip.
    """
    zipped = target.suffix.lower() == ".zip"
    if zipped and weights:
        raise BundleError("a bundle with its weights in a file of their own is no zip", "write it to a folder")
    listed = None if trained_on is None else to_bytes(trained_on)
    hashes = {
        "onnx_sha256": sha256_bytes(onnx),
        "trained_on_sha256": "" if listed is None else sha256_bytes(listed),
        "weights_sha256": sha256_file(weights) if weights else "",
    }
    card = card.model_copy(update={**hashes, "format_version": WEIGHTS_APART if weights else FORMAT_VERSION})
    contents = {MODEL: onnx, CARD: _card_text(card)}
    if listed is not None:
        contents[TRAINED_ON] = listed
    with atomic_path(target) as temporary:
        if zipped:
            _to_zip(temporary, contents)
        else:
            _to_folder(temporary, contents, weights)
    return Bundle(
        target, card, onnx, None if listed is None else from_bytes(listed), target / WEIGHTS if weights else None
    )


def _card_text(card: Card) -> bytes:
    """Of a float32 bundle with its weights inside it is what it was before there were others, byte for byte."""
    silent = {name for name in ("weights_sha256", "quantization") if not getattr(card, name)}
    return (card.model_dump_json(indent=2, exclude=silent) + "\n").encode()


def _to_folder(path: Path, contents: dict[str, bytes], weights: Path | None) -> None:
    path.mkdir()
    if weights:
        shutil.copyfile(weights, path / WEIGHTS)
    for name, data in contents.items():
        (path / name).write_bytes(data)


def _to_zip(path: Path, contents: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in contents.items():
            # A fixed date: the same bundle gives the same file.
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)
