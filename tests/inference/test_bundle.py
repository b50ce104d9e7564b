"""A bundle is read as it was written, or refused."""

from __future__ import annotations

import hashlib
import json
import zipfile

import pytest

from atypica.core.errors import BundleError, OutputError
from atypica.inference.bundle import DEFAULT_BUNDLE, read_bundle, write_bundle
from atypica.inference.card import Card, Geometry, Thresholds

CARD = Card(
    name="test",
    version="1",
    created="2026-01-01",
    license="Apache-2.0",
    onnx_sha256="",
    geometry=Geometry(field_um=20, size_px=80),
    heads={"amf": ["AMF"]},
    thresholds=Thresholds(default=0.4, chosen_by="test"),
)


@pytest.mark.parametrize("name", ["model", "model.zip"])
def test_round_trip(tmp_path, name):
    written = write_bundle(tmp_path / name, b"graph", CARD)
    read = read_bundle(tmp_path / name)
    assert read == written
    assert read.onnx == b"graph"
    assert len(read.card.onnx_sha256) == 64


def test_the_same_bundle_gives_the_same_zip(tmp_path):
    for name in ("a.zip", "b.zip"):
        write_bundle(tmp_path / name, b"graph", CARD)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_an_older_bundle_is_replaced_whole(tmp_path):
    write_bundle(tmp_path / "model", b"old", CARD)
    (tmp_path / "model" / "stray").write_text("x")
    write_bundle(tmp_path / "model", b"new", CARD)
    assert read_bundle(tmp_path / "model").onnx == b"new"
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["card.json", "model", "model.onnx"]


def test_altered_graph_is_refused(tmp_path):
    write_bundle(tmp_path / "model", b"graph", CARD)
    (tmp_path / "model" / "model.onnx").write_bytes(b"grapf")
    with pytest.raises(BundleError, match="hash") as raised:
        read_bundle(tmp_path / "model")
    assert str(tmp_path / "model") in str(raised.value)


@pytest.fixture
def apart(tmp_path):
    """A bundle whose weights are a file of their own."""
    (tmp_path / "somewhere").write_bytes(b"weights")
    return write_bundle(tmp_path / "model", b"graph", CARD, weights=tmp_path / "somewhere")


def test_weights_apart_travel_with_the_graph_as_version_2(apart):
    assert read_bundle(apart.path) == apart
    assert apart.weights == apart.path / "model.onnx.data"
    assert apart.weights.read_bytes() == b"weights"
    card = json.loads((apart.path / "card.json").read_text())
    assert card["format_version"] == 2
    assert card["weights_sha256"] == hashlib.sha256(b"weights").hexdigest()


def test_weights_are_taken_along_when_a_bundle_is_written_over_itself(apart):
    write_bundle(apart.path, apart.onnx, apart.card, weights=apart.weights)
    assert read_bundle(apart.path) == apart


@pytest.mark.parametrize("change", ["altered", "gone", "unknown"])
def test_weights_that_the_card_does_not_know_are_refused(apart, change):
    if change == "unknown":
        write_bundle(apart.path, b"graph", CARD)
    if change == "gone":
        apart.weights.unlink()
    else:
        apart.weights.write_bytes(b"weightz")
    with pytest.raises(BundleError, match=r"hash of model\.onnx\.data"):
        read_bundle(apart.path)


def test_weights_apart_are_not_for_a_zip(apart, tmp_path):
    with pytest.raises(BundleError, match="no zip"):
        write_bundle(tmp_path / "model.zip", b"graph", CARD, weights=apart.weights)
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        for file in apart.path.iterdir():
            archive.write(file, file.name)
    with pytest.raises(BundleError, match="inside a zip") as raised:
        read_bundle(tmp_path / "packed.zip")
    assert "unpack" in raised.value.fix


def test_a_bundle_without_them_is_written_as_ever(tmp_path):
    bundle = write_bundle(tmp_path / "model", b"graph", CARD)
    text = (bundle.path / "card.json").read_text()
    assert json.loads(text)["format_version"] == 1
    assert "weights_sha256" not in text


def test_missing_incomplete_and_broken(tmp_path):
    with pytest.raises(BundleError, match="no bundle"):
        read_bundle(tmp_path / "none")
    with pytest.raises(BundleError, match="missing"):
        read_bundle(tmp_path)
    (tmp_path / "a.zip").write_bytes(b"PK no zip")
    with pytest.raises(BundleError, match="cannot be read"):
        read_bundle(tmp_path / "a.zip")


@pytest.mark.parametrize(
    ("change", "message"), [({"format_version": 99}, "version 99"), ({"treshold": 1}, "unknown setting")]
)
def test_unknown_card_is_refused(tmp_path, change, message):
    write_bundle(tmp_path / "model", b"graph", CARD)
    path = tmp_path / "model" / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BundleError, match=message):
        read_bundle(tmp_path / "model")


def test_card_that_is_no_json(tmp_path):
    write_bundle(tmp_path / "model", b"graph", CARD)
    (tmp_path / "model" / "card.json").write_text("{")
    with pytest.raises(BundleError, match="not JSON"):
        read_bundle(tmp_path / "model")


def test_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_bundle(tmp_path / "file" / "model", b"graph", CARD)


def test_no_default_model_says_so(monkeypatch, tmp_path):
    import atypica.inference.bundle as module

    monkeypatch.setattr(module, "DEFAULT_BUNDLE", tmp_path / "none")
    with pytest.raises(BundleError, match="no default model"):
        read_bundle(module.DEFAULT_BUNDLE)
    assert DEFAULT_BUNDLE.parts[-3:] == ("inference", "bundles", "default")
