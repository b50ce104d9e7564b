"""The review page, served."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn

from atypica.apps.web.bind import Bind, is_loopback
from atypica.apps.web.review.app import create_app
from atypica.apps.web.review.study import Review
from atypica.core.errors import SettingsError

PATIENCE_S = 3


def check_access(review: Review, host: str) -> Bind:
    """Only this machine may ask without a token; others where every reader has one.

    Raises:
        SettingsError: others could reach the page, and nobody has a token.
    """
    if is_loopback(host):
        return Bind(host, None)
    if not review.readers.demand_tokens():
        raise SettingsError(
            f"others could reach the page at {host}, and read and label as they like",
            "give each reader a token with --reader NAME, or listen on 127.0.0.1",
        )
    return Bind(host, "each reader's own")


def serve(review: Review, bind: Bind, port: int, ready: Callable[[str], None]) -> None:
    """Serve until interrupted.

    Args:
        review: what is served.
        bind: where.
        port: 0 for a free one.
        ready: called with the page's address when it can be opened.

    Raises:
        SettingsError: the address cannot be listened on.
    """
    listener = _listen(bind.host, port)
    config = uvicorn.Config(
        create_app(review, bind),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=PATIENCE_S,
    )
    ready(bind.url(listener.getsockname()[1]))
    uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        raise SettingsError(f"cannot listen on {host}:{port}: {error}", "choose another --host or --port") from error
    return listener
