"""Detections of every format, and files that are broken or hostile."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from atypica.core.errors import AtypicaError, SettingsError, SourceError
from atypica.data.detections import found, read_detections, table
from atypica.data.detections.geojson import centroid


def feature(kind: str, coordinates, **properties) -> dict:
    return {"type": "Feature", "geometry": {"type": kind, "coordinates": coordinates}, "properties": properties}


def write(path: Path, value) -> Path:
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


BOX = [[[10, 20], [50, 20], [50, 60], [10, 60], [10, 20]]]
ELL = [[[0, 0], [4, 0], [4, 2], [2, 2], [2, 6], [0, 6], [0, 0]]]
"""An L of 4x2 and 2x4: centroid (8 * (2, 1) + 8 * (1, 4)) / 16 = (1.5, 2.5)."""


@pytest.mark.parametrize("wrap", [lambda features: {"type": "FeatureCollection", "features": features}, lambda f: f])
def test_qupath_geojson(tmp_path, wrap):
    features = [
        feature(
            "Point",
            [100.5, 200.25],
            classification={"name": "Mitosis", "color": [1, 2, 3]},
            measurements={"score": 0.75},
        ),
        feature("MultiPoint", [[1, 2], [3, 4]], classification={"names": ["Tumor", "Mitosis"]}),
        feature("Polygon", BOX, measurements=[{"name": "Probability", "value": 0.5}], objectType="detection"),
        feature("Polygon", ELL, classification="Mitosis"),
        feature("MultiPolygon", [ELL, BOX]),
    ]
    got = read_detections(write(tmp_path / "a.json", wrap(features)))
    assert (got.units, got.kind) == ("px", "GeoJSON")
    assert got.table[["x", "y"]].to_numpy().tolist() == [
        [100.5, 200.25],
        [1, 2],
        [3, 4],
        [30, 40],
        [1.5, 2.5],
        [30, 40],
    ]
    assert got.table["detection_class"].tolist() == ["Mitosis", *["Tumor: Mitosis"] * 2, None, "Mitosis", None]
    assert got.table["detection_score"].fillna(-1).tolist() == [0.75, -1, -1, 0.5, -1, -1]
    assert got.table.loc[3, ["width", "height"]].tolist() == [40, 40]


def test_the_centroid_does_not_depend_on_where_and_which_way():
    ring = np.array(ELL[0], dtype=float)
    for moved in (ring, ring[::-1], ring[:-1], ring + 100_000):
        assert np.allclose(np.array(centroid(moved)) - (moved.min(axis=0)), (1.5, 2.5))
    assert centroid(np.array([[1.0, 1], [3, 1], [1, 1]])) == (2, 1)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_coordinates_that_are_no_numbers_stay_in_their_row(tmp_path, text):
    path = write(
        tmp_path / "a.geojson", json.dumps([feature("Point", [5, 6]), feature("Point", ["@", 1])]).replace('"@"', text)
    )
    got = read_detections(path).table
    assert len(got) == 2
    assert not np.isfinite(got["x"][1])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([feature("LineString", [[1, 2], [3, 4]])], "feature 1 is a LineString"),
        ([feature("Point", ["5", 6])], "'5', not a number"),
        ([feature("Point", [5])], "one coordinate"),
        ([feature("Point", None)], "no coordinates"),
        ([feature("Polygon", [[[1, 2], [True, 4]]])], "True, not a number"),
        ([feature("Point", [1, 2]), {"type": "Feature", "geometry": None}], "feature 2 has no geometry"),
        ('[{"geometry": {"type": "Point", "coordinates": [1, 2]}', "ends too early|no valid JSON"),
        ('{"features": [{"geometry": {}} {}]}', "no detection"),
        ("[" * 100_000, "nested too deeply"),
        ('{"features": ' + '{"a":' * 100_000, "nested too deeply"),
        ({"some": "thing"}, "neither GeoJSON nor COCO"),
        ("", "empty"),
        ("PK\x03\x04", "packed"),
    ],
)
def test_broken_json_says_what_is_wrong(tmp_path, content, message):
    with pytest.raises(SourceError, match=message):
        read_detections(write(tmp_path / "a.geojson", content))


def coco(boxes: list, *, size=(7000, 5000), **more) -> dict:
    rows = [{"bbox": box, "image_id": 7, "category_id": 2, "score": 0.5} for box in boxes]
    images = [{"id": 7, "file_name": "007.tiff", "width": size[0], "height": size[1]}]
    return {"annotations": rows, "images": images, "categories": [{"id": 2, "name": "mitotic figure"}], **more}


def test_midogpp_boxes_are_corners_and_coco_boxes_are_not(tmp_path):
    centers = np.random.default_rng(0).integers(30, 4900, (50, 2))
    corners = [[int(x) - 25, int(y) - 25, int(x) + 25, int(y) + 25] for x, y in centers]
    extents = [[int(x) - 25, int(y) - 25, 50, 50] for x, y in centers]
    for boxes, layout in ((corners, "x1, y1, x2, y2"), (extents, "x, y, width, height")):
        got = read_detections(write(tmp_path / "a.json", coco(boxes)))
        assert got.table[["x", "y"]].to_numpy().tolist() == centers.tolist()
        assert set(got.table["width"]) == {50}
        assert set(got.table["detection_class"]) == {"mitotic figure"}
        assert got.images == ["007.tiff"]
        assert f"read as {layout}" in got.notes[0]


def test_boxes_that_may_be_both_are_refused_until_it_is_said(tmp_path):
    path = write(tmp_path / "a.json", coco([[20, 20, 50, 50], [10, 30, 40, 60]], size=(128, 128)))
    with pytest.raises(SourceError, match="--boxes"):
        read_detections(path)
    assert read_detections(path, boxes="xywh").table["x"].tolist() == [45, 30]
    assert read_detections(path, boxes="xyxy").table["x"].tolist() == [35, 25]


def test_a_list_of_coco_results(tmp_path):
    rows = [{"image_id": 3, "category_id": 1, "bbox": [900, 800, 50, 50], "score": 0.25}]
    got = read_detections(write(tmp_path / "a.json", rows))
    assert got.table.loc[0, ["x", "y", "detection_score", "image"]].tolist() == [925, 825, 0.25, None]
    assert len(got.on("slide.svs")) == 1
    assert "its only image, 3, is taken for the slide" in got.notes[1]


@pytest.mark.parametrize("images", [[3, 4], ["other", "other"]])
def test_coco_results_of_another_slide_are_not_taken(tmp_path, images):
    rows = [{"image_id": image, "category_id": 1, "bbox": [900, 800, 50, 50]} for image in images]
    got = read_detections(write(tmp_path / "a.json", rows))
    assert got.images == [str(image) for image in dict.fromkeys(images)]
    assert not len(got.on("slide.svs"))


def test_a_geojson_without_features_has_no_detections(tmp_path):
    got = read_detections(write(tmp_path / "a.geojson", {"type": "FeatureCollection", "features": []}))
    assert (len(got), got.kind) == (0, "GeoJSON")


def test_an_empty_list_of_results_has_no_detections(tmp_path):
    assert len(read_detections(write(tmp_path / "a.json", []))) == 0


@pytest.mark.parametrize("box", [["1", 2, 3, 4], [1, 2, 3], None, [1, 2, [3], 4]])
def test_boxes_that_are_none(tmp_path, box):
    with pytest.raises(SourceError, match="annotation 1"):
        read_detections(write(tmp_path / "a.json", coco([box])))


def test_pixels_are_not_taken_for_micrometers(tmp_path):
    with pytest.raises(SettingsError, match="holds pixels"):
        read_detections(write(tmp_path / "a.json", coco([[900, 900, 950, 950]])), units="um")


def sliderunner(path: Path, *, deleted: bool = True) -> Path:
    with sqlite3.connect(path) as base:
        base.executescript(f"""
            CREATE TABLE Slides (uid INTEGER PRIMARY KEY, filename TEXT, width INTEGER, height INTEGER);
            CREATE TABLE Annotations (uid INTEGER PRIMARY KEY, slide INTEGER, type INTEGER, agreedClass INTEGER
                {", deleted INTEGER DEFAULT 0" if deleted else ""});
            CREATE TABLE Annotations_coordinates (uid INTEGER PRIMARY KEY, coordinateX INTEGER, coordinateY INTEGER,
                slide INTEGER, annoId INTEGER, orderIdx INTEGER);
            CREATE TABLE Classes (uid INTEGER PRIMARY KEY, name TEXT, color TEXT);
            INSERT INTO Slides VALUES (1, 'a.svs', 9, 9), (2, 'b.svs', 9, 9);
            INSERT INTO Classes VALUES (1, 'mitosis', ''), (2, 'look-alike', '');
            INSERT INTO Annotations (uid, slide, type, agreedClass) VALUES (1, 1, 1, 1), (2, 2, 2, 2), (3, 1, 1, 1);
            INSERT INTO Annotations_coordinates VALUES
                (1, 100, 200, 1, 1, 1), (2, 10, 20, 2, 2, 1), (3, 50, 80, 2, 2, 2), (4, 7, 8, 1, 3, 1);
        """)
        if deleted:
            base.execute("UPDATE Annotations SET deleted = 1 WHERE uid = 3")
    base.close()
    return path


def test_sliderunner(tmp_path):
    got = read_detections(sliderunner(tmp_path / "a.sqlite"))
    assert got.table[["x", "y"]].to_numpy().tolist() == [[100, 200], [30, 50]]
    assert got.table["width"].fillna(0).tolist() == [0, 40]
    assert got.table["detection_class"].tolist() == ["mitosis", "look-alike"]
    assert len(got.on("a.svs")) == 1
    assert len(got.on("b")) == 1
    assert not len(got.on("c.svs"))
    assert len(read_detections(sliderunner(tmp_path / "old.sqlite", deleted=False))) == 3


def test_what_is_no_sliderunner_database(tmp_path):
    (tmp_path / "a.sqlite").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    with pytest.raises(SourceError, match="cannot be read as a database"):
        read_detections(tmp_path / "a.sqlite")
    sqlite3.connect(tmp_path / "b.sqlite").execute("CREATE TABLE t (x)").connection.close()
    with pytest.raises(SourceError, match="lacks Slides"):
        read_detections(tmp_path / "b.sqlite")
    base = sqlite3.connect(sliderunner(tmp_path / "c.sqlite"))
    base.executescript("""DROP TABLE Annotations; CREATE VIEW Annotations AS
        WITH RECURSIVE n(uid) AS (SELECT 1 UNION ALL SELECT uid + 1 FROM n)
        SELECT uid, 1 AS slide, 1 AS agreedClass FROM n""")
    base.close()
    with pytest.raises(SourceError, match="lacks Annotations"):
        read_detections(tmp_path / "c.sqlite")


@pytest.mark.parametrize("text", ["'x'", "NULL"])
def test_text_for_numbers_in_a_database(tmp_path, text):
    base = sqlite3.connect(sliderunner(tmp_path / "a.sqlite"))
    base.execute(f"UPDATE Annotations_coordinates SET coordinateX = {text}")
    base.commit()
    base.close()
    with pytest.raises(SourceError, match="annotation 1"):
        read_detections(tmp_path / "a.sqlite")


@pytest.mark.parametrize("parquet", [False, True])
def test_tables_say_their_units(tmp_path, parquet):
    def read(columns: dict, **options):
        table, path = pd.DataFrame(columns), tmp_path / "a.bin"
        table.to_parquet(path) if parquet else table.to_csv(path, index=False)
        return read_detections(path, **options)

    place = {"x": [1.5, 2], "y": [3, np.nan]}
    with pytest.raises(SourceError, match="--units"):
        read(place)
    assert read(place, units="px").units == "px"
    got = read({**place, "Score": [0.1, 0.2], "class": ["a", None]}, units="um")
    assert got.units == "um"
    assert got.table["y"].isna().tolist() == [False, True]
    assert got.table["detection_score"].tolist() == [0.1, 0.2]
    assert got.table["detection_class"].tolist() == ["a", None]
    for names, units in (
        (("x_um", "y_um"), "um"),
        (("X_px", "Y_px"), "px"),
        (("Centroid X µm", "Centroid Y µm"), "um"),
    ):
        named = dict(zip(names, place.values(), strict=True))
        assert read(named).units == units
        with pytest.raises(SourceError, match="--units"):
            read(named, units="px" if units == "um" else "um")
    with pytest.raises(SourceError, match="no columns x and y"):
        read({"a": [1]})
    with pytest.raises(SourceError, match="row 3: 'left'"):
        read({"x_px": ["1", "left"], "y_px": [1, 2]})


HUGE = """
import sys
from pathlib import Path
from atypica.core.errors import AtypicaError
from atypica.data.detections import found, json_stream, read_detections, table
found.MOST = table.MOST = 100_000
json_stream.LARGEST = 2**20
def peak():  # of this process alone; `ru_maxrss` is taken over from the one that started it
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
before = peak()
try:
    read_detections(Path(sys.argv[1]), units="px" if sys.argv[1].endswith("csv") else None)
except AtypicaError as error:
    print("refused:", error.message)
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc tells the memory of a process")
@pytest.mark.parametrize("kind", ["features", "one multipoint", "csv", "coco"])
def test_files_of_too_many_points_are_refused_within_bounded_memory(tmp_path, kind):
    """Told by the first points beyond the limits (a tenth of the true ones): the rest of a million is never kept."""
    path = tmp_path / ("a.csv" if kind == "csv" else "a.json")
    start, row, end = {
        "features": ('{"features":[', '{"geometry":{"type":"Point","coordinates":[1,2]}},', "]}"),
        "one multipoint": ('[{"geometry":{"type":"MultiPoint","coordinates":[', "[12345.67,76543.21],", "]}}]"),
        "csv": ("x,y\n", "1,2\n", ""),
        "coco": ('{"annotations":[', '{"bbox":[1,2,3,4]},', "]}"),
    }[kind]
    with path.open("w") as handle:
        handle.write(start)
        for _ in range(105):
            handle.write(row * 10_000)
        handle.write(end)
    command = [sys.executable, "-c", HUGE, str(path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    said, grown = done.stdout.splitlines()
    assert said.startswith("refused: a."), done.stderr
    assert int(grown) < 100_000  # KiB


@pytest.mark.parametrize(
    ("limit", "text"),
    [("CELLS", "x_px,y_px" + ",a" * 60 + "\n"), ("LARGEST", "x_px,y_px,note\n1,2," + "a" * 60 + "\n")],
)
def test_tables_of_too_much_are_refused_unread(tmp_path, monkeypatch, limit, text):
    (tmp_path / "a.csv").write_text(text)
    monkeypatch.setattr(table, limit, 50)
    with pytest.raises(SourceError, match="too large"):
        read_detections(tmp_path / "a.csv")


def test_too_many_fields_of_parquet_are_refused_unread(tmp_path, monkeypatch):
    pd.DataFrame({"x_px": [1.0] * 20, "y_px": 2.0, "a": 3}).to_parquet(tmp_path / "a.parquet")
    monkeypatch.setattr(table, "CELLS", 50)
    with pytest.raises(SourceError, match="too large"):
        read_detections(tmp_path / "a.parquet")


@pytest.mark.parametrize("row", ["1,5,2,5", "1,2,", "1,2,3"])
def test_rows_of_more_fields_than_columns_are_refused(tmp_path, row):
    """They would be read one column too far to the right: decimal commas, for example."""
    (tmp_path / "a.csv").write_text(f"x_px,y_px\n{row}\n{row}\n")
    with pytest.raises(SourceError, match="more fields than columns"):
        read_detections(tmp_path / "a.csv")


@pytest.mark.parametrize("key", ["images", "categories"])
def test_coco_of_too_many_images_or_classes_is_refused(tmp_path, monkeypatch, key):
    monkeypatch.setattr("atypica.data.detections.coco.MOST_IMAGES", 3)
    named = [{"id": number, "name": "a", "file_name": "a.svs"} for number in range(4)]
    path = write(tmp_path / "a.json", {"annotations": [{"bbox": [1, 2, 3, 4]}], key: named})
    with pytest.raises(SourceError, match="more than 3"):
        read_detections(path)


def test_the_limit_counts_detections(tmp_path, monkeypatch):
    monkeypatch.setattr(found, "MOST", 3)
    path = write(tmp_path / "a.json", [feature("MultiPoint", [[1, 1]] * 3)])
    assert len(read_detections(path)) == 3
    with pytest.raises(SourceError, match="more than 3"):
        read_detections(write(path, [feature("MultiPoint", [[1, 1]] * 4)]))


def test_values_at_the_seams_of_what_is_read_are_whole(tmp_path, monkeypatch):
    from atypica.data.detections import json_stream

    features = [feature("Point", [number * 1.25, 12345678]) for number in range(50)]
    path = write(tmp_path / "a.json", {"type": "FeatureCollection", "n": 123456, "bbox": [1, 2], "features": features})
    for size in (1, 2, 7, 64):
        monkeypatch.setattr(json_stream, "CHUNK", size)
        assert read_detections(path).table["x"].tolist() == [number * 1.25 for number in range(50)]
        assert dict(json_stream.elements(path))["n"] == 123456


def test_every_error_is_one_that_a_user_can_mend(tmp_path):
    rng = np.random.default_rng(0)
    valid = json.dumps(coco([[1, 2, 3, 4]])).encode()
    for _ in range(200):
        content = bytearray(valid)
        for at in rng.integers(0, len(content), 3):
            content[at] = rng.integers(0, 256)
        (tmp_path / "a.json").write_bytes(content)
        with suppress(AtypicaError):  # any other error fails
            read_detections(tmp_path / "a.json")
