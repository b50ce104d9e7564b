"""An app on a socket, until it is told to stop."""

from __future__ import annotations

import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from atypica.core.errors import SettingsError

BACKLOG = 1024
CONNECTIONS = 1000
"""Open at once; uvicorn answers further ones with 503."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one (see `getsockname`).

    Raises:
        SettingsError: the address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        found.close()
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SettingsError(f"cannot listen on {host}:{port}: {reason}", "choose another --host or --port") from error
    return found


def answer(app: ASGIApp, sock: socket.socket, *, patience_s: int) -> None:
    """Answer requests until SIGINT or SIGTERM; then finish those that are under way.

    Args:
        app: what answers.
        sock: where.
        patience_s: the most seconds that requests under way are waited for.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        backlog=BACKLOG,
        timeout_graceful_shutdown=patience_s,
    )
    with _signals_end_well():
        uvicorn.Server(config).run(sockets=[sock])


def _pass(*_: object) -> None:
    """Nothing more to do."""


@contextmanager
def _signals_end_well() -> Generator[None]:
    """uvicorn raises the signal that stopped it once more, when all is done: to us, that was a usual end."""
    known = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, _pass) for number in known]
    try:
        yield
    finally:
        for number, handler in zip(known, before, strict=True):
            signal.signal(number, handler)
