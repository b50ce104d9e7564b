"""A model knows the figures that it was trained on, by their pixels, and says so of each."""

from __future__ import annotations

import hashlib
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tiny_model import tiny_card, tiny_graph

from atypica.apps.cli.calibrate import calibrate
from atypica.apps.cli.main import run
from atypica.core.errors import BundleError, SourceError
from atypica.data.figures import figures_from
from atypica.data.sources import open_source
from atypica.inference.bundle import read_bundle, write_bundle
from atypica.inference.model import Model, load_model
from atypica.inference.trained_on import figure_hash, flattery, from_bytes, hash_figures, to_bytes
from atypica.reporting.report import render_report


@pytest.fixture
def crops(tmp_path):
    """Six crops of noise, four of them listed as training figures."""
    rng = np.random.default_rng(4)
    folder = tmp_path / "crops"
    folder.mkdir()
    for number in range(6):
        Image.fromarray(rng.integers(0, 256, (96, 96, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    return folder


def figures(folder, names):
    return figures_from(pd.DataFrame({"image": list(names)}), folder, "noise")


@pytest.fixture
def bundle(crops, tmp_path):
    known = hash_figures(figures(crops, [f"{number}.png" for number in range(4)]))
    return write_bundle(tmp_path / "model", tiny_graph(), tiny_card(), known)


def test_the_hash_is_that_of_the_documentation(crops):
    image = Image.open(crops / "0.png")
    wanted = hashlib.sha256(b"(96, 96, 3)" + image.tobytes()).hexdigest()[:16]
    pixels = np.asarray(image)
    assert figure_hash(pixels) == wanted
    assert hash_figures(figures(crops, ["0.png"])) == {wanted}
    flipped = np.ascontiguousarray(pixels[::-1])
    assert figure_hash(flipped) == figure_hash(pixels[::-1]) != wanted
    assert figure_hash(np.zeros((2, 8, 3), np.uint8)) != figure_hash(np.zeros((8, 2, 3), np.uint8))


def test_another_file_with_the_same_pixels_has_the_same_hash(crops):
    Image.open(crops / "0.png").save(crops / "copy.tif", compression="tiff_lzw")
    assert len(hash_figures(figures(crops, ["0.png", "copy.tif"]))) == 1


def test_a_figure_that_cannot_be_read_stops_the_list(crops):
    with pytest.raises(SourceError, match=r"noise cannot be read.*gone\.png"):
        hash_figures(figures(crops, ["0.png", "gone.png"]))


def test_the_list_is_sorted_lines():
    hashes = ["f" * 16, "0" * 16, "f" * 16]
    assert to_bytes(hashes) == b"0" * 16 + b"\n" + b"f" * 16 + b"\n"
    assert from_bytes(to_bytes(hashes)) == set(hashes)
    with pytest.raises(BundleError, match="no hash: 'xyz'"):
        from_bytes(b"xyz\n")


@pytest.mark.parametrize("name", ["model", "model.zip"])
def test_a_bundle_keeps_its_list(tmp_path, name):
    written = write_bundle(tmp_path / name, b"graph", tiny_card(), ["a" * 16, "b" * 16])
    assert read_bundle(tmp_path / name) == written
    assert written.trained_on == {"a" * 16, "b" * 16}
    assert written.card.trained_on_sha256 == hashlib.sha256(b"a" * 16 + b"\n" + b"b" * 16 + b"\n").hexdigest()


def test_a_bundle_without_a_list_is_read_as_ever(tiny_bundle):
    assert not (tiny_bundle / "trained_on.txt").exists()
    assert read_bundle(tiny_bundle).trained_on is None


@pytest.mark.parametrize("change", ["altered", "removed", "added"])
def test_a_list_that_the_card_does_not_know_is_refused(bundle, tiny_bundle, tmp_path, change):
    path = tmp_path / "changed"
    shutil.copytree(tiny_bundle if change == "added" else bundle.path, path)
    listed = path / "trained_on.txt"
    if change == "removed":
        listed.unlink()
    else:
        listed.write_text("a" * 16 + "\n")
    with pytest.raises(BundleError, match=r"altered: the hash of trained_on\.txt"):
        read_bundle(path)


def test_training_figures_are_marked_and_unreadable_ones_left_blank(bundle, crops):
    (crops / "5.png").write_bytes(b"none")
    result = Model(bundle).classify(figures(crops, [f"{number}.png" for number in range(6)]))
    assert result.predictions["in_training"].tolist() == [True] * 4 + [False, pd.NA]


def test_without_a_list_nothing_is_claimed(tiny_bundle, crops):
    predictions = load_model(tiny_bundle).classify(figures(crops, ["0.png"])).predictions
    assert predictions["in_training"].isna().all()


def test_arrays_are_looked_up_too(bundle, crops):
    arrays = [np.asarray(Image.open(crops / f"{number}.png")) for number in (0, 5)]
    assert Model(bundle).classify(arrays).predictions["in_training"].tolist() == [True, False]


def test_screen_table_and_report_say_so(bundle, crops, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    monkeypatch.setattr("sys.argv", ["atypica", "classify", str(crops), "--out", str(out), "--model", str(bundle.path)])
    with pytest.raises(SystemExit):
        run()
    said = "4 of 6 figures were training figures of this model: their results flatter the model"
    assert said in capsys.readouterr().err
    assert pd.read_csv(out / "predictions.csv")["in_training"].tolist() == [True] * 4 + [False] * 2
    report = (out / "report.html").read_text()
    assert said in report
    assert report.count(">training figure</span>") == 4


def test_calibration_on_training_figures_is_warned_of(bundle, crops, tmp_path, capsys):
    rng = np.random.default_rng(1)
    for number in range(6, 30):
        noise = rng.integers(0, 150 + 100 * (number % 2), (96, 96, 3), dtype=np.uint8)
        Image.fromarray(noise).save(crops / f"{number}.png")
    table = pd.DataFrame({"image": [f"{number}.png" for number in range(30)], "label": ["AMF", "NMF"] * 15})
    table.to_csv(crops / "figures.csv", index=False)
    out = tmp_path / "calibrated"
    calibrate(labels=str(crops / "figures.csv"), out=out, model=bundle.path)
    assert "4 of 30 figures were training figures of this model" in "".join(capsys.readouterr())
    assert read_bundle(out).trained_on == bundle.trained_on


def test_a_report_without_training_figures_does_not_speak_of_them(tiny_bundle, crops):
    html = render_report(load_model(tiny_bundle).classify(figures(crops, ["0.png"])))
    assert "training figure<" not in html
    assert "flatter" not in html


@pytest.mark.parametrize(
    ("number", "total", "words"),
    [
        (0, 5, ""),
        (1, 1, "this figure was a training figure of this model: its result flatters the model"),
        (1, 5, "1 of 5 figures was a training figure of this model: its result flatters the model"),
        (5, 5, "all 5 figures were training figures of this model: their results flatter the model"),
    ],
)
def test_the_sentence(number, total, words):
    assert flattery(number, total) == words


@pytest.mark.real
def test_the_official_split_of_ami_br_shares_no_figure(real_data, tmp_path, monkeypatch):
    monkeypatch.setenv("ATYPICA_DATA", str(real_data))
    source = open_source("ami-br")
    split = source.table["split"].to_numpy()
    train, test = source.where(split == "train"), source.where(split == "test")
    bundle = write_bundle(tmp_path / "model", tiny_graph(), tiny_card(), hash_figures(train))
    assert len(bundle.trained_on) == len(train) == 2894
    assert (tmp_path / "model" / "trained_on.txt").stat().st_size == 2894 * 17
    model = Model(bundle)
    assert model.classify(train).predictions["in_training"].all()
    assert not model.classify(test).predictions["in_training"].any()
