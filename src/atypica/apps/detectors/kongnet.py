"""KongNet_Det_MIDOG_1 of TIAToolbox: first of MIDOG 2025's track 1 (Lv et al., arXiv 2510.23559).

Experimental: written after the source of TIAToolbox 2.1.3 and tested against a stand-in, never run with its weights.
Code BSD-3-Clause, weights CC BY 4.0. It is run on whole slides only: on patches, 2.1.3 gives out x and y exchanged.
"""

from __future__ import annotations

import copy
import tempfile
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd

from atypica.apps.detectors.detector import COLUMNS, DetectorOptions
from atypica.core.errors import AtypicaError, DetectorError, MissingExtraError
from atypica.data.detections import read_detections

MODEL = "KongNet_Det_MIDOG_1"
EXTRA = "detect"


def make(options: DetectorOptions) -> KongNet:
    """Load the network; the weights are downloaded at first, unless `options.weights` names them.

    Raises:
        MissingExtraError: TIAToolbox is not installed.
        DetectorError: it is, but does not work, or the weights cannot be had.
    """
    if find_spec("tiatoolbox") is None:
        raise MissingExtraError("atypica detect", EXTRA)
    try:
        from tiatoolbox.models.engine.nucleus_detector import NucleusDetector  # pyright: ignore[reportMissingImports]

        engine = NucleusDetector(
            model=MODEL,
            batch_size=options.batch,
            weights=None if options.weights is None else str(options.weights),
            device=options.device,
            verbose=False,
        )
    except Exception as error:
        raise _failed(f"{MODEL} cannot be loaded", error, "with no network, give --weights") from error
    return KongNet(engine, options)


class KongNet:
    """The engine of TIAToolbox behind `Detector`.

    Args:
        engine: a `NucleusDetector`.
        options: how to run it.
    """

    def __init__(self, engine: Any, options: DetectorOptions) -> None:
        self._engine = engine
        self._options = options

    @property
    def name(self) -> str:
        """Model and package."""
        try:
            return f"{MODEL}, TIAToolbox {version('tiatoolbox')}"
        except PackageNotFoundError:
            return f"{MODEL}, TIAToolbox"

    def detect(self, slide: Path) -> pd.DataFrame:
        """The detections on a slide, see `Detector`.

        TIAToolbox writes them as QuPath's GeoJSON: points in pixels of level 0 with `probability` and
        `classification`.
        """
        with tempfile.TemporaryDirectory(prefix="atypica-detect-") as folder:
            try:
                found = self._engine.run(
                    images=[slide],
                    patch_mode=False,
                    device=self._options.device,
                    save_dir=Path(folder) / "found",
                    output_type="qupath",
                    auto_get_mask=True,
                    **self._settings(),
                )
            except Exception as error:
                raise _failed(f"{self.name} failed on {slide}", error, "check the slide, --device and --mpp") from error
            return _table(_written(found, slide, self.name), self.name)

    def _settings(self) -> dict[str, Any]:
        options, settings = self._options, dict[str, Any]()
        if options.min_score is not None:
            settings["threshold_abs"] = options.min_score
        if options.slide_mpp is not None:
            settings["wsireader_kwargs"] = {"mpp": (options.slide_mpp, options.slide_mpp)}
        if options.detector_mpp is not None:
            config = copy.deepcopy(self._engine.ioconfig)
            resolution = [{"units": "mpp", "resolution": options.detector_mpp}]
            config.input_resolutions = config.output_resolutions = resolution
            config.highest_input_resolution = resolution[0]
            settings["ioconfig"] = config
        return settings


def _written(found: Any, slide: Path, name: str) -> Path:
    """The file that the engine says it wrote: it answers with a path for each slide."""
    paths = list(found.values()) if isinstance(found, dict) else []
    if len(paths) == 1 and Path(paths[0]).is_file():
        return Path(paths[0])
    raise DetectorError(f"{name} wrote no detections of {slide}", "report it, with the version of TIAToolbox")


def _table(path: Path, name: str) -> pd.DataFrame:
    if not _any(path):
        return pd.DataFrame(columns=list(COLUMNS))
    try:
        table = read_detections(path).table
    except AtypicaError as error:
        raise DetectorError(f"{name} wrote what cannot be read: {error.message}", error.fix) from error
    table = table.rename(columns={"x": "x_px", "y": "y_px"})
    if table[["x_px", "y_px", "detection_score"]].isna().any(axis=None):
        raise DetectorError(f"{name} wrote detections without a place or a score", "report it, with its version")
    return table[list(COLUMNS)]


def _any(path: Path) -> bool:
    """Whether the file holds a feature: without any, TIAToolbox writes an empty list."""
    import json

    if path.stat().st_size > 10_000:
        return True
    try:
        return bool(json.loads(path.read_text(encoding="utf-8")).get("features"))
    except (ValueError, AttributeError):
        return True


def _failed(what: str, error: Exception, fix: str) -> DetectorError:
    said = " ".join(str(error).split())[:300]
    return DetectorError(f"{what}: {type(error).__name__}: {said}", fix)
