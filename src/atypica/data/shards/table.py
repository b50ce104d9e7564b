"""CSV tables of paths, each of so many figures that it may be held as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from atypica.core.errors import SourceError
from atypica.data.figures import read_table
from atypica.data.shards.shard import COLUMNS, Rows, ShardFile, Span, even_spans


@dataclass(frozen=True)
class CsvShard(ShardFile):
    """A figure table as CSV, with paths relative to its folder."""

    def spans(self, size: int) -> Iterator[Span]:
        """See `Shard.spans`."""
        return even_spans(len(read_table(self.path)), size)

    def read(self, span: Span, step: int) -> Iterator[Rows]:
        """See `Shard.read`."""
        table = read_table(self.path)
        if "image" not in table:
            raise SourceError(f"{self.name} has no column 'image'", "name the column of paths 'image'")
        columns = [name for name in COLUMNS if name in table]
        places = [f"{self.name}#{row}" for row in range(span.start, span.stop)]
        yield Rows(self.figures(table[columns].iloc[span.start : span.stop], places), None)
