"""What `classify` says of a slide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atypica.apps.cli.slides_screen import show_slides
from atypica.inference.slides import SlideFindings


@pytest.mark.parametrize(("figures", "said"), [(50_000, "100,000 per mm²"), (40, "80.00 per mm²")])
def test_densities_are_written_out(capsys: pytest.CaptureFixture[str], figures: int, said: str):
    counts = {"figures": figures, "failed": 0, "left_out": 0, "amf": 1}
    rows = np.arange(figures)
    show_slides([SlideFindings("a.tif", Path("a.tif"), "a", None, rows, counts, tissue_mm2=0.5)])
    assert said in " ".join(capsys.readouterr().err.split())
