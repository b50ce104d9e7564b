"""Embeddings computed wherever there is room; vectors are kept in one cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from atypica.core.errors import OutputError
from atypica.core.executor import Executor, LostWorkerError
from atypica.core.progress import ProgressBar
from atypica.data.figures import Figures
from atypica.inference.parts.part import rows_of_parts
from atypica.models.embedding.cache import EmbeddingCache
from atypica.models.embedding.embed import Embedded, stream_embeddings
from atypica.models.embedding.encoder import Encoder, load_encoder

JOB_SIZE = 2048
"""Figures a job, about; whole slides stay together."""


class EmbedJob(NamedTuple):
    """Some rows of a table.

    Attributes:
        rows: their positions in the whole table.
        figures: these rows alone.
    """

    rows: NDArray[np.int64]
    figures: Figures


@dataclass(frozen=True)
class MakeEmbedder:
    """Loads the backbone where the work is done. Travels there by pickle.

    Attributes:
        backbone, weights: as for `load_encoder`.
        options: its further arguments; its device is that of the worker if it is `auto`.
        cache: folder that every worker sees.
        views, mpp, threads: as for `stream_embeddings`.
        vectors: whether they are to come back, for a table, or to be kept in the cache alone.
    """

    backbone: str
    weights: str
    options: dict[str, Any]
    cache: Path
    views: int
    mpp: float | None
    threads: int
    vectors: bool

    def __call__(self) -> Callable[[EmbedJob], Embedded]:
        """What embeds in this process.

        Raises:
            OutputError: the cache is not to be seen from here, so that what is kept here would be lost.
        """
        if not self.cache.is_dir():
            raise OutputError(f"a worker does not see the folder {self.cache}", "choose --cache on a shared disk")
        chosen: dict[str, Any] = {**self.options, "device": device_here(self.options)}
        return partial(self._embed, load_encoder(self.backbone, self.weights, **chosen), EmbeddingCache(self.cache))

    def _embed(self, encoder: Encoder, cache: EmbeddingCache, job: EmbedJob) -> Embedded:
        stream = stream_embeddings(job.figures, encoder, cache, self.views, mpp=self.mpp, threads=self.threads)
        return _joined(stream, job.rows.tolist(), vectors=self.vectors)


def device_here(options: dict[str, Any]) -> str:
    """The device of `options`, or for `auto` a GPU where this process has one."""
    asked = str(options.get("device", "auto"))
    return asked if asked != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


def spread_embeddings(
    figures: Figures, make: MakeEmbedder, executor: Executor, say: Callable[[str], None]
) -> Iterator[Embedded]:
    """`stream_embeddings` by the workers of an executor.

    Args:
        figures: the table; the files must lie where every worker sees them.
        make: makes the workers.
        executor: where they work.
        say: called with a line on a worker that was lost.

    Raises:
        OutputError: the folder of the cache cannot be made.
        Exception: what a worker raised; what others computed is in the cache.
    """
    try:
        make.cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make {make.cache}: {error.strerror}", "choose another --cache") from error
    root = replace(figures, root=figures.root.absolute(), notes=())
    jobs = (EmbedJob(rows, _rows(root, rows)) for rows in rows_of_parts(figures, JOB_SIZE))
    with ProgressBar(f"embedding by {make.backbone}", len(figures)) as bar:
        for finished in executor.map(make, jobs):
            for why in finished.lost:
                say(f"a worker was lost, and its figures were begun again ({why})")
            if isinstance(finished.error, LostWorkerError):
                yield Embedded({}, {}, dict.fromkeys(finished.job.rows.tolist(), finished.error.message), 0)
            else:
                yield finished.value()
            bar.advance(len(finished.job.rows))


def _rows(figures: Figures, rows: NDArray[np.int64]) -> Figures:
    return replace(figures, table=figures.table.iloc[rows].reset_index(drop=True))


def _joined(parts: Iterator[Embedded], rows: list[int], *, vectors: bool) -> Embedded:
    """Some parts as one, by the rows of the whole table; without its vectors, a row's entry is empty."""
    whole, nothing = Embedded({}, {}, {}, 0), np.zeros((0, 0), dtype=np.float32)
    for part in parts:
        whole.vectors.update({rows[row]: vector if vectors else nothing for row, vector in part.vectors.items()})
        whole.known.update({rows[row]: known for row, known in part.known.items()})
        whole.errors.update({rows[row]: error for row, error in part.errors.items()})
        whole = whole._replace(computed=whole.computed + part.computed)
    return whole
