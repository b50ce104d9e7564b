"""`atypica demo`: real figures where there are any; drawn ones say so before anything else."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from data_server import DataServer
from PIL import Image

from atypica.apps.cli import demo as module
from atypica.apps.cli.main import run

ARCHIVE = "/github.com/DeepMicroscopy/AMi-Br_Benchmark/archive/HEAD.zip"


@pytest.fixture
def demo(tiny_bundle, tmp_path, monkeypatch, capsys):
    """Run the verb with a data home; gives the exit code, the screen's lines, and the folder of results."""

    def call(home: Path):
        monkeypatch.setenv("ATYPICA_DATA", str(home))
        out = tmp_path / "out"
        monkeypatch.setattr("sys.argv", ["atypica", "demo", "--out", str(out), "--model", str(tiny_bundle)])
        with pytest.raises(SystemExit) as left:
            run()
        said = capsys.readouterr()
        return left.value.code, (said.out + said.err).splitlines(), out

    return call


def test_drawn_figures_are_called_drawn_first(demo, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "DRAWN", 12)
    code, lines, out = demo(tmp_path / "no-data")
    assert code == 0
    assert "DRAWN" in lines[0]
    html = (out / "report.html").read_text()
    body = html[html.index("<body") :]
    assert "DRAWN" in body[: body.index("AMF")]
    first = pd.read_csv(out / "predictions.csv")
    assert len(first) == 12
    assert demo(tmp_path / "no-data")[0] == 0  # again, over the figures of the first time
    pd.testing.assert_frame_equal(pd.read_csv(out / "predictions.csv"), first)


def test_real_figures_are_not_called_drawn(demo, real_data):
    code, lines, out = demo(real_data)
    assert code == 0
    assert len(pd.read_csv(out / "predictions.csv")) == 60
    assert "drawn" not in "\n".join(lines).lower()


def test_a_mirror_brings_real_figures(demo, tmp_path, monkeypatch):
    with DataServer().running() as server:
        server.files[ARCHIVE] = _archive()
        monkeypatch.setenv("ATYPICA_MIRROR", server.url)
        code, lines, out = demo(tmp_path / "no-data")
    assert code == 0
    assert not any("DRAWN" in line for line in lines)
    assert len(pd.read_csv(out / "predictions.csv")) == 2


def test_without_the_mirror_the_figures_are_drawn(demo, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "DRAWN", 12)
    with DataServer().running() as server:
        monkeypatch.setenv("ATYPICA_MIRROR", server.url)
        code, lines, _ = demo(tmp_path / "no-data")
    assert code == 0
    assert any("DRAWN" in line for line in lines)


def _archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for index, label in enumerate(("Atypical", "Normal")):
            picture = io.BytesIO()
            Image.fromarray(np.full((128, 128, 3), 90 + index, dtype=np.uint8)).save(picture, "PNG")
            archive.writestr(f"AMi-Br_Benchmark-main/AtNorM-Br/{label}/{index}.png", picture.getvalue())
    return buffer.getvalue()
