"""Downloads arrive whole, as published, or not at all."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from data_server import DataServer
from PIL import Image

from atypica.core.errors import DownloadError, SourceError
from atypica.data.fetch import MIRROR, fetch
from atypica.data.fetch import archive as archives
from atypica.data.fetch.archive import unpack
from atypica.data.fetch.remote import mirrored
from atypica.data.sources import ADAPTERS, open_source

BENCHMARK = "/github.com/DeepMicroscopy/AMi-Br_Benchmark/archive/HEAD.zip"
LABELS = "/raw.githubusercontent.com/DeepMicroscopy/MIDOGpp/HEAD/databases/MIDOG%2B%2B.json"
RECORD = "/zenodo.org/api/records/16107743"


@pytest.fixture
def server():
    with DataServer().running() as running:
        yield running


def get(server: DataServer, name: str, home: Path, **options):
    return fetch(name, home=home, mirror=server.url, pause=0.001, **options)


def png(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), shade, dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def benchmark() -> bytes:
    top = "AMi-Br_Benchmark-main"
    votes = "Filename,Expert_1,Expert_2,Expert_3,Expert_4,Expert_5,Majority\n1.png" + ",Normal" * 6 + "\n"
    return zipped(
        {
            f"{top}/README.md": b"about",
            f"{top}/AtNorM-Br/.DS_Store": b"x",
            f"{top}/AtNorM-Br/Atypical/1.png": png(1),
            f"{top}/AtNorM-Br/Normal/2.png": png(2),
            f"{top}/AtNorM-MD/Normal/1.png": png(3),
            f"{top}/AtNorM-MD/AtNorM-MD_expert_votes.csv": votes.encode(),
            f"{top}/code/AtNorM-Br/other.py": b"not data",
        }
    )


def noise(size: int) -> bytes:
    return np.random.default_rng(0).bytes(size)


def test_a_part_of_an_archive_becomes_the_dataset(server, tmp_path):
    server.files[BENCHMARK] = benchmark()
    said: list[str] = []
    folder = get(server, "atnorm-br", tmp_path, say=said.append)
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.*")) == ["Atypical/1.png", "Normal/2.png"]
    assert len(open_source("atnorm-br", data_home=tmp_path)) == 2
    assert any("sample: 2 of 746" in line for line in said)


def test_datasets_of_one_archive_share_the_download(server, tmp_path):
    server.files[BENCHMARK] = benchmark()
    get(server, "atnorm-br", tmp_path)
    get(server, "atnorm-md", tmp_path)
    assert len(server.requests) == 1
    assert open_source("atnorm-md", data_home=tmp_path).votes.shape == (1, 5)


def test_what_is_there_is_not_fetched_again(server, tmp_path):
    server.files[BENCHMARK] = benchmark()
    get(server, "atnorm-br", tmp_path)
    said: list[str] = []
    get(server, "atnorm-br", tmp_path, say=said.append)
    assert len(server.requests) == 1
    assert "already" in said[0]


def test_the_mirror_may_be_a_setting(server, tmp_path, monkeypatch):
    server.files[LABELS] = b"{}"
    monkeypatch.setenv(MIRROR, server.url + "/")
    folder = fetch("midogpp-labels", home=tmp_path)
    assert (folder / "MIDOG++.json").read_bytes() == b"{}"


def test_a_cut_download_goes_on_where_it_was_cut(server, tmp_path):
    content = noise(300_000)
    server.files[LABELS], server.cut_after = content, [98_304, 49_152]
    folder = get(server, "midogpp-labels", tmp_path)
    assert (folder / "MIDOG++.json").read_bytes() == content
    assert [wanted for _, wanted in server.requests] == ["", "bytes=98304-", "bytes=147456-"]


def test_a_download_that_was_given_up_goes_on_in_the_next_call(server, tmp_path):
    content = noise(200_000)
    server.files[LABELS], server.cut_after = content, [147_456, *[0] * 5]
    with pytest.raises(DownloadError, match=r"cut.*0\.1 MB kept"):
        get(server, "midogpp-labels", tmp_path)
    assert not (tmp_path / "MIDOGpp").exists()
    folder = get(server, "midogpp-labels", tmp_path)
    assert server.requests[-1][1] == "bytes=147456-"
    assert (folder / "MIDOG++.json").read_bytes() == content
    assert list((tmp_path / "downloads").glob("*.part*")) == []


def test_a_server_without_ranges_sends_all_again(server, tmp_path):
    content = noise(200_000)
    server.files[LABELS], server.cut_after, server.ranges = content, [100_000], False
    assert (get(server, "midogpp-labels", tmp_path) / "MIDOG++.json").read_bytes() == content


def test_a_server_without_versions_is_not_asked_to_go_on(server, tmp_path):
    content = noise(200_000)
    server.files[LABELS], server.cut_after, server.tag = content, [100_000], None
    assert (get(server, "midogpp-labels", tmp_path) / "MIDOG++.json").read_bytes() == content
    assert [wanted for _, wanted in server.requests] == ["", ""]


def test_a_file_that_changed_between_is_taken_from_the_start(server, tmp_path):
    server.files[LABELS], server.cut_after = b"a" * 100_000, [60_000, *[0] * 5]
    with pytest.raises(DownloadError):
        get(server, "midogpp-labels", tmp_path)
    server.files[LABELS], server.tag = b"b" * 100_000, '"two"'
    assert (get(server, "midogpp-labels", tmp_path) / "MIDOG++.json").read_bytes() == b"b" * 100_000


def test_passing_server_faults_are_tried_again(server, tmp_path):
    server.files[LABELS], server.status = b"{}", [503, 429, 500]
    get(server, "midogpp-labels", tmp_path)
    assert len(server.requests) == 4


def test_a_missing_file_is_not_tried_again(server, tmp_path):
    with pytest.raises(DownloadError, match="404") as caught:
        get(server, "midogpp-labels", tmp_path)
    assert "mirror" in caught.value.fix
    assert len(server.requests) == 1
    assert not (tmp_path / "MIDOGpp").exists()


def test_no_connection(tmp_path):
    with pytest.raises(DownloadError, match="no connection"):
        fetch("midogpp-labels", home=tmp_path, mirror="http://127.0.0.1:9", pause=0.0)


def zenodo(server: DataServer, files: dict[str, bytes], wrong: str = "") -> None:
    entries = []
    for name, content in files.items():
        path = f"/api/records/16107743/files/{name}/content"
        server.files["/zenodo.org" + path] = content
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        checksum = f"md5:{'0' * 32 if name == wrong else digest}"
        entries.append({"key": name, "checksum": checksum, "links": {"self": "https://zenodo.org" + path}})
    server.files[RECORD] = json.dumps({"files": entries}).encode()


def octo() -> dict[str, bytes]:
    return {
        "labels.csv": b"image_file,label\nc1_x.png,MF\nc2_x.png,AMF\n",
        "crops.zip": zipped({"c1_x.png": png(1), "c2_x.png": png(2)}),
    }


def test_all_files_of_a_zenodo_record_with_its_checksums(server, tmp_path):
    zenodo(server, octo())
    said: list[str] = []
    get(server, "omg-octo", tmp_path, say=said.append)
    figures = open_source("omg-octo", data_home=tmp_path)
    assert figures.table["label"].tolist() == ["NMF", "AMF"]
    assert sum("as published" in line for line in said) == 2
    assert not (tmp_path / "downloads" / "checksums.json").exists()


def test_a_wrong_checksum_leaves_nothing(server, tmp_path):
    zenodo(server, octo(), wrong="crops.zip")
    with pytest.raises(DownloadError, match="another checksum than published"):
        get(server, "omg-octo", tmp_path)
    assert not (tmp_path / "OMG-Octo").exists()
    assert [path.name for path in (tmp_path / "downloads").iterdir()] == ["labels.csv"]


@pytest.mark.parametrize("record", [b"no json", b"{}", b'{"files": []}', b'{"files": [{"key": "../x"}]}'])
def test_a_record_that_makes_no_sense(server, tmp_path, record):
    server.files[RECORD] = record
    with pytest.raises(DownloadError, match="record"):
        get(server, "omg-octo", tmp_path)


def test_a_file_name_that_leads_elsewhere_is_refused(server, tmp_path):
    entry = {"key": "../../x.zip", "checksum": "md5:0", "links": {"self": "https://zenodo.org/x"}}
    server.files[RECORD] = json.dumps({"files": [entry]}).encode()
    with pytest.raises(DownloadError, match="unusable file names"):
        get(server, "omg-octo", tmp_path)


def test_an_unpublished_checksum_is_recorded_and_held(server, tmp_path):
    server.files[LABELS] = b"first"
    said: list[str] = []
    get(server, "midogpp-labels", tmp_path, say=said.append)
    digest = hashlib.sha256(b"first").hexdigest()
    assert any(digest in line for line in said)
    assert json.loads((tmp_path / "downloads" / "checksums.json").read_text())["MIDOG++.json"]["sha256"] == digest
    for path in (tmp_path / "MIDOGpp" / "MIDOG++.json", tmp_path / "downloads" / "MIDOG++.json"):
        path.unlink()
    (tmp_path / "MIDOGpp").rmdir()
    server.files[LABELS] = b"second"
    with pytest.raises(DownloadError, match="not the file of the first download"):
        get(server, "midogpp-labels", tmp_path)
    folder = get(server, "midogpp-labels", tmp_path, again=True)
    assert (folder / "MIDOG++.json").read_bytes() == b"second"


def test_again_replaces_what_is_there(server, tmp_path):
    server.files[LABELS] = b"first"
    get(server, "midogpp-labels", tmp_path)
    server.files[LABELS] = b"second"
    folder = get(server, "midogpp-labels", tmp_path, again=True)
    assert (folder / "MIDOG++.json").read_bytes() == b"second"


def test_what_cannot_be_used_leaves_nothing_and_replaces_nothing(server, tmp_path):
    server.files[BENCHMARK] = zipped({"top/AtNorM-Br/Atypical/x.txt": b"", "top/AtNorM-Br/Normal/x.txt": b""})
    for _ in range(2):
        with pytest.raises(DownloadError, match="AtNorM-Br was fetched, but cannot be used"):
            get(server, "atnorm-br", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["downloads"]
    bad, server.files[BENCHMARK] = server.files[BENCHMARK], benchmark()
    get(server, "atnorm-br", tmp_path, again=True)
    server.files[BENCHMARK] = bad
    with pytest.raises(DownloadError, match="cannot be used"):
        get(server, "atnorm-br", tmp_path, again=True)
    assert len(open_source("atnorm-br", data_home=tmp_path)) == 2


def test_an_archive_without_the_wanted_part(server, tmp_path):
    server.files[BENCHMARK] = zipped({"top/README.md": b"moved"})
    with pytest.raises(DownloadError, match="no folder AtNorM-Br"):
        get(server, "atnorm-br", tmp_path)
    assert not (tmp_path / "AtNorM-Br").exists()


def test_an_unknown_name(tmp_path):
    with pytest.raises(SourceError, match="midogpp-labels"):
        fetch("nothing", home=tmp_path)


def test_mirrored_keeps_host_path_and_query():
    assert mirrored("https://a.org/b/c?d=1", "http://m/x/") == "http://m/x/a.org/b/c?d=1"
    assert mirrored("https://a.org/b", None) == "https://a.org/b"


def everything(path: PurePosixPath) -> PurePosixPath:
    return path


@pytest.mark.parametrize("name", ["../out.txt", "/out.txt", "a/../../out.txt", "a\\..\\out.txt", "C:/out.txt"])
def test_paths_that_lead_out_are_refused(tmp_path, name):
    archive = tmp_path / "bad.zip"
    archive.write_bytes(zipped({"good.txt": b"x", name: b"x"}))
    target = tmp_path / "in" / "side"
    target.mkdir(parents=True)
    with pytest.raises(DownloadError, match="unsafe path"):
        unpack(archive, target, everything)
    assert list(target.iterdir()) == []


def test_links_are_left_out(tmp_path):
    archive = tmp_path / "links.zip"
    with zipfile.ZipFile(archive, "w") as file:
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc/passwd")
        file.writestr("file.txt", "x")
    target = tmp_path / "out"
    target.mkdir()
    assert unpack(archive, target, everything) == 1
    assert [path.name for path in target.iterdir()] == ["file.txt"]


def test_tar_links_and_devices_are_left_out(tmp_path):
    archive = tmp_path / "links.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        file.addfile(link)
        info = tarfile.TarInfo("deep/file.txt")
        info.size = 1
        file.addfile(info, io.BytesIO(b"x"))
    target = tmp_path / "out"
    target.mkdir()
    assert unpack(archive, target, everything) == 1
    assert (target / "deep" / "file.txt").read_bytes() == b"x"


def test_an_archive_that_grows_beyond_measure_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "FREE_BYTES", 1000)
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros", bytes(2_000_000))
    target = tmp_path / "out"
    target.mkdir()
    with pytest.raises(DownloadError, match="unpacks to more"):
        unpack(archive, target, everything)
    assert list(target.iterdir()) == []


def test_a_cut_archive_is_named_damaged(tmp_path):
    archive = tmp_path / "cut.tar.gz"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        info = tarfile.TarInfo("file")
        info.size = 100_000
        file.addfile(info, io.BytesIO(noise(100_000)))
    archive.write_bytes(buffer.getvalue()[:50_000])
    target = tmp_path / "out"
    target.mkdir()
    with pytest.raises(DownloadError, match="damaged"):
        unpack(archive, target, everything)


def broken_zip(method: int, start: int) -> bytes:
    """A zip whose only member, packed by a method, has rubbish from a byte on."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("file", noise(10_000))
    content = bytearray(buffer.getvalue())
    content[start:5000] = b"\xff" * (5000 - start)
    return bytes(content)


def encrypted_zip() -> bytes:
    content = bytearray(zipped({"file": b"x"}))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    content[6] |= 1
    return bytes(content)


def zip_of_unknown_method() -> bytes:
    content = bytearray(zipped({"file": b"x"}))
    content[content.index(b"PK\x01\x02") + 10] = content[8] = 99
    return bytes(content)


@pytest.mark.parametrize(
    "content",
    [broken_zip(zipfile.ZIP_DEFLATED, 34), broken_zip(zipfile.ZIP_LZMA, 50), encrypted_zip(), zip_of_unknown_method()],
    ids=["deflate", "lzma", "encrypted", "unknown method"],
)
def test_a_broken_archive_is_named_damaged(tmp_path, content):
    (tmp_path / "broken.zip").write_bytes(content)
    (tmp_path / "out").mkdir()
    with pytest.raises(DownloadError, match=r"broken\.zip is damaged"):
        unpack(tmp_path / "broken.zip", tmp_path / "out", everything)


def test_every_dataset_with_an_adapter_can_be_fetched_by_name():
    assert all(adapter.dataset.downloads for adapter in ADAPTERS.values())


def test_ami_br_takes_its_table_from_its_own_repository_where_the_benchmark_lacks_it(server, tmp_path):
    columns = "slide,dataset,uid,x,y,expert1_label,expert2_label,expert1_atypical,expert2_atypical,expert3_atypical"
    row = "002.tiff,MIDOG21,6,1,2,NMF metaphase,NMF metaphase,False,False,False,False"
    table = f"{columns},majority_atypical\n{row}\n".encode()
    server.files[BENCHMARK] = zipped({"top/AMi-Br/Train/Normal/MIDOG21_6.png": png(1)})
    server.files["/github.com/DeepMicroscopy/AMi-Br/archive/HEAD.zip"] = zipped(
        {"top/AMi-Br.csv": b"x", "top/AMI-Br.CSV": b""}
    )
    with pytest.raises(DownloadError):
        get(server, "ami-br", tmp_path)
    server.files["/github.com/DeepMicroscopy/AMi-Br/archive/HEAD.zip"] = zipped({"top/data/ami-br.csv": table})
    get(server, "ami-br", tmp_path, again=True)
    assert open_source("ami-br", data_home=tmp_path).table["image"].tolist() == ["Train/Normal/MIDOG21_6.png"]
