"""The tables of the database."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from sqlalchemy import DateTime, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def new_secret() -> str:
    """64 hexadecimal digits that nobody can guess."""
    return secrets.token_hex(32)


class Base(DeclarativeBase):
    """Base of every table."""


class Study(Base):
    """A set of figures that is read; one database may hold several. Figures go by keys made with `secret`, so that a
    guessed file name cannot be tried against them."""

    __tablename__ = "study"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    created: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)
    secret: Mapped[str] = mapped_column(String(64), default=new_secret)


class Reader(Base):
    """A person who reads. Without a token's hash, whoever sits at this machine is this reader."""

    __tablename__ = "reader"
    __table_args__ = (UniqueConstraint("study_id", "name"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    name: Mapped[str] = mapped_column(String(100))
    token_sha256: Mapped[str | None] = mapped_column(String(64), unique=True)
    created: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)


class Sitting(Base):
    """A reader signed in with one browser, until signing out; `secret_sha256` is of the cookie."""

    __tablename__ = "sitting"
    id: Mapped[int] = mapped_column(primary_key=True)
    reader_id: Mapped[int] = mapped_column(ForeignKey("reader.id"))
    secret_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    started: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)
    ended: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class VoteRow(Base):
    """A vote, or the undoing of one. Rows are only ever added: triggers refuse to change or delete them.

    Attributes:
        figure: the figure's id in the figure table; `image` its path as given there.
        call: of `Call`; null for an undo, or a comment alone.
        undoes: the vote that this row takes back.
        batch: shared by the votes of one batch.
        request: made by the browser, so that a vote sent twice counts once.
        model_shown: whether the model's opinion had ever been shown to the reader when the vote was cast; the opinion
            itself is in `model_sha256`, `model_prediction` and `model_p_amf`, shown or not.
        map_shown, view, sort, filters: how the figure was looked at.
    """

    __tablename__ = "vote"
    __table_args__ = (
        UniqueConstraint("reader_id", "request", "figure"),
        Index("ix_vote_study_id_id", "study_id", "id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    reader_id: Mapped[int] = mapped_column(ForeignKey("reader.id"))
    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"))
    cast_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)
    figure: Mapped[str] = mapped_column(Text)
    image: Mapped[str] = mapped_column(Text)
    call: Mapped[str | None] = mapped_column(String(20))
    subtype: Mapped[str | None] = mapped_column(String(40))
    comment: Mapped[str] = mapped_column(Text, default="")
    undoes: Mapped[int | None] = mapped_column(ForeignKey("vote.id"))
    batch: Mapped[str | None] = mapped_column(String(64))
    request: Mapped[str] = mapped_column(String(64))
    model_shown: Mapped[bool]
    map_shown: Mapped[bool]
    view: Mapped[str] = mapped_column(String(20))
    sort: Mapped[str] = mapped_column(String(40))
    filters: Mapped[str] = mapped_column(Text)
    model_sha256: Mapped[str | None] = mapped_column(String(64))
    model_prediction: Mapped[str | None] = mapped_column(String(3))
    model_p_amf: Mapped[float | None]


class SightingRow(Base):
    """A figure of which a reader's page was sent the model's opinion, and when first."""

    __tablename__ = "sighting"
    reader_id: Mapped[int] = mapped_column(ForeignKey("reader.id"), primary_key=True)
    figure: Mapped[str] = mapped_column(Text, primary_key=True)
    shown_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)
