"""A study under review: figures, pictures, readers, votes, and who may see what."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from atypica.apps.web.review.catalog import UNREADABLE, Catalog
from atypica.apps.web.review.pictures import Pictures
from atypica.apps.web.review.progress import Progress, progress
from atypica.apps.web.review.query import Query, Rows, select
from atypica.apps.web.review.slides import SlideTiles
from atypica.apps.web.review.storage.readers import Readers
from atypica.apps.web.review.storage.sightings import Sightings
from atypica.apps.web.review.storage.votes import Opinion, Standing, Votes
from atypica.core.errors import FigureError
from atypica.inference.result import Result

MOST_ORDERS = 32


@dataclass
class Review:
    """A study as the page serves it.

    Attributes:
        name: of the study.
        result: the typed figures.
        slides: those that figures lie on, in tiles.
        sightings: of which figures readers were ever sent the model's opinion.
        blinded: the model's opinion of a figure is hidden from a reader who has not called it, and file names, which
            may tell a label, from everybody.
        banner: a sentence that must be read first; blank for none.
    """

    name: str
    result: Result
    catalog: Catalog
    pictures: Pictures
    slides: SlideTiles
    readers: Readers
    votes: Votes
    sightings: Sightings
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
        tiles, sightings = SlideTiles(result.figures, readers.secret), Sightings(engine)
        catalog = Catalog(result, readers.secret, blinded=blinded)
        return cls(name, result, catalog, kept, tiles, readers, votes, sightings, blinded, banner)

    def may_see(self, standing: Standing, row: int) -> bool:
        """Whether a reader may know the model's opinion of a figure."""
        if not self.blinded:
            return True
        vote = standing.votes.get(self.catalog.ids[row])
        return vote is not None and vote.call is not None

    def note_shown(self, reader: int, rows: Sequence[int]) -> None:
        """Remember that a reader is sent the model's opinion of these figures."""
        self.sightings.add(reader, [self.catalog.ids[row] for row in rows])

    def opinions(self, reader: int, standing: Standing, rows: Sequence[int]) -> list[Opinion]:
        """The model's opinion of figures as a vote keeps it; `shown` where the reader ever was sent it, be it before an
        undo, or before the review was blinded."""
        catalog = self.catalog
        ids = [catalog.ids[row] for row in rows]
        seen = set(ids) if not self.blinded else standing.seen | self.sightings.among(reader, ids)
        return [
            Opinion(
                shown=catalog.ids[row] in seen,
                model_sha256=catalog.model_sha256[row],
                prediction=catalog.prediction[row] or None,
                p_amf=float(catalog.p_amf[row]) if catalog.typed[row] else None,
            )
            for row in rows
        ]

    @contextmanager
    def unnamed(self) -> Generator[None]:
        """Where the review is blinded, what is wrong with a figure's file is told without its name.

        Raises:
            FigureError: that of the block.
        """
        try:
            yield
        except FigureError as error:
            if not self.blinded:
                raise
            raise FigureError(UNREADABLE, "tell whoever runs the review") from error

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
