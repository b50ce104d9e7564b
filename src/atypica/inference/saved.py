"""A result read back from the folder that it was written to, with the figures that it is of.

Predictions never name a folder of the machine, so the images are looked for around the result.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from atypica.core.errors import FigureError, SourceError
from atypica.data.figures import KEYS, Figures, figures_from, read_table
from atypica.data.matching import match_figures
from atypica.data.sources import TABLE_SUFFIXES
from atypica.inference.crop_sources import crops_for
from atypica.inference.model import Model
from atypica.inference.pipeline import prepare
from atypica.inference.predictions import calibrated
from atypica.inference.resolution import Resolution
from atypica.inference.result import Result
from atypica.inference.views import VIEWS, forward_views

PREDICTIONS = ("predictions.csv", "predictions.parquet")
MOST_FOLDERS = 200
CHECKED = 3
"""Figures that are typed again, to prove that the images are those that were typed."""
SAME_P = 0.02
"""Other processors and versions round differently; other pixels differ more."""


def is_result(folder: Path) -> bool:
    """Whether a folder holds predictions."""
    return any((folder / name).is_file() for name in PREDICTIONS)


def open_result(folder: Path, model: Model, *, source: Figures | None = None, mpp: float | None = None) -> Result:
    """Read back what `Result.write` wrote.

    Args:
        folder: with predictions.csv or .parquet.
        model: that typed the figures; another one can show the crops, but not explain the predictions.
        source: the figures that were typed; looked for in and around the folder if None.
        mpp: the resolution that was given when they were typed.

    Raises:
        SourceError: no predictions, or no figures that fit them.
    """
    found = next((folder / name for name in PREDICTIONS if (folder / name).is_file()), None)
    if found is None:
        raise SourceError(f"{folder} has no predictions", "give a folder that 'atypica classify' wrote")
    predictions = read_table(found).reset_index(drop=True)
    if "image" not in predictions or "p_amf" not in predictions:
        raise SourceError(f"{found} is no table of predictions", "give a folder that 'atypica classify' wrote")
    figures = _aligned(predictions, source) if source else _look_around(predictions, folder)
    resolution = Resolution(figures, mpp)
    crops = crops_for(figures, resolution, model.card)
    result = Result(predictions, figures, model.classifier, figures.notes, 1, crops, resolution)
    return _checked(result) if typed_by(result, model) else result


def typed_by(result: Result, model: Model) -> bool:
    """Whether the predictions are this model's."""
    return set(result.predictions.get("model_sha256", ())) == {model.card.onnx_sha256}


def _aligned(predictions: pd.DataFrame, source: Figures) -> Figures:
    """The figures of the predictions, in their order."""
    match = match_figures(predictions, source.table, ("the predictions", source.name))
    if len(match) != len(predictions):
        raise SourceError(
            f"{source.name} has {len(match)} of the {len(predictions)} figures that were typed",
            "give the source that was typed",
        )
    table = source.table.iloc[match.right].reset_index(drop=True)
    return Figures(table, source.root, source.name, source.notes)


def _look_around(predictions: pd.DataFrame, folder: Path) -> Figures:
    images = [str(image) for image in predictions["image"].dropna()]
    example = f" (such as {images[0]})" if images else ""
    root = next((found for center in _centers(folder) if (found := _root(center, images)) is not None), None)
    if root is None:
        raise SourceError(
            f"the images of the predictions{example} are nowhere near {folder}", "say with --source what was typed"
        )
    keys = predictions[[key for key in KEYS if key in predictions]]
    figures = figures_from(keys, root, folder.resolve().name)
    return next(_tables(predictions, root), figures)


def _centers(folder: Path) -> list[Path]:
    """The result itself, what lies beside it, where the person is: the nearest first."""
    return list(dict.fromkeys(path.resolve() for path in (folder, folder.resolve().parent, Path.cwd())))


def _root(center: Path, images: list[str]) -> Path | None:
    """The folder in `center`, or it itself, that the image paths start from."""
    places = [center, *sorted(path for path in center.iterdir() if path.is_dir())[:MOST_FOLDERS]]
    found = [place for place in places if _has(place, images)]
    if len(found) > 1 and not all(Path(image).is_absolute() for image in images):
        raise SourceError(
            f"{len(found)} folders have images of these names: {', '.join(map(str, found[:3]))}",
            "say with --source what was typed",
        )
    return found[0] if found else None


def _has(place: Path, images: list[str]) -> bool:
    some = images[:: max(1, len(images) // 20)]
    return bool(some) and all((place / image).is_file() for image in some)


def _tables(predictions: pd.DataFrame, root: Path) -> Iterator[Figures]:
    """Figure tables beside the images, which may say more than the predictions repeat."""
    for path in sorted(path for path in root.iterdir() if path.suffix.lower() in TABLE_SUFFIXES):
        try:
            table = read_table(path)
            if "image" in table and "p_amf" not in table:
                yield _aligned(predictions, figures_from(table, root, path.name))
        except SourceError:
            continue


def _checked(result: Result) -> Result:
    """The result with the number of views that its predictions were made from."""
    p = pd.to_numeric(result.predictions["p_amf"], errors="coerce").to_numpy(dtype=np.float64)
    typed = np.flatnonzero(np.isfinite(p))
    rows = typed[np.linspace(0, len(typed) - 1, CHECKED).astype(int)] if len(typed) else typed
    try:
        again = {views: np.array([_type_again(result, int(row), views) for row in rows]) for views in VIEWS}
    except FigureError:
        return result  # images that cannot be read any more; the page will show it
    for views in VIEWS:
        if np.all(np.abs(again[views] - p[rows]) <= SAME_P):
            return replace(result, views=views)
    ids = result.predictions["figure_id"] if "figure_id" in result.predictions else result.predictions["image"]
    worst = int(np.argmax(np.abs(again[1] - p[rows])))
    raise SourceError(
        f"typed again, figure {ids[rows[worst]]} has p_amf {again[1][worst]:.3f}, not {p[rows[worst]]:.3f}: these are "
        f"other images than were typed, or another resolution ({result.figures.root})",
        "give --source, --mpp and --model as they were when the figures were typed",
    )


def _type_again(result: Result, row: int, views: int) -> float:
    crop = prepare(result.classifier, result.crops, result.resolution, row).crop
    logits = forward_views(result.classifier, crop[None], views, ["amf"])["amf"].reshape(-1)
    return float(calibrated(logits, result.card.calibration)[0])
