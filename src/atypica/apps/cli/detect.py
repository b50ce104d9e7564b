"""`atypica detect`: somebody else's detector on a slide, as a table that `classify` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from atypica.apps.cli.screen import counted, say
from atypica.apps.detectors import make_detector
from atypica.apps.detectors.detector import DetectorOptions
from atypica.core.errors import SourceError
from atypica.core.tables import check_table_name, write_table


def detect(
    slide: Path,
    *,
    out: Path,
    detector: Literal["kongnet"] = "kongnet",
    device: Literal["cpu", "cuda"] = "cpu",
    min_score: float | None = None,
    detector_mpp: float | None = None,
    mpp: float | None = None,
    weights: Path | None = None,
    batch: int = 8,
) -> int:
    """Find mitotic figures on a slide with a detector of others. EXPERIMENTAL: it has not been run for real.

    kongnet is KongNet_Det_MIDOG_1 of TIAToolbox (weights CC BY 4.0). The adapter was written after the package's
    source and tested against a stand-in, without its weights: look at what it finds before you use it. Writes a
    table (x_px, y_px of level 0, detection_score, detection_class) for atypica classify SLIDE --figures.

    Parameters
    ----------
    slide
        The slide.
    out
        The table to write, .csv or .parquet.
    detector
        Which detector.
    device
        cpu, or cuda for a GPU.
    min_score
        The least score it gives out; the detector's own if not given (kongnet: 0.99). Ask for less here and choose
        later, with classify --min-detection-score.
    detector_mpp
        Micrometers per pixel at which the detector looks; its own if not given (kongnet: 0.5).
    mpp
        Micrometers per pixel of the slide, where its file does not say it.
    weights
        A file with the weights; downloaded by the detector's package if not given.
    batch
        Patches at a time.
    """
    check_table_name(out)
    if not slide.exists():
        raise SourceError(f"there is no slide {slide}", "check the path")
    chosen = make_detector(detector, DetectorOptions(device, batch, weights, min_score, detector_mpp, mpp))
    say(f"{chosen.name}: experimental, not yet run for real; look at what it finds", "bold yellow")
    found = chosen.detect(slide)
    write_table(found, out)
    say(f"{counted(len(found), 'detection')} on {slide.name}")
    say(f"wrote {out}")
    return 0
