"""The database of a study: a file beside the trials, or any that SQLAlchemy knows."""

from __future__ import annotations

from pathlib import Path

from optuna.storages import RDBStorage
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from atypica.core.errors import OutputError, SettingsError

FILE = "study.sqlite"
BUSY_S = 60
"""How long a worker waits for another one that writes."""
DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


def open_storage(place: str, folder: Path) -> RDBStorage:
    """Open the database of a study, and make its tables where there are none.

    Args:
        place: a URL (`postgresql://user@host/name`); "" for SQLite in `folder`.
        folder: of the tuning.

    Raises:
        SettingsError: no usable URL, or no driver for it.
        OutputError: the database cannot be opened.
    """
    url = _url(place, folder)
    shown = url.render_as_string(hide_password=True)
    options = {"connect_args": {"timeout": BUSY_S}} if url.get_backend_name() == "sqlite" else {"pool_pre_ping": True}
    try:
        return RDBStorage(url.render_as_string(hide_password=False), engine_kwargs=options)
    except (ImportError, NoSuchModuleError) as error:
        raise SettingsError(f"no driver for the database {shown}: {error}", "pip install 'psycopg[binary]'") from error
    except DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise OutputError(f"cannot open the database {shown}: {reason}", "check --storage, and the rights") from error


def _url(place: str, folder: Path) -> URL:
    if not place:
        return URL.create("sqlite", database=str(folder / FILE))
    try:
        url = make_url(place)
    except ArgumentError as error:
        raise SettingsError(
            "--storage is no URL of a database", "write it as sqlite:///file, or postgresql://user@host/name"
        ) from error
    return url.set(drivername=DRIVERS.get(url.drivername, url.drivername))
