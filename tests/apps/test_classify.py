"""`atypica classify` as a lab would meet it: files, messages, exit codes."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import imagecodecs
import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from atypica.apps.cli.main import run


@pytest.fixture
def folder(tmp_path) -> Path:
    crops = tmp_path / "smith" / "crops"
    crops.mkdir(parents=True)
    for number in range(6):
        Image.new("RGB", (96, 96), (40 * number,) * 3).save(crops / f"{number}.png")
    return crops


@pytest.fixture
def classify(tiny_bundle, tmp_path, monkeypatch, capsys):
    """Run the verb; gives the exit code, what the screen said, and the folder of results."""

    def call(source: Path | str, *options: str, out: Path = tmp_path / "out", report: bool = False):
        arguments = ["atypica", "classify", str(source), "--out", str(out)]
        arguments += [] if "--model" in options else ["--model", str(tiny_bundle)]
        monkeypatch.setattr("sys.argv", [*arguments, *options, *([] if report else ["--no-report"])])
        with pytest.raises(SystemExit) as left:
            run()
        said = capsys.readouterr()
        return left.value.code, said.out + said.err, out

    return call


def predictions(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "predictions.csv", dtype={"error": object, "page": object})


def test_a_folder_is_typed(classify, folder):
    code, said, out = classify(folder)
    table = predictions(out)
    assert code == 0
    assert table["image"].tolist() == [f"{number}.png" for number in range(6)]
    assert table["prediction"].tolist() == ["AMF"] * 4 + ["NMF"] * 2
    assert "6 figures" in said
    assert "0.25 um/px was assumed" in said
    assert "predictions.csv" in said
    assert sorted(file.name for file in out.iterdir()) == [".atypica-outputs.json", "cases.csv", "predictions.csv"]


def test_cases_are_summed_up(classify, folder):
    for number in range(6):
        (folder / f"P{number % 2}").mkdir(exist_ok=True)
        (folder / f"{number}.png").rename(folder / f"P{number % 2}" / f"{number}.png")
    code, said, out = classify(folder)
    cases = pd.read_csv(out / "cases.csv")
    assert code == 0
    assert cases["case"].tolist() == ["P0", "P1", "all"]
    assert cases["amf"].tolist() == [2, 2, 4]
    assert cases["few_figures"].all()
    assert "P1" in said
    assert "fewer than 10" in said


def test_report_is_written_unless_it_is_not_wanted(classify, folder, tmp_path):
    _, said, out = classify(folder, report=True)
    assert "report.html" in said
    html = (out / "report.html").read_text()
    assert "<html" in html
    assert "assumed" in html


def test_parquet(classify, folder):
    _, _, out = classify(folder, "--format", "parquet")
    names = sorted(file.name for file in out.iterdir())
    assert names == [".atypica-outputs.json", "cases.parquet", "predictions.parquet"]
    assert len(pd.read_parquet(out / "predictions.parquet")) == 6


def test_no_folder_of_the_person_in_what_is_kept(classify, folder, tmp_path):
    (folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    _, _, out = classify(folder, report=True)
    for file in out.iterdir():
        assert "smith" not in file.read_text(), file.name
        assert str(tmp_path) not in file.read_text(), file.name


def test_damaged_files_stay_and_good_ones_are_typed(classify, folder):
    whole = (folder / "1.png").read_bytes()
    (folder / "1.png").write_bytes(whole[: len(whole) // 2])
    (folder / "2.png").write_bytes(b"")
    (folder / "3.png").write_text("not a picture")
    Image.new("RGB", (1, 1)).save(folder / "4.png")
    code, said, out = classify(folder)
    table = predictions(out).set_index("image")
    assert code == 3
    assert table["error"].notna().tolist() == [False, True, True, True, True, False]
    assert table["p_amf"].isna().tolist() == [False, True, True, True, True, False]
    assert "4 of 6 figures failed" in said
    assert "2.png is empty" in table["error"]["2.png"]
    assert pd.read_csv(out / "cases.csv")["failed"].iloc[-1] == 4


def test_every_kind_of_picture_is_typed(classify, folder):
    rgb = np.asarray(Image.open(folder / "1.png"))
    (folder / "deep.png").write_bytes(imagecodecs.png_encode(rgb.astype(np.uint16) * 257))
    for mode, name in (("L", "grey.png"), ("RGBA", "rgba.png"), ("P", "palette.png"), ("CMYK", "cmyk.tif")):
        Image.fromarray(rgb).convert(mode).save(folder / name)
    code, _, out = classify(folder)
    table = predictions(out).set_index("image")
    assert code == 0
    for name in ("deep.png", "grey.png", "rgba.png"):
        assert table["p_amf"][name] == pytest.approx(table["p_amf"]["1.png"], abs=1e-5), name
    for name in ("palette.png", "cmyk.tif"):
        assert table["p_amf"][name] == pytest.approx(table["p_amf"]["1.png"], abs=0.02), name


def test_limit_of_pixels(classify, folder):
    Image.new("RGB", (400, 300)).save(folder / "large.png")
    code, _, out = classify(folder, "--max-pixels", "100000")
    error = predictions(out).set_index("image")["error"]["large.png"]
    assert code == 3
    assert "400x300 px" in error
    assert "--max-pixels" in error
    assert classify(folder)[0] == 0
    code, said, _ = classify(folder, "--max-pixels", "-1")
    assert code == 2
    assert "--max-pixels -1 would refuse every image" in said


def test_a_stack_of_pages_with_its_own_resolution(classify, tmp_path):
    pages = np.full((5, 96, 96, 3), 30, np.uint8)
    options = {"photometric": "rgb", "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(tmp_path / "stack.tif", pages, resolution=(40000, 40000), **options)
    code, said, out = classify(tmp_path / "stack.tif")
    assert code == 0
    assert predictions(out)["page"].tolist() == ["0", "1", "2", "3", "4"]
    assert "from the TIFF's resolution tag" in said
    assert "assumed" not in said


def test_a_table_with_a_missing_path(classify, folder):
    table = folder / "figures.csv"
    table.write_text("figure_id,image,case\na,0.png,1\nb,gone.png,1\nc,,1\n")
    code, _, out = classify(table)
    errors = predictions(out)["error"]
    assert code == 3
    assert pd.isna(errors[0])
    assert "gone.png" in errors[1]
    assert "blank" in errors[2]


def test_nan_coordinates_fail_their_row_only(classify, folder):
    table = folder / "figures.csv"
    table.write_text("image,x,y\n0.png,10,20\n1.png,10,\n2.png,,\n")
    code, _, out = classify(table)
    assert code == 3
    assert predictions(out)["error"].notna().tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("figure_id,image\na,0.png\na,1.png\n", "repeated figure_id"),
        ("figure_id,file\na,0.png\n", "no column 'image'"),
        ("image,x,y\n0.png,left,3\n", "not a number"),
        ("image\n", "no figures"),
    ],
)
def test_tables_that_cannot_be_used(classify, folder, text, said):
    (folder / "figures.csv").write_text(text)
    code, screen, out = classify(folder / "figures.csv")
    assert code == 2
    assert said in screen
    assert "figures.csv" in screen
    assert not (out / "predictions.csv").exists()


def test_no_source_and_no_figures(classify, tmp_path):
    assert classify(tmp_path / "none")[0] == 2
    (tmp_path / "empty").mkdir()
    assert classify(tmp_path / "empty")[0] == 2


def test_nothing_typed_is_unusable_input_but_the_table_says_why(classify, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_bytes(b"\x89PNG")
    code, _, out = classify(tmp_path / "bad", report=True)
    assert code == 2
    assert predictions(out)["error"].notna().all()


def test_an_altered_bundle_is_refused(classify, folder, tiny_bundle, tmp_path):
    shutil.copytree(tiny_bundle, tmp_path / "bundle")
    card = json.loads((tmp_path / "bundle" / "card.json").read_text())
    (tmp_path / "bundle" / "card.json").write_text(json.dumps(card | {"onnx_sha256": "0" * 64}))
    code, said, out = classify(folder, "--model", str(tmp_path / "bundle"))
    assert code == 2
    assert "hash" in said
    assert not (out / "predictions.csv").exists()


@pytest.mark.parametrize(
    "options",
    [("--threshold", "2"), ("--views", "3"), ("--mpp", "-1"), ("--threads", "0"), ("--batch", "0"), ("--nonsense",)],
)
def test_impossible_options(classify, folder, options):
    code, said, _ = classify(folder, *options)
    assert code == 2
    assert options[0].removeprefix("--") in said.lower()


def test_threshold_by_name(classify, folder):
    _, _, out = classify(folder, "--threshold", "sensitive")
    assert (predictions(out)["threshold"] == 0.2).all()


def test_a_place_that_cannot_be_written_is_said_before_the_work(classify, folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    code, said, _ = classify(folder, out=tmp_path / "file" / "out")
    assert code == 4
    assert "figures" not in said.replace(str(tmp_path), "")


def test_a_full_disk(classify, folder, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    code, said, out = classify(folder)
    assert code == 4
    assert "No space left" in said
    assert list(out.iterdir()) == []
