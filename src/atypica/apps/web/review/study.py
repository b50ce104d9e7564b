"""A study under review: figures, pictures, readers, votes, and who may see what."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from atypica.apps.web.review.catalog import Catalog
from atypica.apps.web.review.pictures import Pictures
from atypica.apps.web.review.progress import Progress, progress
from atypica.apps.web.review.query import Query, Rows, select
from atypica.apps.web.review.storage.readers import Readers
from atypica.apps.web.review.storage.votes import Opinion, Standing, Votes
from atypica.inference.result import Result

MOST_ORDERS = 32


@dataclass
class Review:
    """A study as the page serves it.

    Attributes:
        name: of the study.
        result: the typed figures.
        blinded: the model's opinion of a figure is hidden from a reader who has not called it.
        banner: a sentence that must be read first; blank for none.
    """

    name: str
    result: Result
    catalog: Catalog
    pictures: Pictures
    readers: Readers
    votes: Votes
    blinded: bool = False
    banner: str = ""
    _orders: dict[tuple[int, str, int], Rows] = field(default_factory=dict[tuple[int, str, int], Rows])
    _progress: dict[tuple[int, int], Progress] = field(default_factory=dict[tuple[int, int], Progress])
    _lock: Any = field(default_factory=threading.Lock)

    @classmethod
    def open(
        cls, name: str, result: Result, engine: Engine, pictures: Path, *, maps: bool, blinded: bool, banner: str = ""
    ) -> Review:
        """Bring figures and database together.

        Args:
            name: of the study; votes of an earlier review of that name are taken up.
            result: the typed figures.
            engine: an open database.
            pictures: the folder where pictures are kept.
            maps: whether the model at hand explains the predictions.
            blinded: hide the model's opinion until the vote is cast.
            banner: a sentence that must be read first.
        """
        readers = Readers(engine, name)
        votes = Votes(engine, readers.study)
        kept = Pictures(result, pictures, maps=maps)
        return cls(name, result, Catalog(result), kept, readers, votes, blinded, banner)

    def may_see(self, standing: Standing, row: int) -> bool:
        """Whether a reader may know the model's opinion of a figure."""
        if not self.blinded:
            return True
        vote = standing.votes.get(self.catalog.ids[row])
        return vote is not None and vote.call is not None

    def opinion(self, standing: Standing, row: int) -> Opinion:
        """The model's opinion as a vote keeps it; `shown` also where it was seen before an undo."""
        catalog = self.catalog
        return Opinion(
            shown=not self.blinded or catalog.ids[row] in standing.seen,
            model_sha256=catalog.model_sha256[row],
            prediction=catalog.prediction[row] or None,
            p_amf=float(catalog.p_amf[row]) if catalog.typed[row] else None,
        )

    def order(self, reader: int, query: Query, as_of: int) -> Rows:
        """The rows that a query shows, as the votes stood after row `as_of`: it stays while labels come in."""
        key = (reader, str(query), as_of if query.labeled else 0)
        with self._lock:
            found = self._orders.get(key)
        if found is None:
            votes = self.votes.standing(reader, as_of).votes if query.labeled else {}
            found = select(self.catalog, query, votes, seed=reader)
            with self._lock:
                while len(self._orders) >= MOST_ORDERS:
                    self._orders.pop(next(iter(self._orders)))
                self._orders[key] = found
        return found

    def progress(self, reader: int) -> Progress:
        """How far a reader is."""
        key = (reader, self.votes.last_id())
        with self._lock:
            found = self._progress.get(key)
        if found is None:
            found = progress(self.catalog, self.votes.standing(reader).votes, blinded=self.blinded)
            with self._lock:
                self._progress = {k: v for k, v in self._progress.items() if k[0] != reader} | {key: found}
        return found
