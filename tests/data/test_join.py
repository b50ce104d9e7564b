"""Joined sources hold each figure once, and say what they left out."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from atypica.core.errors import SourceError
from atypica.data.join import join, open_joined
from atypica.data.sources import open_source


def write(folder: Path, rows: list[dict[str, object]], pictures: list[int]) -> Path:
    folder.mkdir()
    for row, seed in zip(rows, pictures, strict=True):
        pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / str(row["image"]))
    pd.DataFrame(rows).to_csv(folder / "figures.csv", index=False)
    return folder / "figures.csv"


def row(image: str, label: str = "NMF", **more: object) -> dict[str, object]:
    return {"image": image, "label": label, "case": "c", **more}


@pytest.fixture
def first(tmp_path) -> Path:
    rows = [
        row("a.png", "AMF", split="train", slide="s.tiff", x=100, y=100),
        row("b.png", split="test", slide="s.tiff", x=500, y=100),
        row("own.png", split="train", slide="s.tiff", x=900, y=100),
    ]
    return write(tmp_path / "first", rows, [1, 2, 3])


@pytest.fixture
def second(tmp_path) -> Path:
    rows = [
        row("same_pixels.png", "NMF", vote_1=1),
        row("same_place.png", slide="S.svs", x=508, y=104, vote_1=0),
        row("other_place.png", slide="S.svs", x=540, y=104, vote_1=0),
        row("own.png", vote_1=0),
    ]
    return write(tmp_path / "second", rows, [1, 22, 23, 24])


def test_a_figure_of_both_is_kept_once_and_counted(first, second):
    joined = open_joined(f"{first}+{second}")
    names = [Path(image).name for image in joined.table["image"]]
    assert names == ["a.png", "b.png", "own.png", "other_place.png", "own.png"]
    assert all(joined.path(image).is_file() for image in joined.table["image"])
    assert joined.table["figure_id"].is_unique
    assert any("2 of the 4 figures" in note and "left out" in note for note in joined.notes)
    assert any("1 of those left out have another label" in note for note in joined.notes)
    assert any("2 figures have no split" in note for note in joined.notes)


def test_the_source_named_first_has_the_right_of_way(first, second):
    joined = open_joined(f"{second}+{first}")
    names = [Path(image).name for image in joined.table["image"]]
    assert names == ["same_pixels.png", "same_place.png", "other_place.png", "own.png", "own.png"]
    assert joined.table["label"].tolist()[0] == "NMF"
    assert joined.table["vote_1"].isna().tolist() == [False] * 4 + [True]


def test_a_source_with_nothing_of_its_own_is_refused(first):
    with pytest.raises(SourceError, match="before it"):
        join([open_source(first), open_source(first)])


def test_a_plus_in_a_path_that_is_there_is_a_path(tmp_path):
    path = write(tmp_path / "one+two", [row("a.png")], [1])
    assert len(open_joined(str(path))) == 1


@pytest.mark.real
@pytest.mark.slow
def test_the_breast_crops_of_midog25_are_those_of_ami_br(real_data, monkeypatch):
    monkeypatch.setenv("ATYPICA_DATA", str(real_data))
    midog, ami = open_source("midog25"), open_source("ami-br")
    joined = open_joined("midog25+ami-br")
    assert len(midog) == 1721
    assert len(joined) == len(ami)
    assert any("1,721 of the 3,720 figures of AMi-Br are in MIDOG25 too" in note for note in joined.notes)
