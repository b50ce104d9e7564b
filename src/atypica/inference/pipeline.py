"""Figures in, columns out: decoded, resampled and typed in small batches on every core, pixels never kept."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from atypica.core.errors import FigureError, SettingsError
from atypica.core.machine import default_threads
from atypica.core.progress import ProgressBar
from atypica.inference.classifier import Classifier, Outputs
from atypica.inference.crops import Crop, CropSource
from atypica.inference.predictions import needed
from atypica.inference.preprocess import preprocess
from atypica.inference.resolution import Origin, Resolution
from atypica.inference.trained_on import figure_hash
from atypica.inference.views import forward_views

BATCH = 8
"""Small enough that a batch's activations stay in the cache of its core: faster than larger ones on a CPU."""
CHUNK = 4
"""Batches that a thread decodes before it types them: longer stretches of one kind of work, fewer cache misses."""
AHEAD = 3
"""Chunks that may be under way per thread; bounds the memory."""
Job = TypeVar("Job")
Done = TypeVar("Done")


@dataclass(frozen=True)
class Plan:
    """How the work is done: views of each crop, worker threads, figures a batch."""

    views: int = 1
    threads: int = field(default_factory=default_threads)
    batch: int = BATCH

    def __post_init__(self) -> None:
        for name in ("threads", "batch"):
            if getattr(self, name) < 1:
                raise SettingsError(f"--{name} {getattr(self, name)} is not possible", "give 1 or more")


class Prepared(NamedTuple):
    """One crop as the network wants it.

    Attributes:
        crop: (size_px, size_px, 3) RGB.
        mpp: micrometers per pixel of the file.
        origin: where that number came from.
        border: whether the field reaches beyond the slide; None for a crop that was not cut from one.
        hash: of the pixels as they were read, if that was asked for. None for a crop from a slide: the published crops,
            whose hashes a bundle lists, were cut otherwise.
    """

    crop: NDArray[np.uint8]
    mpp: float
    origin: Origin
    border: bool | None = None
    hash: str | None = None


class Known(NamedTuple):
    """What is kept of a figure beside the outputs."""

    mpp: float
    origin: Origin
    border: bool | None
    in_training: bool | None


class Typed(NamedTuple):
    """What became of some figures: the good rows (without pixels), its failed rows, the outputs of the good ones."""

    good: dict[int, Known]
    errors: dict[int, str]
    outputs: Outputs


@dataclass
class Columns:
    """What is kept of every figure.

    Attributes:
        outputs: output name to (figures, ...); NaN rows where a figure failed.
        errors: (figures,), None where nothing went wrong.
        mpp: (figures,), NaN where a figure failed.
        origins: where each mpp came from.
        border: (figures,), whether the field reaches beyond the slide; None where the figure failed or is on none.
        in_training: (figures,), None where it is not known or the figure failed.
    """

    outputs: Outputs
    errors: list[str | None]
    mpp: NDArray[np.float64]
    origins: list[Origin | None]
    border: list[bool | None]
    in_training: list[bool | None]

    @classmethod
    def empty(cls, count: int) -> Columns:
        """No figure typed yet."""
        return cls(
            {"amf": np.full((count, 1), np.nan, dtype=np.float32)},
            [None] * count,
            np.full(count, np.nan),
            [None] * count,
            [None] * count,
            [None] * count,
        )


def run(
    classifier: Classifier,
    crops: CropSource,
    resolution: Resolution,
    count: int,
    plan: Plan,
    title: str | None = "typing",
    trained_on: frozenset[str] | None = None,
    maps: bool = False,
) -> Columns:
    """Type `count` figures. A figure that fails keeps its row, with the error.

    With the hashes of the figures that the model was trained on, each figure is looked up among them.

    Every worker thread decodes, resamples and types whole lots by itself: on a CPU that keeps all cores busy with one
    thread a core. The source of the crops says what is best read together; results stand in the order of the table.
    `title` is that of the progress bar; None for none. With `maps` the activation maps are kept too (output `cam`).
    """
    columns = Columns.empty(count)
    names = (*needed(classifier.card), *(["cam"] if maps else []))
    step = max(1, min(plan.batch * CHUNK, -(-count // plan.threads)))

    def work(rows: Sequence[int]) -> list[Typed]:
        return list(_type(classifier, crops, resolution, rows, plan, trained_on, names))

    with ProgressBar(title, count) as bar:
        for lot in in_order(work, crops.lots(count, step), plan.threads):
            for typed in lot:
                _keep(columns, typed)
                bar.advance(len(typed.good) + len(typed.errors))
    crops.close()
    return columns


def in_order(work: Callable[[Job], Done], jobs: Iterable[Job], threads: int) -> Iterator[Done]:
    """`work` of each job on a pool of threads, results in order, at most `AHEAD` jobs a thread under way."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="atypica")
    pending: deque[Future[Done]] = deque()
    try:
        for job in jobs:
            pending.append(pool.submit(work, job))
            if len(pending) >= threads * AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _type(
    classifier: Classifier,
    crops: CropSource,
    resolution: Resolution,
    rows: Sequence[int],
    plan: Plan,
    trained_on: frozenset[str] | None,
    names: Sequence[str],
) -> Iterator[Typed]:
    """Type a lot of any size, of whose pixels only those of a few batches are held at a time."""
    read = crops.read_lot(rows)
    while some := list(islice(read, plan.batch * CHUNK)):
        prepared: dict[int, Prepared] = {}
        errors: dict[int, str] = {}
        for row, crop in some:
            try:
                prepared[row] = _prepared(classifier, resolution, row, crop, hashed=trained_on is not None)
            except FigureError as error:
                errors[row] = one_line(error)
        stack = [part.crop for part in prepared.values()]
        outputs = _forward(classifier, np.stack(stack), plan, names) if stack else {}
        yield Typed({row: _known(part, trained_on) for row, part in prepared.items()}, errors, outputs)


def _known(part: Prepared, trained_on: frozenset[str] | None) -> Known:
    in_training = None if trained_on is None or part.hash is None else part.hash in trained_on
    return Known(part.mpp, part.origin, part.border, in_training)


def _forward(classifier: Classifier, crops: NDArray[np.uint8], plan: Plan, names: Sequence[str]) -> Outputs:
    starts = range(0, len(crops), plan.batch)
    parts = [forward_views(classifier, crops[start : start + plan.batch], plan.views, names) for start in starts]
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def prepare(
    classifier: Classifier, crops: CropSource, resolution: Resolution, row: int, *, hashed: bool = False
) -> Prepared:
    """Read one figure and bring it to the model's field of view; `hashed`: keep the hash of its pixels too.

    Raises:
        FigureError: it cannot be read, or shows too little around the figure.
    """
    return _prepared(classifier, resolution, row, crops.read(row), hashed=hashed)


def _prepared(
    classifier: Classifier, resolution: Resolution, row: int, crop: Crop | FigureError, *, hashed: bool
) -> Prepared:
    if isinstance(crop, FigureError):
        raise crop
    card, place = classifier.card, crop.place
    if place:
        mpp = place.mpp * place.scale
        pixels = preprocess(crop.pixels, mpp, card.geometry, card.stain_normalization, place.center)
        return Prepared(pixels, place.mpp, place.origin, place.border)
    mpp, origin = resolution.of(row, crop.mpp)
    pixels = preprocess(crop.pixels, mpp, card.geometry, card.stain_normalization)
    return Prepared(pixels, mpp, origin, hash=figure_hash(crop.pixels) if hashed else None)


def one_line(error: FigureError) -> str:
    """An error as an entry of the column `error`."""
    return " ".join(f"{error.message} -> {error.fix}".split()) if error.fix else error.message


def _keep(columns: Columns, typed: Typed) -> None:
    for row, error in typed.errors.items():
        columns.errors[row] = error
    for row, known in typed.good.items():
        columns.mpp[row], columns.origins[row] = known.mpp, known.origin
        columns.border[row], columns.in_training[row] = known.border, known.in_training
    for name, values in typed.outputs.items():
        if name not in columns.outputs:
            columns.outputs[name] = np.full((len(columns.errors), *values.shape[1:]), np.nan, dtype=np.float32)
        columns.outputs[name][list(typed.good)] = values
