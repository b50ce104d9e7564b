"""What stands before the work: how many requests, how many bytes, how long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from atypica.apps.web.serve.limits import MIB, Limits
from atypica.apps.web.serve.metrics import Metrics
from atypica.apps.web.serve.refused import RefusedError, busy

GUARDED = ("POST", "/classify")
OTHER = "other"
METHODS = frozenset({"GET", "HEAD", "POST"})
"""Those that are counted by name; a stranger may send any word."""


class Gate:
    """Turns requests to classify away before their body is read where too much is under way, and bounds the others.

    Requests of other kinds may have no body worth the name. All are counted.

    Args:
        app: what answers.
        limits: of a request, and of all.
        metrics: where they are counted.
        retry_after: the seconds that a caller is told to wait; None while the queue has room.
        paths: those that are counted by name.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits,
        metrics: Metrics,
        retry_after: Callable[[], int | None],
        paths: frozenset[str],
    ) -> None:
        self._app, self._limits, self._metrics, self._retry_after = app, limits, metrics, retry_after
        self._paths = paths
        self._requests, self._bytes = 0, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.monotonic(), 499  # of a caller that left before there was an answer

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        path = scope["path"] if scope["path"] in self._paths else OTHER
        try:
            await self._answer(scope, receive, counted)
        finally:
            method = scope["method"] if path != OTHER and scope["method"] in METHODS else OTHER
            self._metrics.requests.labels(method, path, status).inc()
            self._metrics.seconds.labels(path).observe(time.monotonic() - begun)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        guarded = (scope["method"], scope["path"]) == GUARDED
        try:
            stated = _stated(scope, self._limits.upload_bytes if guarded else MIB)
            if guarded:
                self._check_room(stated or 0)
        except RefusedError as refusal:
            await refusal.response()(scope, receive, send)
            return
        if guarded:
            await self._classify(scope, receive, send, stated)
        else:
            await self._app(scope, bounded(receive, MIB), send)

    def _check_room(self, size: int) -> None:
        wait = self._retry_after()
        if wait is not None:
            raise busy(wait)
        if self._requests >= self._limits.requests or (self._requests and self._over(size)):
            raise busy(1)

    def _over(self, more: int) -> bool:
        return self._bytes + more > self._limits.uploads_mb * MIB

    async def _classify(self, scope: Scope, receive: Receive, send: Send, stated: int | None) -> None:
        """Count a request and its body while it is under way; a body of unknown length as it arrives."""
        size = stated or 0
        self._count(1, size)

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            if stated is None:
                more = len(message.get("body", b""))
                size += more
                self._count(0, more)
                if self._over(0) and self._requests > 1:
                    raise busy(1)
            return message

        try:
            await self._in_time(scope, bounded(counted, self._limits.upload_bytes), send)
        finally:
            self._count(-1, -size)

    def _count(self, requests: int, size: int) -> None:
        self._requests += requests
        self._bytes += size
        self._metrics.under_way.set(self._requests)

    async def _in_time(self, scope: Scope, receive: Receive, send: Send) -> None:
        received = answered = False

        async def watched() -> Message:
            nonlocal received
            message = await receive()
            received = received or not message.get("more_body", False)
            return message

        async def noted(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            async with asyncio.timeout(self._limits.seconds):
                await self._app(scope, watched, noted)
        except TimeoutError:
            if not answered:  # else the caller reads too slowly, and is cut off
                await _late(received, self._limits.seconds).response()(scope, receive, send)


def _stated(scope: Scope, most: int) -> int | None:
    """The bytes that a body says it has; None where it does not.

    Raises:
        RefusedError: too many, or no number.
    """
    stated = Headers(scope=scope).get("content-length")
    if stated is None:
        return None
    if not (stated.isascii() and stated.isdigit()):
        raise RefusedError(400, "Content-Length is not a number", "mend the request")
    if len(stated) > 15 or int(stated) > most:
        raise _too_large(most)
    return int(stated)


def bounded(receive: Receive, most: int) -> Receive:
    """`receive`, which refuses a body of more than `most` bytes, whatever it states."""
    left = most

    async def checked() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise _too_large(most)
        return message

    return checked


def _too_large(most: int) -> RefusedError:
    return RefusedError(413, f"the body has more than {most // MIB} MiB", "send fewer figures at once")


def _late(received: bool, seconds: float) -> RefusedError:
    if received:
        return RefusedError(503, f"the request was not done within {seconds:g} s", "send fewer figures at once", 1)
    return RefusedError(408, f"the body was not received within {seconds:g} s", "send it faster, or in parts")
