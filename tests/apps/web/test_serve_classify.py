"""What POST /classify answers: the numbers of `atypica classify`, for every kind of body, under limits."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image
from service_calls import ask, classify, crop, png, service, zipped

from atypica.inference.model import load_model
from atypica.inference.predictions import SUBTYPE_COLUMNS

COLUMNS = (
    "p_amf",
    "threshold",
    "prediction",
    "subtype",
    *SUBTYPE_COLUMNS,
    "p_disagreement",
    "uncertainty",
    "ood",
    "abstain",
    "in_training",
    "error",
)
TOKEN = "a-token-of-many-characters"


@pytest.fixture
def app(tiny_bundle):
    return service(tiny_bundle)


def stack(*pages: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.stack(pages), photometric="rgb", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("views", [1, 8])
@pytest.mark.parametrize("threshold", [None, 0.7, "sensitive"])
def test_the_numbers_are_those_of_classify(app, tiny_bundle, tmp_path, views, threshold):
    brightness = [20, 90, 128, 200, 240]
    for number, value in enumerate(brightness):
        (tmp_path / f"{number}.png").write_bytes(png(value, side=70 + 10 * number))
    (tmp_path / "5.png").write_bytes(b"nothing")
    expected = load_model(tiny_bundle).classify(tmp_path, mpp=0.3, views=views, threshold=threshold).predictions
    files = [(f"{n}.png", (tmp_path / f"{n}.png").read_bytes()) for n in range(6)]
    query = {"mpp": 0.3, "views": views} | ({} if threshold is None else {"threshold": threshold})
    answer = classify(app, *files, **query).json()
    assert [row["name"] for row in answer["figures"]] == expected["image"].tolist()
    for column in COLUMNS:
        found = [row[column] for row in answer["figures"]]
        for one, two in zip(found, expected[column], strict=True):
            wanted = None if pd.isna(two) else two
            assert one == (pytest.approx(wanted, abs=2e-6) if isinstance(wanted, float) else wanted), column
    assert answer["failed"] == 1
    assert answer["views"] == views


@pytest.mark.real
def test_the_shipped_model_on_real_crops(real_data, tmp_path):
    from atypica.data.sources import open_source
    from atypica.inference.bundle import DEFAULT_BUNDLE

    figures = open_source(str(real_data / "AMi-Br"))
    figures = figures.where(np.arange(len(figures)) % (len(figures) // 12) == 0)
    expected = load_model().classify(figures).predictions
    paths = [figures.path(image) for image in figures.table["image"]]
    app = service(DEFAULT_BUNDLE)
    mpp = float(figures.table["mpp"].iloc[0]) if "mpp" in figures.table else 0.25
    answer = classify(app, *[(path.name, path.read_bytes()) for path in paths], mpp=mpp).json()
    assert answer["failed"] == 0
    found = [row["p_amf"] for row in answer["figures"]]
    np.testing.assert_allclose(found, expected["p_amf"].to_numpy(), atol=1e-5)
    assert [row["prediction"] for row in answer["figures"]] == expected["prediction"].tolist()
    assert [row["subtype"] for row in answer["figures"]] == expected["subtype"].tolist()


def test_a_stack_gives_a_row_a_page_in_order(app):
    pages = [crop(value) for value in (20, 128, 240)]
    answer = classify(app, ("s.tif", stack(*pages)), ("one.tif", stack(pages[0])), mpp=0.25).json()
    assert [(row["name"], row["page"]) for row in answer["figures"]] == [
        ("s.tif", 0),
        ("s.tif", 1),
        ("s.tif", 2),
        ("one.tif", None),
    ]
    p = [row["p_amf"] for row in answer["figures"]]
    assert p[0] > p[1] > p[2]
    assert p[3] == p[0]


def test_a_zip_is_its_files(app):
    content = zipped({"case 1/a.png": png(20), "b.txt": b"text", "c.tif": stack(crop(20), crop(240)), ".hid": b""})
    answer = classify(app, ("all.zip", content), mpp=0.25).json()
    assert [(row["name"], row["page"], row["error"] is None) for row in answer["figures"]] == [
        ("case 1/a.png", None, True),
        ("b.txt", None, False),
        ("c.tif", 0, True),
        ("c.tif", 1, True),
    ]
    assert "all.zip: 1 hidden files were left out" in answer["notes"]


def test_an_archive_in_an_archive_is_a_figure_that_cannot_be_read(app):
    answer = classify(app, ("a.zip", zipped({"inner.zip": zipped({"a.png": png()})}))).json()
    assert [row["error"] for row in answer["figures"]] == ["inner.zip is not an image -> remove it, or save it as PNG"]


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("image/png", png()),
        ("image/jpeg", png()),  # the content tells the kind
        ("application/octet-stream", png()),
        ("IMAGE/PNG; x=y", png()),
        ("image/tiff", stack(crop())),
        ("application/zip", zipped({"a.png": png()})),
    ],
)
def test_a_body_that_is_the_file(app, kind, content):
    answer = ask(app, "POST", "/classify?mpp=0.25", content=content, headers={"Content-Type": kind}).json()
    expected = classify(app, ("a.png", png()), mpp=0.25).json()["figures"][0]
    assert answer["figures"][0] | {"name": "a.png"} == expected
    assert answer["figures"][0]["name"] == ("a.png" if "zip" in kind else "body")


def test_the_resolution_and_where_it_came_from(app, tiny_bundle):
    tagged = stack(crop(), crop(), resolution=(40_000, 40_000), resolutionunit="CENTIMETER")
    files = [("a.png", png()), ("t.tif", tagged)]

    def said(answer):
        return [(row["mpp"], row["mpp_origin"]) for row in answer["figures"]]

    found = classify(app, *files).json()
    assert said(found) == [(0.25, "assumed"), (0.25, "tag"), (0.25, "tag")]
    assert any("assumed (1 figure)" in note for note in found["notes"])
    assert said(classify(app, *files, mpp=0.3).json()) == [(0.3, "given")] * 3
    assert said(classify(service(tiny_bundle, mpp=0.5), *files).json()) == [(0.5, "given")] * 3


def test_a_service_has_its_own_threshold(tiny_bundle):
    app = service(tiny_bundle, threshold=0.9)
    assert classify(app, ("a.png", png())).json()["figures"][0]["threshold"] == 0.9
    assert classify(app, ("a.png", png()), threshold="default").json()["figures"][0]["threshold"] == 0.5


def test_names_do_not_lead_anywhere_and_come_back_as_they_were(app, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    names = ["../../evil.png", "/etc/passwd", "..", "a\\b.png", "Größe.png", "x" * 500]
    rows = classify(app, *[(name, png()) for name in names]).json()["figures"]
    assert [row["name"] for row in rows] == names
    assert [row["error"] for row in rows] == [None] * len(names)


def test_nothing_is_left_on_disk(app, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    files = [("a.png", png()), ("z.zip", zipped({"b.png": png()})), ("s.tif", stack(crop(), crop()))]
    assert classify(app, *files).status_code == 200
    assert classify(app, ("z.zip", zipped({"../b.png": png()}))).status_code == 422
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"files": []}, 415),
        ({"content": b"", "headers": {"Content-Type": "image/png"}}, 422),
        ({"content": b"{}", "headers": {"Content-Type": "application/json"}}, 415),
        ({"content": b"x", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}, 415),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, 400),
        ({"files": {"files": ("a.png", b"x")}, "data": {"text": "x"}}, 400),
        ({"content": zipped({}), "headers": {"Content-Type": "application/zip"}}, 422),
        ({"content": b"PK\x03\x04", "headers": {"Content-Type": "application/zip"}}, 422),
    ],
)
def test_requests_that_cannot_be_served(app, request_, status):
    answer = ask(app, "POST", "/classify", **request_)
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "fix"}


@pytest.mark.parametrize(
    "query",
    [
        {"views": 2},
        {"views": "all"},
        {"mpp": 0},
        {"mpp": "nan"},
        {"mpp": 11},
        {"threshold": 1.5},
        {"threshold": "often"},
        {"threshold": "nan"},
    ],
)
def test_settings_that_are_not_possible(app, query):
    answer = classify(app, ("a.png", png()), **query)
    assert answer.status_code == 422
    assert answer.json()["error"]


def test_bad_figures_are_rows_and_tell_no_folder(app):
    files = {
        "empty.png": b"",
        "text.txt": b"hello",
        "cut.png": png()[:60],
        "cut.tif": stack(crop(), crop())[:40],
        "tiny.png": png(side=8),
        "good.png": png(),
    }
    answer = classify(app, *files.items(), mpp=0.25)
    assert answer.status_code == 200
    rows = answer.json()["figures"]
    assert [row["error"] is None for row in rows] == [False] * 5 + [True]
    assert all(row["p_amf"] is None for row in rows[:5])
    assert tempfile.gettempdir() not in answer.text


def test_limits(tiny_bundle):
    app = service(tiny_bundle, limits={"upload_mb": 1, "figures": 3, "pixels": 10_000})
    assert classify(app, *[(f"{n}.png", png()) for n in range(3)]).status_code == 200
    assert classify(app, *[(f"{n}.png", png()) for n in range(4)]).status_code == 413
    assert classify(app, ("s.tif", stack(*[crop()] * 4))).status_code == 413
    assert classify(app, ("s.zip", zipped({f"{n}.png": png() for n in range(4)}))).status_code == 413
    assert classify(app, ("a.bin", bytes(1 << 20))).status_code == 413
    assert classify(app, ("s.zip", zipped({"a": bytes(600_000), "b": bytes(600_000)}))).status_code == 413
    large = classify(app, ("large.png", png(side=101))).json()["figures"][0]
    assert "101x101 px, more than the limit of 10,000 pixels" in large["error"]


def test_archives_of_one_request_share_the_limit(tiny_bundle):
    app = service(tiny_bundle, limits={"upload_mb": 1})
    half = zipped({"a": os.urandom(100) + bytes(600_000)})
    assert classify(app, ("1.zip", half)).status_code == 200
    assert classify(app, ("1.zip", half), ("2.zip", half)).status_code == 413


def test_a_body_of_unknown_length_is_cut_off(tiny_bundle):
    async def pieces():
        for _ in range(30):
            yield bytes(100_000)

    app = service(tiny_bundle, limits={"upload_mb": 1})
    answer = ask(app, "POST", "/classify", content=pieces(), headers={"Content-Type": "image/png"})
    assert answer.status_code == 413
    assert ask(app, "POST", "/model", content=bytes(2 << 20)).status_code == 413


def test_a_stack_whose_chain_of_pages_is_cut_says_so(app):
    content = bytearray(stack(crop(20), crop(240), metadata=None))
    with tifffile.TiffFile(io.BytesIO(bytes(content))) as file:
        at = file.pages[1].offset
        tags = len(file.pages[1].tags)
    content[at + 2 + 12 * tags : at + 6 + 12 * tags] = (0x7FFFFFF0).to_bytes(4, "little")
    answer = classify(app, ("s.tif", bytes(content)), mpp=0.25).json()
    assert [row["error"] for row in answer["figures"]] == [None, None]
    assert "s.tif is damaged after 2 pages; what followed is lost" in answer["notes"]


def test_a_pickle_is_no_image(app, tmp_path):
    import pickle

    class Evil:
        def __reduce__(self):
            return (Path(tmp_path / "owned").touch, ())

    for name, content in (("a.pkl", pickle.dumps(Evil())), ("a.npy", _object_array(Evil()))):
        row = classify(app, (name, content)).json()["figures"][0]
        assert "is not an image" in row["error"]
    assert not (tmp_path / "owned").exists()


def _object_array(value: object) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([value], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def test_the_token(tiny_bundle):
    app = service(tiny_bundle, token=TOKEN)
    for method, path in (("POST", "/classify"), ("GET", "/model"), ("GET", "/metrics"), ("GET", "/docs")):
        assert ask(app, method, path).status_code == 401
    assert ask(app, "GET", "/health").status_code == 200
    headers = {"Authorization": f"Bearer {TOKEN}"}
    files = [("files", ("a.png", png()))]
    assert ask(app, "POST", "/classify", files=files, headers=headers).status_code == 200
    document = ask(app, "GET", "/openapi.json", headers=headers).json()
    assert document["security"] == [{"token": []}]


def test_the_model(app, tiny_bundle):
    answer = ask(app, "GET", "/model").json()
    card = load_model(tiny_bundle).card
    assert (answer["name"], answer["sha256"], answer["field_um"]) == ("tiny", card.onnx_sha256, 20)
    assert answer["thresholds"] == {"default": 0.5, "sensitive": 0.2}
    assert not {"recipe", "history", "versions"} & set(answer)


def test_health_and_metrics(tiny_bundle):
    app = service(tiny_bundle)
    assert ask(app, "GET", "/health").json()["status"] == "ready"
    classify(app, ("a.png", png()), ("b.png", b"x"))
    ask(app, "GET", "/some/where")
    ask(app, "BREW", "/health")
    text = ask(app, "GET", "/metrics").text
    for line in (
        'atypica_requests_total{method="POST",path="/classify",status="200"} 1.0',
        'atypica_requests_total{method="other",path="other",status="404"} 1.0',
        'atypica_requests_total{method="other",path="/health",status="405"} 1.0',
        'atypica_figures_total{outcome="typed"} 1.0',
        'atypica_figures_total{outcome="failed"} 1.0',
        "atypica_queue_crops 0.0",
        "atypica_requests_under_way 0.0",
    ):
        assert line in text.splitlines()
    assert "atypica_batch_figures_bucket" in text


def test_the_docs_fetch_nothing_from_outside(app):
    page = ask(app, "GET", "/docs").text
    assert "http" not in page
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "start.js", "page.css"):
        assert f"docs/{name}" in page
        assert ask(app, "GET", f"/docs/{name}").status_code == 200
    assert ask(app, "GET", "/docs/LICENSE").status_code == 404
    assert ask(app, "GET", "/docs/..%2Fapp.py").status_code == 404
    assert ask(app, "GET", "/").headers["Location"] == "/docs"


def test_images_of_many_kinds(app):
    expected = classify(app, ("a.png", png()), mpp=0.25).json()["figures"][0]["p_amf"]
    for suffix in ("BMP", "WEBP", "TIFF"):
        buffer = io.BytesIO()
        Image.fromarray(crop()).save(buffer, suffix, **({"lossless": True} if suffix == "WEBP" else {}))
        assert classify(app, ("a", buffer.getvalue()), mpp=0.25).json()["figures"][0]["p_amf"] == expected
