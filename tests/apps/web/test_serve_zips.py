"""Zip archives from strangers: what is unpacked, and what is refused."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from service_calls import zipped

from atypica.apps.web.serve.refused import RefusedError
from atypica.apps.web.serve.zips import place_for, unpack_zip

MIB = 1 << 20


def unpack(tmp_path: Path, content: bytes, files: int = 10, size: int = 10 * MIB):
    (tmp_path / "a.zip").write_bytes(content)
    target = tmp_path / "out"
    target.mkdir()
    return unpack_zip(tmp_path / "a.zip", target, files, size)


def refused(tmp_path: Path, content: bytes, **limits) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        unpack(tmp_path, content, **limits)
    outside = [path for path in tmp_path.rglob("evil*") if tmp_path / "out" not in path.parents]
    assert not outside
    return caught.value


def test_files_keep_their_names_and_order_and_lie_below_the_target(tmp_path):
    members, hidden = unpack(tmp_path, zipped({"b/x.png": b"1", "a/x.png": b"2", "b/": b"", "__MACOSX/._x": b"3"}))
    assert [(m.name, m.file.read_bytes()) for m in members] == [("b/x.png", b"1"), ("a/x.png", b"2")]
    assert [str(m.file.relative_to(tmp_path)) for m in members] == ["out/0/x.png", "out/1/x.png"]
    assert hidden == 1


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/evil", "C:\\evil", "a\\..\\..\\evil", "//host/evil", "evil\x00.png"]
)
def test_paths_that_lead_elsewhere(tmp_path, name):
    info = zipfile.ZipInfo("placeholder")
    info.filename = info.orig_filename = name
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info, b"x")
    assert refused(tmp_path, buffer.getvalue()).status == 422


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices(tmp_path, kind):
    info = zipfile.ZipInfo("evil")
    info.external_attr = (kind | 0o777) << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info, b"/etc/passwd")
    assert "link" in refused(tmp_path, buffer.getvalue()).error


def test_a_member_that_grows_beyond_measure(tmp_path):
    content = zipped({"evil.png": bytes(50 * MIB)})
    assert len(content) < MIB // 10
    error = refused(tmp_path, content, size=100 * MIB)
    assert (error.status, "200 times" in error.error) == (413, True)


def test_members_that_are_too_large_together(tmp_path):
    noise = {f"evil{n}": bytes(900_000) for n in range(8)}
    error = refused(tmp_path, zipped(noise), size=5 * MIB)
    assert (error.status, error.error) == (413, "the zip archive unpacks to more than 5 MiB")


def test_a_size_that_lies(tmp_path):
    """The directory says 10 bytes; the member holds 3 MiB."""
    content = bytearray(zipped({"evil": bytes(3 * MIB)}))
    at = content.rfind(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", 10)
    content[22:26] = struct.pack("<I", 10)
    error = refused(tmp_path, bytes(content), size=MIB)
    assert error.status in {413, 422}


def test_too_many_files(tmp_path):
    error = refused(tmp_path, zipped({f"evil{n}": b"" for n in range(11)}), files=10)
    assert (error.status, error.error) == (413, "the zip archive holds more than 10 files")


def test_a_directory_that_would_fill_the_memory(tmp_path, monkeypatch):
    content = zipped({f"{n:0200}": b"" for n in range(3000)})
    monkeypatch.setattr(zipfile, "ZipFile", None)  # it reads the directory at once, so it must not be asked
    assert refused(tmp_path, content, files=10).status == 413


def test_zip64_is_not_needed(tmp_path):
    end64 = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 1, 1, 46, 0)
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, 0, 1)
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, 46, 0, 0)
    assert refused(tmp_path, end64 + locator + end).status == 413


def test_an_archive_in_an_archive_stays_packed(tmp_path):
    inner = zipped({"evil.png": b"x"})
    members, _ = unpack(tmp_path, zipped({"inner.zip": inner}))
    assert [member.file.read_bytes() for member in members] == [inner]


def test_encrypted(tmp_path):
    content = bytearray(zipped({"evil": b"x"}))
    at = content.rfind(b"PK\x01\x02")
    content[at + 8] |= 1
    assert "encrypted" in refused(tmp_path, bytes(content)).error


def test_a_rare_method(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("evil", b"x" * 100)
    assert "rare" in refused(tmp_path, buffer.getvalue()).error


@pytest.mark.parametrize(
    "damage", [lambda c: c[:-30], lambda c: b"PK\x03\x04", lambda c: c[:40] + b"\xff" * 40 + c[80:]]
)
def test_damage(tmp_path, damage):
    assert refused(tmp_path, damage(zipped({"evil": bytes(range(256)) * 10}))).status == 422


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.png", "a.png"),
        ("../../evil", "evil"),
        ("..", "image"),
        ("", "image"),
        (".hidden", "hidden"),
        ("C:\\x\\b c.tif", "b c.tif"),
        ("a\x00b\n.png", "a_b_.png"),
        ("Größe.png", "Größe.png"),
        ("x" * 300 + ".png", "x" * 76 + ".png"),
    ],
)
def test_a_place_is_below_its_folder_whatever_the_name(tmp_path, name, expected):
    place = place_for(tmp_path, 3, name)
    assert place == tmp_path / "3" / expected
    place.write_bytes(b"")
