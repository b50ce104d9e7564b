"""Votes and readers in a database: SQLite, and PostgreSQL where a server can be started."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from postgres_server import postgres_server
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import DBAPIError

from atypica.apps.web.review.ballot import Ballot, Call
from atypica.apps.web.review.storage.database import MIGRATIONS, open_database
from atypica.apps.web.review.storage.readers import Readers, Signed
from atypica.apps.web.review.storage.sightings import Sightings
from atypica.apps.web.review.storage.tables import Base
from atypica.apps.web.review.storage.votes import Entry, Opinion, Shown, Votes
from atypica.core.errors import OutputError, SettingsError
from atypica.core.vocabulary import Subtype


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """A database without votes."""
    if request.param == "sqlite":
        return tmp_path / "votes.sqlite"
    url = request.getfixturevalue("postgres")
    with create_engine(url.replace("postgresql:", "postgresql+psycopg:")).begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    return url


@pytest.fixture
def readers(place: Path | str) -> Readers:
    return Readers(open_database(place), "study")


@pytest.fixture
def votes(readers: Readers, place: Path | str) -> Votes:
    return Votes(open_database(place), readers.study)


def signed(readers: Readers, name: str) -> Signed:
    token = readers.admit(name)
    assert token
    found = readers.enter(token)
    assert found
    return found[0]


def entry(figure: str, call: str, subtype: str = "", comment: str | None = None, shown: bool = True) -> Entry:
    opinion = Opinion(shown, "0" * 64, "AMF", 0.75)
    return Entry(figure, f"{figure}.png", Ballot.parse(call, subtype, comment), opinion)


def calls(votes: Votes, reader: Signed) -> dict[str, str]:
    return {figure: vote.call.value for figure, vote in votes.standing(reader.reader).labeled().items() if vote.call}


def test_migrations_make_the_tables_that_the_code_knows(place):
    engine = open_database(place)
    known = {name: {column.name for column in table.columns} for name, table in Base.metadata.tables.items()}
    made = inspect(engine)
    assert set(made.get_table_names()) == {*known, "alembic_version"}
    for name, columns in known.items():
        assert {column["name"] for column in made.get_columns(name)} == columns
    for name, table in Base.metadata.tables.items():
        nullable = {column["name"]: column["nullable"] for column in made.get_columns(name)}
        assert nullable == {column.name: column.nullable for column in table.columns}


def test_votes_of_the_first_version_tell_what_was_shown(place):
    engine = create_engine(place.replace("postgresql:", "postgresql+psycopg:")) if isinstance(place, str) else None
    engine = engine or create_engine(f"sqlite:///{place}")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "001")
        connection.execute(text("INSERT INTO study VALUES (1, 'study', '2026-01-01')"))
        connection.execute(text("INSERT INTO reader VALUES (1, 1, 'ann', NULL, '2026-01-01')"))
        connection.execute(text("INSERT INTO sitting VALUES (1, 1, 'secret', '2026-01-01', NULL)"))
        for number, (figure, shown) in enumerate([("f1", "true"), ("f2", "false"), ("f1", "true")], start=1):
            columns = "id, study_id, reader_id, sitting_id, cast_at, figure, image, comment, request, model_shown"
            row = f"{number}, 1, 1, 1, '2026-01-01', '{figure}', '', '', 'request-{number}', {shown}"
            connection.execute(
                text(f"INSERT INTO vote ({columns}, map_shown, view, sort, filters) VALUES ({row}, false, '', '', '')")
            )
    engine.dispose()
    assert Sightings(open_database(place)).among(1, ["f1", "f2"]) == {"f1"}
    study = Readers(open_database(place), "study")
    assert study.study == 1
    assert re.fullmatch("[0-9a-f]{64}", study.secret)


def test_the_secret_of_a_study_is_its_own_and_stays(place):
    first, other, again = (Readers(open_database(place), name).secret for name in ("study", "other", "study"))
    assert first == again != other
    assert len(first) == 64


def test_what_a_reader_was_shown_is_kept_once_for_each(readers, place):
    ann, bob = (signed(readers, name).reader for name in ("ann", "bob"))
    figures = [f"f{number}" for number in range(1200)]
    for _ in range(2):
        sightings = Sightings(open_database(place))
        sightings.add(ann, figures)
        sightings.add(ann, figures[:5])
    sightings.add(bob, ["f7"])
    again = Sightings(open_database(place))
    assert again.among(ann, [*figures, "never"]) == set(figures)
    assert again.among(bob, figures) == {"f7"}


def test_a_vote_says_who_when_and_what_was_shown(readers, votes):
    ann = signed(readers, "ann")
    shown = Shown("large", "uncertainty", "case=3", map=True)
    votes.cast(ann, [entry("f1", "AMF", "multipolar", "three poles", shown=False)], shown, "request-1")
    (row,) = votes.raw()
    assert (row["reader"], row["figure"], row["image"]) == ("ann", "f1", "f1.png")
    assert (row["call"], row["subtype"], row["comment"]) == ("AMF", "multipolar", "three poles")
    assert (row["view"], row["sort"], row["filters"], row["map_shown"]) == ("large", "uncertainty", "case=3", True)
    assert (row["model_shown"], row["model_prediction"], row["model_p_amf"]) == (False, "AMF", 0.75)
    assert row["cast_at"] is not None


def test_a_second_thought_and_an_undo_are_new_rows(readers, votes):
    ann = signed(readers, "ann")
    votes.cast(ann, [entry("f1", "NMF")], Shown(), "request-1")
    votes.cast(ann, [entry("f1", "AMF")], Shown(), "request-2")
    assert calls(votes, ann) == {"f1": "AMF"}
    votes.undo(ann, Shown(), "request-3")
    assert calls(votes, ann) == {"f1": "NMF"}
    votes.undo(ann, Shown(), "request-4")
    assert calls(votes, ann) == {}
    assert votes.undo(ann, Shown(), "request-5") == []
    assert [(row["call"], row["undoes"]) for row in votes.raw()] == [("NMF", None), ("AMF", None), (None, 2), (None, 1)]


def test_a_batch_is_taken_back_as_one(readers, votes):
    ann = signed(readers, "ann")
    votes.cast(ann, [entry("f1", "NMF")], Shown(), "request-1")
    votes.cast(ann, [entry(name, "AMF") for name in ("f2", "f3", "f4")], Shown(), "request-2")
    assert [vote.figure for vote in votes.undo(ann, Shown(), "request-3")] == ["f2", "f3", "f4"]
    assert calls(votes, ann) == {"f1": "NMF"}


def test_a_request_that_is_sent_twice_counts_once(readers, votes):
    ann, bob = signed(readers, "ann"), signed(readers, "bob")
    for _ in range(2):
        votes.cast(ann, [entry("f1", "NMF"), entry("f2", "NMF")], Shown(), "request-1")
    votes.cast(bob, [entry("f1", "AMF")], Shown(), "request-1")
    assert len(votes.raw()) == 3
    votes.undo(ann, Shown(), "request-2")
    assert votes.undo(ann, Shown(), "request-2") == []
    assert (calls(votes, ann), calls(votes, bob)) == ({}, {"f1": "AMF"})


def test_the_past_can_be_asked_for(readers, votes):
    ann = signed(readers, "ann")
    votes.cast(ann, [entry("f1", "NMF")], Shown(), "request-1")
    then = votes.last_id()
    votes.cast(ann, [entry("f1", "AMF"), entry("f2", "AMF")], Shown(), "request-2")
    assert {figure: vote.call for figure, vote in votes.standing(ann.reader, then).votes.items()} == {"f1": Call.NMF}


def test_another_process_sees_the_votes(readers, votes, place):
    ann = signed(readers, "ann")
    votes.cast(ann, [entry("f1", "NMF")], Shown(), "request-1")
    beside = Votes(open_database(place), readers.study)
    assert calls(beside, ann) == {"f1": "NMF"}
    beside.cast(ann, [entry("f2", "AMF", "other")], Shown(), "request-2")
    assert votes.standing(ann.reader).votes["f2"].subtype is Subtype.OTHER


def test_many_at_once_lose_nothing(readers, place):
    people = [signed(readers, f"reader {number}") for number in range(4)]
    stores = [Votes(open_database(place), readers.study) for _ in people]

    def read(who: int) -> None:
        for number in range(12):
            stores[who].cast(people[who], [entry(f"f{number}", "NMF")], Shown(), f"request-{number}")
            stores[who].refresh()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(read, range(4)))
    for store in stores:
        assert [len(store.standing(person.reader).votes) for person in people] == [12] * 4


def test_votes_can_be_neither_changed_nor_deleted(readers, votes, place):
    votes.cast(signed(readers, "ann"), [entry("f1", "NMF")], Shown(), "request-1")
    for change in ("UPDATE vote SET call = 'AMF'", "DELETE FROM vote"):
        with pytest.raises(DBAPIError, match="never changed or deleted"), open_database(place).begin() as connection:
            connection.execute(text(change))
    assert votes.raw()[0]["call"] == "NMF"


def test_a_comment_stays_until_it_is_replaced(readers, votes):
    ann = signed(readers, "ann")
    votes.cast(ann, [entry("f1", "", comment="look again")], Shown(), "request-1")
    assert calls(votes, ann) == {}
    votes.cast(ann, [entry("f1", "AMF")], Shown(), "request-2")
    assert votes.standing(ann.reader).votes["f1"].comment == "look again"
    votes.cast(ann, [entry("f1", "AMF", comment="")], Shown(), "request-3")
    assert votes.standing(ann.reader).votes["f1"].comment == ""


def test_tokens(readers):
    assert readers.local() is not None
    token = readers.admit("ann")
    assert readers.admit("ann") is None
    assert readers.local() is None
    assert readers.enter("something else") is None
    first, secret = readers.enter(token)
    assert readers.find(secret) == first
    fresh = readers.admit("ann", fresh=True)
    assert fresh != token
    assert readers.enter(token) is None
    assert readers.find(secret) is None
    again, secret = readers.enter(fresh)
    assert again.reader == first.reader
    readers.leave(again.sitting)
    assert readers.find(secret) is None


def test_who_needed_no_token_is_out_when_others_have_one(readers):
    _, secret = readers.local()
    assert readers.find(secret) is not None
    readers.admit("ann")
    assert readers.find(secret) is None


def test_no_token_and_no_cookie_is_kept(readers, place):
    token = readers.admit("ann")
    _, secret = readers.enter(token)
    with open_database(place).connect() as connection:
        kept = str(connection.execute(text("SELECT * FROM reader")).all())
        kept += str(connection.execute(text("SELECT * FROM sitting")).all())
    assert token not in kept
    assert secret not in kept


def test_studies_do_not_mix(readers, votes, place):
    other = Readers(open_database(place), "another study")
    votes.cast(signed(readers, "ann"), [entry("f1", "NMF")], Shown(), "request-1")
    assert other.names() == {}
    assert Votes(open_database(place), other.study).raw() == []
    assert Readers(open_database(place), "study").study == readers.study


def test_a_database_of_the_future_is_left_alone(place):
    with open_database(place).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '999'"))
    with pytest.raises(SettingsError, match="does not know"):
        open_database(place)


@pytest.mark.parametrize("place", ["mysql://somewhere/x", "no url"])
def test_a_place_that_is_no_database(place):
    with pytest.raises(SettingsError):
        open_database(place)


def test_a_place_that_cannot_be_opened(tmp_path):
    (tmp_path / "text.sqlite").write_text("this is no database, but a text that is long enough to be read as one" * 20)
    with pytest.raises(OutputError, match="cannot open the database"):
        open_database(tmp_path / "text.sqlite")
    with pytest.raises(OutputError, match="cannot open the database") as raised:
        open_database("postgresql://ann:secret@127.0.0.1:1/none")
    assert "secret" not in str(raised.value)


KILLED = """
import sys
from pathlib import Path
from atypica.apps.web.review.ballot import Ballot
from atypica.apps.web.review.storage.database import open_database
from atypica.apps.web.review.storage.readers import Readers
from atypica.apps.web.review.storage.votes import Entry, Opinion, Shown, Votes
engine = open_database(Path(sys.argv[1]))
readers = Readers(engine, "study")
signed, _ = readers.local()
votes = Votes(engine, readers.study)
for number in range(100000):
    votes.cast(signed, [Entry(f"f{number}", "i", Ballot.parse("AMF"), Opinion(True))], Shown(), f"request-{number}")
    print(number, flush=True)
"""


def test_a_kill_loses_at_most_the_vote_in_flight(tmp_path):
    place = tmp_path / "votes.sqlite"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(place)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    saved = [int(process.stdout.readline()) for _ in range(25)][-1]
    process.kill()
    saved = max([saved, *(int(line) for line in process.stdout.read().split())])
    process.wait()
    readers = Readers(open_database(place), "study")
    kept = len(Votes(open_database(place), readers.study).raw())
    assert saved + 1 <= kept <= saved + 2
