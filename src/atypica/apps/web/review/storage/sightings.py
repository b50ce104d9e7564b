"""Of which figures a reader was ever sent the model's opinion, with or without a vote."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from sqlalchemy import Engine, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from atypica.apps.web.review.storage.database import for_writing
from atypica.apps.web.review.storage.tables import SightingRow, now

MOST_AT_ONCE = 500
"""Figures of one statement."""


class Sightings:
    """What readers were shown; kept, so that a later blinded reading is not taken for one without the model.

    Args:
        engine: the database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine, self._writing = engine, for_writing(engine)
        self._insert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert
        self._lock = threading.Lock()
        self._noted: dict[int, set[str]] = {}

    def add(self, reader: int, figures: Iterable[str]) -> None:
        """Note figures, each once; the first time counts."""
        with self._lock:
            fresh = sorted(set(figures) - self._noted.setdefault(reader, set()))
        if not fresh:
            return
        rows = [{"reader_id": reader, "figure": figure, "shown_at": now()} for figure in fresh]
        with Session(self._writing) as session, session.begin():
            session.execute(self._insert(SightingRow).on_conflict_do_nothing(), rows)
        with self._lock:
            self._noted[reader].update(fresh)

    def among(self, reader: int, figures: Iterable[str]) -> set[str]:
        """Those of some figures that the reader was shown, in this process or another, now or earlier."""
        wanted, found = list(figures), set[str]()
        with Session(self._engine) as session:
            for start in range(0, len(wanted), MOST_AT_ONCE):
                some = wanted[start : start + MOST_AT_ONCE]
                query = select(SightingRow.figure).where(SightingRow.reader_id == reader, SightingRow.figure.in_(some))
                found.update(session.scalars(query))
        return found
