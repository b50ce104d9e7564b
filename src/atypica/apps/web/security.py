"""What stands before every page and every call: strict headers, the host and origin, the token."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Collection, Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from atypica.apps.web.bind import Bind, is_loopback, same_secret

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
"""Set on every answer that does not say otherwise itself."""
MOST_BODY = 1 << 20
"""Of what a page sends, in bytes; files are not among it."""
BODY_S = 20.0
"""Seconds in which such a body must arrive."""
STALL_S = 60.0
"""Seconds in which a browser must take the next piece of an answer."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def protect(
    app: ASGIApp, bind: Bind, open_paths: Collection[str] = (), headers: Mapping[str, str] = HEADERS
) -> ASGIApp:
    """The app behind strict headers, the check of host and origin, and the token if one is demanded.

    Args:
        app: what answers.
        bind: where it listens, and its token.
        open_paths: paths that need no token (a probe).
        headers: set on every answer that does not say otherwise itself.
    """
    return StrictHeaders(OriginGate(TokenGate(app, bind.token, open_paths), bind), headers)


class StrictHeaders:
    """Adds headers to every answer, those of errors too; what the app sets itself stands.

    Args:
        app: what answers.
        headers: name to value.
    """

    def __init__(self, app: ASGIApp, headers: Mapping[str, str] = HEADERS) -> None:
        self._app, self._headers = app, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""

        async def strict(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    given.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, strict if scope["type"] == "http" else send)


class OriginGate:
    """Refuses what a foreign page makes a browser send.

    A page of another origin may not change anything (`Origin` must be the host that is asked), nor load anything into
    itself (`Sec-Fetch-Site`); a link may be followed. Where no token is demanded, the host must be this machine's, too:
    a foreign name that was made to point here is refused (DNS rebinding). WebSockets are refused.

    Args:
        app: what answers.
        bind: where it listens.
    """

    def __init__(self, app: ASGIApp, bind: Bind) -> None:
        self._app, self._bind = app, bind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._bind.guarded and not self._is_ours(host):
            return problem(400, "the request asks for a host that is not this server", "ask for 127.0.0.1")
        if scope["method"] not in SAFE_METHODS and origin is not None and _netloc(origin) != host.lower():
            return problem(403, "a page of another origin may not send this", "send it from the server's own page")
        if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
            return problem(403, "a page of another origin may not load this", "open it in a window of its own")
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return is_loopback(name) or name == self._bind.host.lower()


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


class TokenGate:
    """Lets only those in who show the token: `Authorization: Bearer`, or the cookie that a link with `?token=` sets.

    Args:
        app: what answers.
        token: None lets everybody in.
        open_paths: paths that need no token.
    """

    def __init__(self, app: ASGIApp, token: str | None, open_paths: Collection[str] = ()) -> None:
        self._app, self._token, self._open = app, token, frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        refusal = self._refusal(scope, self._token) if scope["type"] == "http" and self._token else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope, token: str) -> JSONResponse | RedirectResponse | None:
        headers = Headers(scope=scope)
        if scope["path"] in self._open or _bears(headers, token) or _has_cookie(headers, token):
            return None
        if scope["method"] == "GET" and (entry := _entry(scope, token)):
            return entry
        refused = problem(401, "the token is missing or wrong", "send the header Authorization: Bearer TOKEN")
        refused.headers["WWW-Authenticate"] = "Bearer"
        return refused


def _bears(headers: Headers, token: str) -> bool:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and same_secret(given.strip(), token)


def _has_cookie(headers: Headers, token: str) -> bool:
    name, value = _cookie(token)
    return same_secret(cookie_parser(headers.get("cookie", "")).get(name, ""), value)


def _cookie(token: str) -> tuple[str, str]:
    """Name and value; neither tells the token, and two servers of one machine do not overwrite each other's."""
    digest = hmac.new(token.encode(), b"atypica cookie", hashlib.sha256).hexdigest()
    return f"atypica_{digest[:8]}", digest[8:]


def _entry(scope: Scope, token: str) -> RedirectResponse | None:
    """For a link with the right `?token=`: set the cookie, and drop the token from the address."""
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    if not any(name == "token" and same_secret(value, token) for name, value in query):
        return None
    rest = urlencode([(name, value) for name, value in query if name != "token"])
    # Leading slashes are cut: //elsewhere would be another host.
    path = "/" + scope["path"].lstrip("/\\")
    entry = RedirectResponse(f"{path}?{rest}" if rest else path, status_code=303)
    name, value = _cookie(token)
    entry.set_cookie(name, value, httponly=True, samesite="lax", secure=scope["scheme"] == "https")
    return entry


class SmallBodies:
    """Refuses bodies of more than `MOST_BODY` bytes (413) or that come too slowly (408), before it is known who sends
    them, and drops those who do not take their answer.

    Args:
        app: what answers; it must turn `HTTPException` into an answer.
        body_s: seconds in which the body must have come.
        stall_s: seconds in which each piece of the answer must be taken.
    """

    def __init__(self, app: ASGIApp, body_s: float = BODY_S, stall_s: float = STALL_S) -> None:
        self._app, self._body_s, self._stall_s = app, body_s, stall_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        left, complete = MOST_BODY, False
        until = asyncio.get_running_loop().time() + self._body_s

        async def bounded() -> Message:
            nonlocal left, complete
            try:
                # When all is there, the next message is that the browser leaves, for which nobody waits in vain.
                async with asyncio.timeout_at(None if complete else until):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, "the request did not arrive in time") from None
            left -= len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if left < 0:
                raise HTTPException(413, "the request is too large")
            return message

        async def patient(message: Message) -> None:
            async with asyncio.timeout(self._stall_s):
                await send(message)

        await self._app(scope, bounded, patient)


def problem(status: int, error: str, fix: str = "") -> JSONResponse:
    """An error as every error of the server looks: what is wrong, and what to do."""
    return JSONResponse({"error": error, "fix": fix}, status)
