"""The invoke mode: an HTTP server that types the stack of the input folder as often as it is asked to."""

from __future__ import annotations

import json
import signal
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from atypica.apps.grand_challenge.job import Outcome
from atypica.core.errors import AtypicaError, ExitCode, SettingsError

PORT = 4743
MOST_BYTES = 1_000_000
"""Of a request's body, which says nothing that is needed."""
PATIENCE_S = 5.0
"""How long a client may be silent amid a request; also bounds how long a stop waits for one."""
STATUS = {ExitCode.NO_ROOM: HTTPStatus.INSUFFICIENT_STORAGE}
METHODS = {"/health": "GET", "/invoke": "POST"}
Say = Callable[[str], None]


class InvokeServer(ThreadingHTTPServer):
    """Answers `GET /health` with 200 and `POST /invoke` with 201; one invocation at a time.

    Args:
        address: host and port; port 0 takes a free one (see `server_port`).
        invoke: does one job.
        say: where messages go.

    Raises:
        SettingsError: the address cannot be listened on.
    """

    daemon_threads = False
    """`server_close` waits for the invocation that is under way."""

    def __init__(self, address: tuple[str, int], invoke: Callable[[], Outcome], say: Say) -> None:
        self.invoke, self.say = invoke, say
        self.working = threading.Lock()
        try:
            super().__init__(address, _Handler)
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise SettingsError(
                f"cannot listen on {address[0]}:{address[1]}: {reason}", "choose another --host or --port"
            ) from error

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no fault of ours."""


class _Handler(BaseHTTPRequestHandler):
    timeout = PATIENCE_S
    server_version = "atypica"
    sys_version = ""

    @property
    def ours(self) -> InvokeServer:
        return cast("InvokeServer", self.server)

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def _answer(self, method: str) -> None:
        path = self.path.partition("?")[0]
        wanted = METHODS.get(path)
        if not self._drained():
            return
        if wanted is None:
            self._reply(HTTPStatus.NOT_FOUND, {"error": "there are GET /health and POST /invoke"})
        elif wanted != method:
            self._reply(HTTPStatus.METHOD_NOT_ALLOWED, {"error": f"use {wanted} {path}"}, {"Allow": wanted})
        elif path == "/health":
            self._reply(HTTPStatus.OK, {"status": "ok"})
        else:
            self._invoke()

    def _drained(self) -> bool:
        """Take the body off the line; False where the request was refused for it."""
        length = self.headers.get("Content-Length", "0").strip()
        if "Transfer-Encoding" in self.headers:
            self._reply(HTTPStatus.LENGTH_REQUIRED, {"error": "send the body with a Content-Length, or none"})
        elif not (length.isascii() and length.isdigit()):
            self._reply(HTTPStatus.BAD_REQUEST, {"error": "Content-Length is not a number"})
        elif int(length[:20]) > MOST_BYTES:
            self._reply(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": f"the body has more than {MOST_BYTES:,} bytes"})
        else:
            self.rfile.read(int(length))
            return True
        return False

    def _invoke(self) -> None:
        if not self.ours.working.acquire(blocking=False):
            busy = {"error": "another invocation is under way"}
            self._reply(HTTPStatus.SERVICE_UNAVAILABLE, busy, {"Retry-After": "1"})
            return
        try:
            outcome = self.ours.invoke()
        except AtypicaError as error:
            self.ours.say(f"error: {error}")
            status = STATUS.get(error.exit_code, HTTPStatus.UNPROCESSABLE_ENTITY)
            content: dict[str, Any] = {"error": error.message, "fix": error.fix}
        except Exception:  # one failed job must not end the server
            self.ours.say(traceback.format_exc())
            status, content = HTTPStatus.INTERNAL_SERVER_ERROR, {"error": "a fault of atypica; see the log"}
        else:
            status, content = HTTPStatus.CREATED, {"pages": outcome.pages, "neutral_answers": outcome.failed}
        finally:
            self.ours.working.release()
        self._reply(status, content)

    def _reply(self, status: HTTPStatus, content: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        body = json.dumps(content).encode()
        with suppress(ConnectionError, TimeoutError):
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        number = code.value if isinstance(code, HTTPStatus) else code
        self.ours.say(f"{self.requestline[:100]!a} {number}")

    def log_message(self, format: str, *args: Any) -> None:
        """The standard library's remarks on broken requests, which may repeat what the client sent: left out."""


def serve(server: InvokeServer) -> None:
    """Answer until SIGTERM; then finish the invocation that is under way."""

    def stop(*_: object) -> None:
        threading.Thread(target=server.shutdown, daemon=True).start()

    before = signal.signal(signal.SIGTERM, stop)
    try:
        server.serve_forever(poll_interval=0.1)
    finally:
        server.server_close()
        signal.signal(signal.SIGTERM, before)
