"""`atypica classify` on slides: classes of detections, slides without any, arguments that are mixed up."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drawn_slide import draw_slide, write_slide

from atypica.apps.cli.main import run
from atypica.core.outputs import RECORD

SIZE, MPP = (2000, 1200), 0.5
TISSUE = (200, 200, 1800, 1000)
"""0.8 x 0.4 mm = 0.32 mm2."""
PLACES = [(400.0, 400.0), (500.0, 420.0), (900.0, 700.0), (1500.0, 800.0)]
CLASSES = ["mitotic figure", "hard negative", "Mitotic Figure", "hard negative"]
Classify = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("drawn") / "a.tif"
    return write_slide(path, draw_slide(SIZE, TISSUE, np.array(PLACES)), MPP).read_bytes()


@pytest.fixture
def home(tmp_path: Path, drawn: bytes) -> Path:
    for name in ("a.tif", "b.tif"):
        (tmp_path / name).write_bytes(drawn)
    points(tmp_path / "a.csv")
    return tmp_path


def points(path: Path, count: int = 4, **columns: list[str]) -> Path:
    rows = {"x_px": [x for x, _ in PLACES[:count]], "y_px": [y for _, y in PLACES[:count]]}
    pd.DataFrame({**rows, **columns}).to_csv(path, index=False)
    return path


def midogpp(path: Path) -> Path:
    rows = [
        {"bbox": [x - 25, y - 25, x + 25, y + 25], "image_id": 1, "category_id": 1 + number % 2}
        for number, (x, y) in enumerate(PLACES)
    ]
    images = [{"id": 1, "file_name": "a.tif", "width": SIZE[0], "height": SIZE[1]}]
    categories = [{"id": 1, "name": "mitotic figure"}, {"id": 2, "name": "hard negative"}]
    path.write_text(json.dumps({"annotations": rows, "images": images, "categories": categories}))
    return path


def qupath(path: Path) -> Path:
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": place},
            "properties": {"classification": {"name": name}} if name else {},
        }
        for place, name in zip(PLACES, ["Mitosis", "Apoptosis", "Mitosis", ""], strict=True)
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


@pytest.fixture
def classify(
    home: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Classify:
    """Run the verb in the folder of the slides; gives the exit code and what was said."""

    def call(*options: str, report: bool = False) -> tuple[int, str]:
        monkeypatch.chdir(home)
        more = [] if report else ["--no-report"]
        monkeypatch.setattr("sys.argv", ["atypica", "classify", *options, "--model", str(tiny_bundle), *more])
        with pytest.raises(SystemExit) as left:
            run()
        said = capsys.readouterr()
        return int(left.value.code or 0), " ".join((said.out + said.err).split())

    return call


def read(home: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(home / "out" / f"{name}.csv")


def table_of_slides(home: Path, second: str, **columns: list[str]) -> None:
    rows = {"slide": ["b.tif", "a.tif"], "figures": [second, "a.csv"], **columns}
    pd.DataFrame(rows).to_csv(home / "slides.csv", index=False)


@pytest.mark.parametrize("kind", ["empty", "elsewhere"])
def test_a_slide_without_detections_has_its_row_and_its_tissue_counts(home: Path, classify: Classify, kind: str):
    points(home / "b.csv", **({"image": ["other.tif"] * 4} if kind == "elsewhere" else {"count": 0}))
    table_of_slides(home, "b.csv", case=["one", "one"])
    code, said = classify("slides.csv", "--out", "out", report=True)
    assert code == 0
    assert "no figures on 1 slide: b.tif" in said
    bare, full = (row for _, row in read(home, "slides").iterrows())
    assert (bare["slide"], bare["figures"], bare["amf"], bare["mitoses_per_mm2"], bare["amf_per_mm2"]) == (
        "b.tif",
        0,
        0,
        0,
        0,
    )
    assert bare["tissue_mm2"] == pytest.approx(0.32, rel=0.05)
    assert pd.isna(bare["amf_rate"])
    assert ("it has: other.tif" in bare["note"]) == (kind == "elsewhere")
    (case, _) = (row for _, row in read(home, "cases").iterrows())
    assert (case["case"], case["slides"], case["figures"]) == ("one", 2, 4)
    assert case["tissue_mm2"] == pytest.approx(bare["tissue_mm2"] + full["tissue_mm2"], rel=1e-5)
    assert case["mitoses_per_mm2"] == pytest.approx(4 / case["tissue_mm2"], rel=1e-4)
    features = json.loads((home / "out/slides/b.geojson").read_text())
    assert features == {"type": "FeatureCollection", "features": []}
    assert (home / "out/slides/b.png").is_file()
    assert "b.tif" in (home / "out/report.html").read_text()


def test_a_case_without_any_figure_has_a_row(home: Path, classify: Classify):
    points(home / "b.csv", count=0)
    table_of_slides(home, "b.csv", case=["2", "1"])
    assert classify("slides.csv", "--out", "out", report=True)[0] == 0
    cases = pd.read_csv(home / "out/cases.csv", dtype={"case": str}).set_index("case")
    assert cases.index.tolist() == ["1", "2", "all"]
    assert cases.loc["2", ["figures", "slides", "mitoses_per_mm2"]].tolist() == [0, 1, 0]
    assert cases.loc["2", "interval"] == "no figure was found"
    assert pd.isna(cases.loc["2", "amf_rate"])


def test_a_bare_slide_that_does_not_say_its_resolution_takes_that_of_the_table(home: Path, classify: Classify):
    write_slide(home / "b.tif", draw_slide(SIZE, TISSUE, np.zeros((0, 2))), None)
    points(home / "b.csv", count=0)
    table_of_slides(home, "b.csv", mpp=["0.25", ""])
    assert classify("slides.csv", "--out", "out")[0] == 0
    assert read(home, "slides")["mpp"].tolist() == [0.25, 0.5]
    table_of_slides(home, "b.csv")
    assert classify("slides.csv", "--out", "out")[0] == 0
    assert "does not say its micrometers" in read(home, "slides").loc[0, "note"]
    table_of_slides(home, "b.csv", mpp=["wide", ""])
    code, said = classify("slides.csv", "--out", "out")
    assert (code, "'wide'" in said) == (2, True)


def test_hard_negatives_of_midogpp_are_left_out_unless_asked_for(home: Path, classify: Classify):
    midogpp(home / "m.json")
    code, said = classify("a.tif", "--figures", "m.json", "--out", "out", report=True)
    assert code == 0
    sentence = "left out by class: 2 of 4 detections (hard negative 2)"
    assert sentence in said
    assert sentence in (home / "out/report.html").read_text().split('aria-label="Warnings"')[1].split("</ul>")[0]
    assert "2 detections of other classes were left out" in read(home, "slides").loc[0, "note"]
    assert read(home, "predictions")[["x", "y"]].to_numpy().tolist() == [list(PLACES[0]), list(PLACES[2])]
    for asked, figures in (("all", 4), ("hard negative", 2), ("Hard Negative,mitotic figure", 4)):
        assert classify("a.tif", "--figures", "m.json", "--out", "out", "--classes", asked)[0] == 0
        assert len(read(home, "predictions")) == figures


def test_all_classes_of_qupath_count_unless_asked_for(home: Path, classify: Classify):
    qupath(home / "q.geojson")
    _, said = classify("a.tif", "--figures", "q.geojson", "--out", "out")
    assert "all classes are counted (Mitosis 2, Apoptosis 1, without a class 1)" in said
    assert len(read(home, "predictions")) == 4
    _, said = classify("a.tif", "--figures", "q.geojson", "--out", "out", "--classes", "mitosis")
    assert "left out by class: 2 of 4 detections (Apoptosis 1, without a class 1)" in said
    assert set(read(home, "predictions")["detection_class"]) == {"Mitosis"}


@pytest.mark.parametrize(
    ("figures", "asked", "said"),
    [
        ("q.geojson", "mitosi", "no detections of the class 'mitosi' (it has: Mitosis 2, Apoptosis 1)"),
        ("q.geojson", "Mitosis,x", "no detections of the class 'x'"),
        ("q.geojson", ",", "--classes names no class"),
        ("a.csv", "mitosis", "its detections have no classes"),
    ],
)
def test_a_class_that_is_not_there_is_refused(home: Path, classify: Classify, figures: str, asked: str, said: str):
    qupath(home / "q.geojson")
    code, text = classify("a.tif", "--figures", figures, "--out", "out", "--classes", asked)
    assert (code, said in text) == (2, True), text


def test_classes_of_a_table_of_slides_are_those_of_all_its_files(home: Path, classify: Classify):
    points(home / "a.csv", **{"class": CLASSES})
    points(home / "b.csv", 2, **{"class": ["hard negative", "hard negative"]})
    table_of_slides(home, "b.csv")
    code, said = classify("slides.csv", "--out", "out", "--classes", "mitotic figure")
    assert code == 0
    assert "left out by class: 4 of 6 detections (hard negative 4)" in said
    slides = read(home, "slides").set_index("slide")
    assert slides["figures"].to_dict() == {"b.tif": 0, "a.tif": 2}
    code, said = classify("slides.csv", "--out", "out", "--classes", "figure")
    assert (code, "slides.csv has no detections of the class 'figure'" in said) == (2, True)


def test_classes_of_what_is_on_no_slide_are_refused(home: Path, classify: Classify):
    code, said = classify("a.tif", "--out", "out", "--classes", "mitosis")
    assert (code, "--classes chooses among the detections on slides" in said) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.csv", "--figures", "a.tif"], "swapped -> atypica classify a.tif --figures a.csv"),
        (["q.geojson", "--figures", "gone.svs"], "swapped -> atypica classify gone.svs --figures q.geojson"),
        (["a.tif", "--figures", "b.tif"], "is an image, not a file of detections"),
        (["slides.csv", "--figures", "a.csv"], "leave --figures away"),
        ([".", "--figures", "a.csv"], "is a folder, but --figures belongs to one slide"),
    ],
)
def test_arguments_that_are_mixed_up_say_what_to_do(home: Path, classify: Classify, arguments: list[str], said: str):
    qupath(home / "q.geojson")
    table_of_slides(home, "a.csv")
    code, text = classify(*arguments, "--out", "out")
    assert (code, said.replace(" -> ", " ") in text.replace("->", "").replace("  ", " ")) == (2, True), text


def test_the_resolution_names_the_option_that_gave_it(home: Path, classify: Classify):
    write_slide(home / "a.tif", draw_slide(SIZE, TISSUE, np.array(PLACES)), None)
    _, said = classify("a.tif", "--figures", "a.csv", "--out", "out", "--mpp", "0.4")
    assert "Resolution: 0.4 um/px as given with --mpp (4 figures)." in said
    assert "from the column 'mpp'" not in said


def test_a_hotspot_off_the_tissue_is_warned_of(home: Path, classify: Classify):
    # 0.02 mm2 at 0.5 um/px are 327 x 245 px; the four lie on glass at the right border.
    pd.DataFrame({"x_px": [1950, 1960, 1970, 1980], "y_px": [600] * 4}).to_csv(home / "a.csv", index=False)
    _, said = classify("a.tif", "--figures", "a.csv", "--out", "out", "--hotspot-mm2", "0.02", report=True)
    share = read(home, "slides").loc[0, "hotspot_tissue"]
    assert 0.3 < share < 0.5
    sentence = f"only {share:.0%} of the hotspot is tissue"
    assert sentence in said
    assert sentence in read(home, "slides").loc[0, "note"]
    warnings = (home / "out/report.html").read_text().split('aria-label="Warnings"')[1].split("</ul>")[0]
    assert f"Less than half of the hotspot is tissue on a.tif ({share:.0%})" in warnings


def test_a_second_run_leaves_nothing_of_the_first(home: Path, classify: Classify):
    table_of_slides(home, "a.csv")
    classify("slides.csv", "--out", "out", report=True)
    (home / "out/slides/mine.txt").write_text("mine")
    (home / "out/report-of-mine.html").write_text("mine")
    classify("a.tif", "--figures", "a.csv", "--out", "out", "--format", "parquet")
    left = {path.relative_to(home / "out").as_posix() for path in (home / "out").rglob("*") if path.is_file()}
    tables = {f"{name}.parquet" for name in ("predictions", "cases", "slides", "rate_by_cut")}
    mine = {"slides/mine.txt", "report-of-mine.html"}
    assert left == {*tables, *mine, "figures.geojson", "overview.png", RECORD}


def test_one_point_on_a_small_region_that_is_named_a_slide_is_cut_from_it(home: Path, classify: Classify):
    write_slide(home / "a.tif", draw_slide((600, 500), (0, 0, 600, 500), np.array([[100.0, 100.0]])), MPP)
    points(home / "a.csv", 1)
    assert classify("a.tif", "--figures", "a.csv", "--out", "out")[0] == 0
    assert read(home, "slides")["figures"].tolist() == [1]
