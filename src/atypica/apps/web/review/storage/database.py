"""A database opened, and brought to the version that this program knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from atypica.core.errors import OutputError, SettingsError

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_S = 30
DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


def open_database(place: Path | str) -> Engine:
    """Open a database, make it if it is a file that is not there, and apply the migrations that it lacks.

    Args:
        place: a SQLite file, or a URL (`postgresql://user@host/name`).

    Raises:
        SettingsError: no usable URL, or a database of a newer version.
        OutputError: it cannot be opened or written.
    """
    url = _url(place)
    shown = str(place) if isinstance(place, Path) else url.render_as_string(hide_password=True)
    try:
        engine = _engine(url)
        _migrate(engine)
    except CommandError as error:
        raise SettingsError(
            f"the database {shown} is of a version that this atypica does not know", "update atypica"
        ) from error
    except (ImportError, NoSuchModuleError) as error:
        raise SettingsError(f"no driver for the database {shown}: {error}", "pip install 'psycopg[binary]'") from error
    except DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise OutputError(f"cannot open the database {shown}: {reason}", "check the path or URL, and the rights") from (
            error
        )
    return engine


def _url(place: Path | str) -> URL:
    if isinstance(place, Path):
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make {place.parent}: {error.strerror}", "choose another --database") from error
        return URL.create("sqlite", database=str(place))
    try:
        url = make_url(place)
    except ArgumentError as error:
        raise SettingsError(f"'{place}' is no database", "give a file, or postgresql://user@host/name") from error
    if url.get_backend_name() not in {"sqlite", "postgresql", "postgres"}:
        raise SettingsError(f"{url.get_backend_name()} is not supported", "give a SQLite file or a PostgreSQL URL")
    return url.set(drivername=DRIVERS.get(url.drivername, url.drivername))


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_S, "isolation_level": None})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _: Any) -> None:
    """FULL: a committed vote survives a power cut as well as a kill."""
    cursor = connection.cursor()
    for setting in ("synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()


def for_writing(engine: Engine) -> Engine:
    """The same database; its transactions lock for writing at once, so that they cannot fail for it later."""
    return engine.execution_options(writes=True)


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")


def _migrate(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with for_writing(engine).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
