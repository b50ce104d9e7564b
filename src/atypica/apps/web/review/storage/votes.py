"""Votes: added one row at a time, read as they stand."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, func, insert, select
from sqlalchemy.orm import Session

from atypica.apps.web.review.ballot import Ballot, Call
from atypica.apps.web.review.storage.database import for_writing
from atypica.apps.web.review.storage.readers import Signed
from atypica.apps.web.review.storage.tables import Reader, Study, VoteRow, now
from atypica.core.vocabulary import Subtype


@dataclass(frozen=True)
class Shown:
    """What the reader saw when voting: the view, how the figures were sorted and filtered, whether the map was on."""

    view: str = "gallery"
    sort: str = ""
    filters: str = ""
    map: bool = False


@dataclass(frozen=True)
class Opinion:
    """What the model says of a figure, and whether the reader had been shown that."""

    shown: bool
    model_sha256: str | None = None
    prediction: str | None = None
    p_amf: float | None = None


@dataclass(frozen=True)
class Entry:
    """One figure to vote on: its id and image, the ballot, the model's opinion."""

    figure: str
    image: str
    ballot: Ballot
    opinion: Opinion


@dataclass(frozen=True)
class Vote:
    """A row as it was added; `undoes` is the id of the vote that it takes back."""

    id: int
    reader: int
    figure: str
    call: Call | None
    subtype: Subtype | None
    comment: str
    cast_at: datetime
    undoes: int | None
    batch: str | None
    model_shown: bool


@dataclass
class Standing:
    """The votes of one reader as they stand.

    Attributes:
        votes: figure to the vote that counts.
        seen: figures of which the votes tell that the reader was shown the model's opinion: ever called, or voted on
            when it had been shown.
    """

    votes: dict[str, Vote] = field(default_factory=dict[str, Vote])
    seen: set[str] = field(default_factory=set[str])
    _history: dict[str, list[Vote]] = field(default_factory=dict[str, list[Vote]])
    _undone: set[int] = field(default_factory=set[int])

    def add(self, vote: Vote) -> None:
        """Take a row into account; rows come by rising id."""
        if vote.call or vote.model_shown:
            self.seen.add(vote.figure)
        history = self._history.setdefault(vote.figure, [])
        if vote.undoes is None:
            history.append(vote)
        else:
            self._undone.add(vote.undoes)
        while history and history[-1].id in self._undone:
            history.pop()
        if history:
            self.votes[vote.figure] = history[-1]
        else:
            self.votes.pop(vote.figure, None)

    def snapshot(self) -> Standing:
        """As it is now, whatever is added later."""
        return Standing(dict(self.votes), set(self.seen))

    def last(self) -> list[Vote]:
        """The vote cast last that still stands, with all of its batch."""
        newest = max(self.votes.values(), key=lambda vote: vote.id, default=None)
        if newest is None or newest.batch is None:
            return [newest] if newest else []
        return [vote for vote in self.votes.values() if vote.batch == newest.batch]

    def labeled(self) -> dict[str, Vote]:
        """The votes with a call; comments alone are left out."""
        return {figure: vote for figure, vote in self.votes.items() if vote.call}


class Votes:
    """The votes of one study; may be used from several threads, and beside other processes.

    Args:
        engine: the database.
        study: the study's id.
    """

    def __init__(self, engine: Engine, study: int) -> None:
        self._engine, self._writing, self._study = engine, for_writing(engine), study
        self._lock = threading.RLock()
        self._rows: list[Vote] = []
        self._standing: dict[int, Standing] = {}

    def cast(self, signed: Signed, entries: Sequence[Entry], shown: Shown, request: str) -> None:
        """Add a vote on each figure in one transaction; a request that was already served adds nothing."""
        standing = self.standing(signed.reader)
        batch = request if len(entries) > 1 else None
        rows = [
            {
                "figure": entry.figure,
                "image": entry.image,
                "call": entry.ballot.call and entry.ballot.call.value,
                "subtype": entry.ballot.subtype and entry.ballot.subtype.value,
                "comment": _comment(entry.ballot, standing.votes.get(entry.figure)),
                "batch": batch,
                "model_shown": entry.opinion.shown,
                "model_sha256": entry.opinion.model_sha256,
                "model_prediction": entry.opinion.prediction,
                "model_p_amf": entry.opinion.p_amf,
            }
            for entry in entries
        ]
        self._add(signed, rows, shown, request)

    def undo(self, signed: Signed, shown: Shown, request: str) -> list[Vote]:
        """Take back the reader's last vote that stands, or its batch; gives what was taken back."""
        if self._served(signed, request):
            return []
        taken = self.standing(signed.reader).last()
        rows: list[dict[str, Any]] = [
            {
                "figure": vote.figure,
                "image": "",
                "call": None,
                "subtype": None,
                "comment": "",
                "undoes": vote.id,
                "model_shown": vote.model_shown,
            }
            for vote in taken
        ]
        self._add(signed, rows, shown, request)
        return taken

    def standing(self, reader: int, as_of: int | None = None) -> Standing:
        """The votes of a reader as they stand, or stood right after the row `as_of`."""
        self.refresh()
        with self._lock:
            if as_of is None:
                return self._standing.get(reader, Standing()).snapshot()
            past = Standing()
            for vote in self._rows:
                if vote.reader == reader and vote.id <= as_of:
                    past.add(vote)
            return past

    def all_standing(self) -> Mapping[int, Standing]:
        """The votes of every reader who ever voted, by reader."""
        self.refresh()
        with self._lock:
            return {reader: standing.snapshot() for reader, standing in self._standing.items()}

    def last_id(self) -> int:
        """The id of the newest row; 0 where there is none."""
        self.refresh()
        with self._lock:
            return self._rows[-1].id if self._rows else 0

    def history(self, reader: int, figure: str) -> list[Vote]:
        """All rows of one reader on one figure, undone ones and undoings too."""
        self.refresh()
        with self._lock:
            return [vote for vote in self._rows if vote.reader == reader and vote.figure == figure]

    def refresh(self) -> None:
        """Read what was added since, by this process or another."""
        with self._lock, Session(self._engine) as session:
            newest = self._rows[-1].id if self._rows else 0
            query = select(VoteRow).where(VoteRow.study_id == self._study, VoteRow.id > newest).order_by(VoteRow.id)
            for row in session.scalars(query):
                vote = _vote(row)
                self._rows.append(vote)
                self._standing.setdefault(vote.reader, Standing()).add(vote)

    def raw(self, reader: int | None = None) -> list[dict[str, Any]]:
        """Every row, or those of one reader, with the reader's name, by rising id."""
        columns = [column for column in VoteRow.__table__.columns if column.name not in {"study_id", "reader_id"}]
        query = (
            select(Reader.name.label("reader"), *columns)
            .join(Reader, Reader.id == VoteRow.reader_id)
            .where(VoteRow.study_id == self._study)
            .order_by(VoteRow.id)
        )
        if reader is not None:
            query = query.where(VoteRow.reader_id == reader)
        with Session(self._engine) as session:
            return [dict(row._mapping) for row in session.execute(query)]  # pyright: ignore[reportPrivateUsage]

    def _add(self, signed: Signed, rows: list[dict[str, Any]], shown: Shown, request: str) -> None:
        common = {
            "study_id": self._study,
            "reader_id": signed.reader,
            "sitting_id": signed.sitting,
            "cast_at": now(),
            "request": request,
            "view": shown.view,
            "sort": shown.sort,
            "filters": shown.filters,
            "map_shown": shown.map,
        }
        with self._lock, Session(self._writing) as session, session.begin():
            # Whoever adds holds the study's row, so that ids appear in the order in which they are committed.
            session.execute(select(Study.id).where(Study.id == self._study).with_for_update())
            if rows and not _has(session, signed, request):
                session.execute(insert(VoteRow), [common | row for row in rows])

    def _served(self, signed: Signed, request: str) -> bool:
        with Session(self._engine) as session:
            return _has(session, signed, request)


def _has(session: Session, signed: Signed, request: str) -> bool:
    query = select(func.count()).select_from(VoteRow)
    query = query.where(VoteRow.reader_id == signed.reader, VoteRow.request == request)
    return bool(session.scalar(query))


def _comment(ballot: Ballot, before: Vote | None) -> str:
    if ballot.comment is not None:
        return ballot.comment
    return before.comment if before else ""


def _vote(row: VoteRow) -> Vote:
    return Vote(
        id=row.id,
        reader=row.reader_id,
        figure=row.figure,
        call=Call(row.call) if row.call else None,
        subtype=Subtype(row.subtype) if row.subtype else None,
        comment=row.comment,
        cast_at=row.cast_at,
        undoes=row.undoes,
        batch=row.batch,
        model_shown=row.model_shown,
    )
