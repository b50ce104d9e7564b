"""The review page, served."""

from __future__ import annotations

from collections.abc import Callable

from atypica.apps.web.bind import Bind, is_loopback
from atypica.apps.web.review.app import create_app
from atypica.apps.web.review.study import Review
from atypica.apps.web.server import answer, listen
from atypica.core.errors import SettingsError

PATIENCE_S = 3


def check_access(review: Review, host: str) -> Bind:
    """Only this machine may ask without a token; others where every reader has one.

    Raises:
        SettingsError: others could reach the page, and nobody has a token.
    """
    demanded = review.readers.demand_tokens()
    if not demanded and not is_loopback(host):
        raise SettingsError(
            f"others could reach the page at {host}, and read and label as they like",
            "give each reader a token with --reader NAME, or listen on 127.0.0.1",
        )
    return Bind(host, None, own_tokens=demanded)


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
    listener = listen(bind.host, port)
    ready(bind.url(listener.getsockname()[1]))
    answer(create_app(review, bind), listener, patience_s=PATIENCE_S)
