"""Who reads: the readers of a study with their tokens, and the sittings of their browsers."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from atypica.apps.web.review.storage.database import for_writing
from atypica.apps.web.review.storage.tables import Reader, Sitting, Study, now
from atypica.core.errors import SettingsError

LOCAL = "reader 1"
"""The reader where none was named: whoever sits at this machine."""
LONGEST_NAME = 100


@dataclass(frozen=True)
class Signed:
    """A reader who is signed in: the reader's id and name, and the id of the sitting."""

    reader: int
    name: str
    sitting: int


class Readers:
    """The readers of one study.

    Args:
        engine: the database.
        study: the name of the study; made if it is new.

    Attributes:
        study: the study's id.
        secret: with which the keys of its figures are made.
    """

    def __init__(self, engine: Engine, study: str) -> None:
        self._engine, self._writing = engine, for_writing(engine)
        self.study, self.secret = _study(self._writing, study)
        self.place = engine.url.render_as_string(hide_password=True)

    def names(self) -> dict[int, str]:
        """The readers' names by id, in the order in which they came."""
        with Session(self._engine) as session:
            rows = session.execute(
                select(Reader.id, Reader.name).where(Reader.study_id == self.study).order_by(Reader.id)
            )
            return {row.id: row.name for row in rows}

    def admit(self, name: str, *, fresh: bool = False) -> str | None:
        """Make a reader with a token, or a new token for one who has lost it.

        Args:
            name: as votes will carry it.
            fresh: replace the token of a reader who has one.

        Returns:
            The token, which is kept nowhere; None where the reader has one already.

        Raises:
            SettingsError: a blank or too long name.
        """
        name = name.strip()
        if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
            raise SettingsError(f"'{name}' is no name for a reader", f"give 1 to {LONGEST_NAME} printable characters")
        with Session(self._writing) as session, session.begin():
            reader = self._find(session, name) or Reader(study_id=self.study, name=name)
            if reader.token_sha256 and not fresh:
                return None
            token = secrets.token_urlsafe(32)
            reader.token_sha256 = digest(token)
            session.add(reader)
            session.flush()
            session.execute(update(Sitting).where(Sitting.reader_id == reader.id).values(ended=now()))
            return token

    def local(self) -> tuple[Signed, str] | None:
        """Sit the one reader down who needs no token, as `enter` does; None where a reader of this study has one."""
        with Session(self._writing) as session, session.begin():
            if self._demands_tokens(session):
                return None
            reader = session.scalar(select(Reader).where(Reader.study_id == self.study).order_by(Reader.id).limit(1))
            return _sit(session, reader or Reader(study_id=self.study, name=LOCAL))

    def enter(self, token: str) -> tuple[Signed, str] | None:
        """Sign the owner of a token in; gives the secret for the cookie too. None where nobody owns the token."""
        with Session(self._writing) as session, session.begin():
            # Looked up by its SHA-256: how long that takes tells nothing of a token of 256 random bits.
            reader = session.scalar(
                select(Reader).where(Reader.study_id == self.study, Reader.token_sha256 == digest(token))
            )
            return _sit(session, reader) if reader else None

    def find(self, secret: str) -> Signed | None:
        """Whose cookie it is; None where it is nobody's (any more)."""
        with Session(self._engine) as session:
            row = session.execute(
                select(Reader.id, Reader.name, Reader.token_sha256, Sitting.id.label("sitting"))
                .join(Sitting, Sitting.reader_id == Reader.id)
                .where(Reader.study_id == self.study, Sitting.secret_sha256 == digest(secret), Sitting.ended.is_(None))
            ).one_or_none()
            if row is None or (row.token_sha256 is None and self._demands_tokens(session)):
                return None
        return Signed(row.id, row.name, row.sitting)

    def demand_tokens(self) -> bool:
        """Whether a reader of this study has a token: then nobody reads without one."""
        with Session(self._engine) as session:
            return self._demands_tokens(session)

    def _demands_tokens(self, session: Session) -> bool:
        owners = select(Reader.id).where(Reader.study_id == self.study, Reader.token_sha256.is_not(None))
        return session.scalar(owners.limit(1)) is not None

    def leave(self, sitting: int) -> None:
        """End a sitting; its cookie opens nothing any more."""
        with Session(self._writing) as session, session.begin():
            session.get_one(Sitting, sitting).ended = now()

    def _find(self, session: Session, name: str) -> Reader | None:
        return session.scalar(select(Reader).where(Reader.study_id == self.study, Reader.name == name))


def digest(secret: str) -> str:
    """What is kept of a token or cookie."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _study(engine: Engine, name: str) -> tuple[int, str]:
    with Session(engine) as session, session.begin():
        study = session.scalar(select(Study).where(Study.name == name)) or Study(name=name)
        session.add(study)
        session.flush()
        return study.id, study.secret


def _sit(session: Session, reader: Reader) -> tuple[Signed, str]:
    session.add(reader)
    session.flush()
    secret = secrets.token_urlsafe(32)
    sitting = Sitting(reader_id=reader.id, secret_sha256=digest(secret))
    session.add(sitting)
    session.flush()
    return Signed(reader.id, reader.name, sitting.id), secret
