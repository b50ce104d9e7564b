"""Figures in shards: read a range at a time, whatever holds them, and nothing hostile believed."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
from pathlib import Path

import imagecodecs
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile

from atypica.core.errors import FigureError, SourceError
from atypica.data.shards import Rows, Shard, open_shards
from atypica.data.shards.shard import MOST_BYTES


def png(shade: int) -> bytes:
    return imagecodecs.png_encode(np.full((8, 8, 3), shade, dtype=np.uint8))


def rows_of(shard: Shard, size: int, step: int = 3) -> list[Rows]:
    shard = pickle.loads(pickle.dumps(shard))  # noqa: S301  as a worker gets it
    return [rows for span in shard.spans(size) for rows in shard.read(span, step)]


def column(found: list[Rows], name: str) -> list[object]:
    return [value for rows in found for value in rows.figures.table[name]]


def images(found: list[Rows]) -> list[bytes | FigureError]:
    return [image for rows in found if rows.images is not None for image in rows.images]


def only(source: Path | str) -> Shard:
    shards = open_shards(source)
    assert shards is not None
    (shard,) = shards.shards
    return shard


def write_parquet(path: Path, columns: dict[str, object], group: int = 4) -> Path:
    pq.write_table(pa.table(columns), path, row_group_size=group)
    return path


def write_tar(path: Path, members: list[tuple[tarfile.TarInfo | str, bytes]]) -> Path:
    with tarfile.open(path, "w") as file:
        for name, data in members:
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            info.size = info.size or len(data)
            file.addfile(info, io.BytesIO(data) if data else None)
    return path


@pytest.mark.parametrize("size", [1, 3, 4, 5, 11, 100])
def test_parquet_rows_are_each_read_once_whatever_the_range_and_the_row_groups(tmp_path, size):
    path = write_parquet(
        tmp_path / "a.parquet", {"image_bytes": [png(n) for n in range(11)], "case": list("aabbccddeef")}
    )
    found = rows_of(only(path), size)
    assert images(found) == [png(n) for n in range(11)]
    assert column(found, "case") == list("aabbccddeef")
    assert column(found, "figure_id") == [f"a.parquet#{n}" for n in range(11)]
    assert all(len(rows.figures) <= 3 for rows in found)


def test_parquet_of_hugging_face(tmp_path):
    both = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    values = [{"bytes": png(1), "path": "x/1.png"}, {"bytes": None, "path": "2.png"}, None]
    path = write_parquet(tmp_path / "a.parquet", {"image": pa.array(values, both), "label": [5, 6, 7]})
    found = rows_of(only(path), 10, 10)
    assert column(found, "image") == ["x/1.png", "2.png", "a.parquet#2"]
    first, second, third = images(found)
    assert first == png(1)
    assert "has no image" in str(second)
    assert "has no image" in str(third)


def test_own_ids_are_kept_and_blanks_filled(tmp_path):
    columns = {"figure_id": ["x", None], "image": [png(1), png(2)], "mpp": [0.5, None], "x": [1.5, 2.5]}
    (rows,) = rows_of(only(write_parquet(tmp_path / "a.parquet", columns)), 10)
    assert rows.figures.table["figure_id"].tolist() == ["x", "a.parquet#1"]
    assert rows.figures.table["mpp"].tolist()[0] == 0.5


def test_long_ids_beside_a_blank_stay_different(tmp_path):
    ids = [2**53, 2**53 + 1, None]
    columns = {"figure_id": pa.array(ids, pa.int64()), "page": pa.array([1, None, 3]), "image_bytes": [png(1)] * 3}
    (rows,) = rows_of(only(write_parquet(tmp_path / "a.parquet", columns)), 10, 10)
    assert rows.figures.table["figure_id"].tolist() == [str(2**53), str(2**53 + 1), "a.parquet#2"]
    assert rows.figures.table["page"].isna().tolist() == [False, True, False]


def test_tar_with_columns_of_its_json(tmp_path):
    members = [(f"{n}.png", png(n)) for n in range(4)]
    members.insert(1, ("0.json", json.dumps({"case": "A", "mpp": 0.4, "other": {"a": 1}}).encode()))
    members.insert(4, ("3.json", b'{"case": "B"}'))
    members[4:6] = [members[4], members[5]]
    members += [("notes.txt", b"no image"), ("._3.png", b"of a file manager")]
    found = rows_of(only(write_tar(tmp_path / "a.tar", members)), 3, 2)
    assert column(found, "figure_id") == [f"a.tar/{n}.png" for n in range(4)]
    assert images(found) == [png(n) for n in range(4)]
    tables = pd.concat([rows.figures.table for rows in found])
    assert tables["case"].tolist()[0] == "A"
    assert tables["case"].tolist()[3] == "B"
    assert tables["case"].isna().tolist() == [False, True, True, False]
    assert "other" not in tables


def test_hostile_tar_members_fail_alone(tmp_path):
    link = tarfile.TarInfo("link.png")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    hard = tarfile.TarInfo("hard.png")
    hard.type, hard.linkname = tarfile.LNKTYPE, "good.png"
    device = tarfile.TarInfo("device.png")
    device.type = tarfile.CHRTYPE
    members = [
        *((info, b"") for info in (link, hard, device)),
        ("/etc/a.png", png(1)),
        ("../b.png", png(1)),
        ("nested.png", png(1)),
        ("nested.json", b'{"case": ["a"]}'),
        ("broken.png", png(1)),
        ("broken.json", b"[" * 100_000),
        ("huge.png", b"\0" * (MOST_BYTES + 1)),
        ("good.png", png(7)),
    ]
    found = images(rows_of(only(write_tar(tmp_path / "a.tar", members)), 100, 100))
    reasons = [str(image) for image in found[:-1]]
    words = [
        "link",
        "link",
        "link",
        "out of the archive",
        "out of the archive",
        "a list",
        "no JSON",
        "bytes, more than",
    ]
    assert [word for word, reason in zip(words, reasons, strict=True) if word not in reason] == []
    assert found[-1] == png(7)


def test_a_cut_tar_gives_what_stands_before_the_cut(tmp_path):
    path = write_tar(tmp_path / "a.tar", [(f"{n}.png", png(n)) for n in range(10)])
    path.write_bytes(path.read_bytes()[: 512 * 11])
    spans = only(path).spans(2)
    assert [next(spans).start, next(spans).start] == [0, 2]
    with pytest.raises(SourceError, match=r"a\.tar cannot be read"):
        list(spans)


@pytest.mark.parametrize("hurt", ["checksum", "cut within a header", "negative size"])
def test_a_tar_with_a_broken_header_does_not_pass_for_one_that_ends_there(tmp_path, hurt):
    path = write_tar(tmp_path / "a.tar", [(f"{n}.png", png(n)) for n in range(5)])
    with tarfile.open(path) as file:
        start = file.getmember("3.png").offset
    data = bytearray(path.read_bytes())
    if hurt == "negative size":
        info = tarfile.TarInfo("3.png")
        info.size = -512 * 6
        data[start : start + 512] = info.tobuf(tarfile.GNU_FORMAT)
    else:
        data[start] ^= 1
    path.write_bytes(data[: start + 100] if hurt == "cut within a header" else data)
    spans = only(path).spans(2)
    assert next(spans)[:2] == (0, 2)
    with pytest.raises(SourceError, match=r"a\.tar cannot be read"):
        list(spans)


def test_a_tar_that_became_shorter_is_told(tmp_path):
    path = write_tar(tmp_path / "a.tar", [(f"{n}.png", png(n)) for n in range(5)])
    (span,) = only(path).spans(5)
    write_tar(path, [(f"{n}.png", png(n)) for n in range(3)])
    with pytest.raises(SourceError, match="changed"):
        list(only(path).read(span, 5))


def test_stacks_and_tables_of_paths_by_a_pattern(tmp_path):
    tifffile.imwrite(tmp_path / "s2.tif", np.zeros((5, 8, 8, 3), dtype=np.uint8), photometric="rgb")
    tifffile.imwrite(tmp_path / "s10.tif", np.zeros((2, 8, 8, 3), dtype=np.uint8), photometric="rgb")
    shards = open_shards(str(tmp_path / "s*.tif"))
    assert [shard.name for shard in shards.shards] == ["s2.tif", "s10.tif"]
    found = rows_of(shards.shards[0], 3)
    assert column(found, "figure_id") == [f"s2.tif#page={n}" for n in range(5)]
    assert column(found, "page") == [0, 1, 2, 3, 4]
    assert {rows.images for rows in found} == {None}

    table = pd.DataFrame({"image": ["a.png", "b.png", "c.png"], "case": ["1", "2", "3"]})
    (tmp_path / "tables").mkdir()
    table.to_csv(tmp_path / "tables" / "a.csv", index=False)
    table.to_parquet(tmp_path / "tables" / "b.parquet")
    for shard in open_shards(f"{tmp_path}/*/*.[cp]*").shards:
        found = rows_of(shard, 2)
        assert column(found, "image") == ["a.png", "b.png", "c.png"]
        assert column(found, "figure_id") == [f"{shard.name}#{n}" for n in range(3)]
        assert found[0].figures.root == tmp_path / "tables"


def test_what_is_and_what_is_not_in_shards(tmp_path):
    write_parquet(tmp_path / "a.parquet", {"image_bytes": [png(1)]})
    write_tar(tmp_path / "b.tar", [("1.png", png(1))])
    assert [shard.name for shard in open_shards(tmp_path).shards] == ["a.parquet", "b.tar"]
    (tmp_path / "c.png").write_bytes(png(1))
    assert open_shards(tmp_path) is None
    assert open_shards(tmp_path / "c.png") is None
    assert open_shards("ami-br") is None
    paths = write_parquet(tmp_path / "paths.parquet", {"image": ["c.png"]})
    assert open_shards(paths) is None
    with pytest.raises(SourceError, match="no file fits"):
        open_shards(f"{tmp_path}/*.gif")
    with pytest.raises(SourceError, match=r"c\.png is no shard"):
        open_shards(f"{tmp_path}/*")


@pytest.mark.parametrize("name", ["a.parquet", "a.tar", "a.tif", "a.csv"])
def test_a_broken_shard_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(bytes(range(256)) * 8)
    shards = open_shards(f"{tmp_path}/a.*")
    with pytest.raises(SourceError, match=name.replace(".", r"\.")):
        rows_of(shards.shards[0], 10)
