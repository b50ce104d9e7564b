"""Figures in, vectors out: looked up, computed where they are new, and kept; pixels never are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from atypica.core.errors import FigureError, SettingsError, SourceError
from atypica.core.machine import default_threads
from atypica.core.progress import ProgressBar
from atypica.data.figures import Figures
from atypica.inference.crop_sources import crops_for
from atypica.inference.crops import Crop, CropSource
from atypica.inference.pipeline import CHUNK, in_order, one_line
from atypica.inference.preprocess import preprocess
from atypica.inference.resolution import Origin, Resolution
from atypica.inference.views import turn
from atypica.models.embedding.cache import EmbeddingCache
from atypica.models.embedding.encoder import Encoder
from atypica.models.embedding.kept import KeptVectors

MOST_VIEWS = 8
"""The symmetries of the square; see `turn`."""


class Embedded(NamedTuple):
    """What became of some figures.

    Attributes:
        vectors: row to (views, width).
        known: row to micrometers per pixel, and where that number came from.
        errors: row to why it could not be read.
        computed: how many vectors were not in the cache.
    """

    vectors: dict[int, NDArray[np.float32]]
    known: dict[int, tuple[float, Origin]]
    errors: dict[int, str]
    computed: int


def embed_figures(
    figures: Figures, encoder: Encoder, cache: EmbeddingCache | None, views: int = 1
) -> NDArray[np.float32]:
    """The vectors of all figures, from the cache where they are there.

    Args:
        figures: the table; slides are cut at their figures.
        encoder: what makes the vectors.
        cache: None to keep nothing.
        views: of each crop: view 0 is the crop, 1 to 3 its quarter turns, 4 to 7 those of its mirror image.

    Returns:
        (figures, views, width).

    Raises:
        SettingsError: that number of views is not possible.
        SourceError: figures that cannot be read; none is dropped in silence.
    """
    vectors = np.empty((len(figures), views, encoder.width), dtype=np.float32)
    errors: dict[int, str] = {}
    for part in stream_embeddings(figures, encoder, cache, views):
        errors |= part.errors
        for row, vector in part.vectors.items():
            vectors[row] = vector
    if errors:
        row, reason = min(errors.items())
        raise SourceError(
            f"{len(errors)} of {len(figures)} figures cannot be read, first: {figures.table['image'][row]}: {reason}",
            "mend or remove them (atypica data audit lists all)",
        )
    return vectors


def stream_embeddings(
    figures: Figures,
    encoder: Encoder,
    cache: EmbeddingCache | None,
    views: int = 1,
    *,
    mpp: float | None = None,
    threads: int | None = None,
) -> Iterator[Embedded]:
    """The vectors of figures, some at a time, in the order that they are best read in; memory does not grow.

    What is computed is kept within seconds, so that the next call goes on where this one was stopped.

    Args:
        figures, encoder, cache, views: as for `embed_figures`.
        mpp: micrometers per pixel of figures whose table does not say it.
        threads: that read, decode and, on a CPU, encode; None for one a core.

    Raises:
        SettingsError: that number of views is not possible.
    """
    if not 1 <= views <= MOST_VIEWS:
        raise SettingsError(f"{views} views are not possible", f"choose 1 to {MOST_VIEWS}")
    resolution = Resolution(figures, mpp)
    crops = crops_for(figures, resolution, encoder)
    kept = KeptVectors(encoder, cache)
    work = partial(_embed, crops, resolution, kept, views)
    lots = crops.lots(len(figures), encoder.batch_size * CHUNK)
    with kept, encoder.a_core_a_thread(), ProgressBar(f"embedding by {encoder.name}", len(figures)) as bar:
        for lot in in_order(work, lots, threads or default_threads()):
            for done in lot:
                yield done
                bar.advance(len(done.vectors) + len(done.errors))
    crops.close()


@dataclass
class _Part:
    """Some figures, looked up: what is known of them, and what there is to compute."""

    keys: dict[int, list[bytes]] = field(default_factory=dict[int, list[bytes]])
    known: dict[int, tuple[float, Origin]] = field(default_factory=dict[int, tuple[float, Origin]])
    errors: dict[int, str] = field(default_factory=dict[int, str])
    found: dict[bytes, NDArray[np.float32]] = field(default_factory=dict[bytes, NDArray[np.float32]])
    shown: dict[int, NDArray[np.uint8]] = field(default_factory=dict[int, NDArray[np.uint8]])


def _embed(
    crops: CropSource, resolution: Resolution, kept: KeptVectors, views: int, rows: Sequence[int]
) -> list[Embedded]:
    """A lot of any size, of whose pixels only those of a few batches are held at a time."""
    done: list[Embedded] = []
    read = crops.read_lot(rows)
    while some := list(islice(read, kept.encoder.batch_size * CHUNK)):
        part = _Part()
        for row, crop in some:
            try:
                _look_up(part, row, crop, resolution, kept, views)
            except FigureError as error:
                part.errors[row] = one_line(error)
        done.append(_complete(part, kept, views))
    return done


def _look_up(
    part: _Part, row: int, crop: Crop | FigureError, resolution: Resolution, kept: KeptVectors, views: int
) -> None:
    if isinstance(crop, FigureError):
        raise crop
    place, encoder = crop.place, kept.encoder
    mpp, origin = (place.mpp * place.scale, place.origin) if place else resolution.of(row, crop.mpp)
    keys = kept.keys(crop, mpp, views)
    found = kept.get(keys)
    if len(found) < views:
        center = place.center if place else None
        part.shown[row] = preprocess(crop.pixels, mpp, encoder.geometry, encoder.stain_normalization, center)
    part.keys[row], part.known[row] = keys, (place.mpp if place else mpp, origin)
    part.found |= found


def _complete(part: _Part, kept: KeptVectors, views: int) -> Embedded:
    computed: dict[bytes, NDArray[np.float32]] = {}
    for view in range(views):
        missing = [row for row in part.shown if part.keys[row][view] not in part.found]
        if missing:
            vectors = kept.encoder.encode(turn(np.stack([part.shown[row] for row in missing]), view))
            computed |= {part.keys[row][view]: vector for row, vector in zip(missing, vectors, strict=True)}
    kept.put(computed)
    every = part.found | computed
    rows = {row: np.stack([every[key] for key in keys]) for row, keys in part.keys.items()}
    return Embedded(rows, part.known, part.errors, len(computed))
