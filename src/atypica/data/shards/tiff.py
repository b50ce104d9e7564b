"""TIFF stacks: a page a figure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from atypica.core.errors import FigureError, SourceError
from atypica.data.shards.shard import Rows, ShardFile, Span, even_spans
from atypica.data.stack import Stack


@dataclass(frozen=True)
class TiffShard(ShardFile):
    """A TIFF of many pages."""

    def spans(self, size: int) -> Iterator[Span]:
        """See `Shard.spans`."""
        try:
            with Stack(self.path, self.name) as stack:
                count = len(stack)
        except FigureError as error:
            raise SourceError(error.message, error.fix) from error
        return even_spans(count, size)

    def read(self, span: Span, step: int) -> Iterator[Rows]:
        """See `Shard.read`."""
        pages = range(span.start, span.stop)
        table = pd.DataFrame({"image": self.path.name, "page": pages})
        yield Rows(self.figures(table, [f"{self.name}#page={page}" for page in pages]), None)
