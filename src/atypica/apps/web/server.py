"""An app on a socket, until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from atypica.core.errors import SettingsError

BACKLOG = 1024
CONNECTIONS = 1000
"""Open at once; uvicorn answers further ones with 503."""
HEAD_S = 15.0
"""Seconds from the first byte of a request, or from the connection, to the end of its headers."""


class ImpatientProtocol(H11Protocol):
    """HTTP/1.1 that hangs up on those who do not finish their headers, so that they do not use up the connections."""

    head_s = HEAD_S
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._expect_head()
        super().data_received(data)
        if self.cycle and not self.cycle.response_complete:
            self._drop_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._drop_deadline()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        waiting = not self.cycle or self.cycle.response_complete
        if waiting and self._deadline is None:
            self._deadline = self.loop.call_later(self.head_s, self.transport.close)

    def _drop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


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
    with _signals_end_well():
        uvicorn.Server(configured(app, patience_s=patience_s)).run(sockets=[sock])


def configured(app: ASGIApp, *, patience_s: int) -> uvicorn.Config:
    """How uvicorn answers for us; see `answer`."""
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        http=ImpatientProtocol,
        limit_concurrency=CONNECTIONS,
        backlog=BACKLOG,
        timeout_graceful_shutdown=patience_s,
    )


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
