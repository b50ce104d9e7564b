"""`atypica demo`: real figures where there are any; drawn ones say so before anything else."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from atypica.apps.cli import demo as module
from atypica.apps.cli.main import run


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
