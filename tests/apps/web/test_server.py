"""Those who are slow on purpose do not hold the server up."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

uvicorn = pytest.importorskip("uvicorn", reason="the extra 'web' is not installed")

from starlette.applications import Starlette  # noqa: E402
from starlette.responses import PlainTextResponse  # noqa: E402
from starlette.routing import Route  # noqa: E402

from atypica.apps.web.security import SmallBodies  # noqa: E402
from atypica.apps.web.server import ImpatientProtocol, configured, listen  # noqa: E402

HEAD_S = 0.5
SLOW_S = 60
"""A busy machine is no failure."""


async def echo(request):
    return PlainTextResponse(await request.body())


async def late(_):
    await asyncio.sleep(3 * HEAD_S)
    return PlainTextResponse("late")


APP = Starlette(routes=[Route("/", echo, methods=["GET", "POST"]), Route("/late", late)])


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(ImpatientProtocol, "head_s", HEAD_S)
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(configured(APP, patience_s=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join()


def say(port: int, *parts: bytes) -> bytes:
    """What comes back until the server hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=SLOW_S) as client:
        for part in parts:
            client.sendall(part)
        heard = b""
        while piece := client.recv(4096):
            heard += piece
        return heard


@pytest.mark.parametrize("parts", [(), (b"GET / HT",), (b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",)])
def test_who_never_finishes_the_headers_is_hung_up_on(port, parts):
    assert say(port, *parts) == b""


def test_who_waits_for_an_answer_is_not(port):
    heard = say(port, b"GET /late HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert heard.endswith(b"late")


def ask(app, messages, send):
    """One request whose body comes as `messages`, and then never ends."""
    left = list(messages)

    async def receive():
        if left:
            return left.pop(0)
        return await asyncio.Event().wait()

    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": [], "http_version": "1.1"}
    asyncio.run(app(scope, receive, send))


def test_a_body_that_does_not_come_is_given_up():
    sent = []

    async def send(message):
        sent.append(message)

    gate = Starlette(routes=APP.routes)
    guarded = SmallBodies(gate, body_s=0.2)
    ask(guarded, [{"type": "http.request", "body": b"half", "more_body": True}], send)
    assert sent[0]["status"] == 408
    sent.clear()
    ask(guarded, [{"type": "http.request", "body": b"whole", "more_body": False}], send)
    assert (sent[0]["status"], sent[1]["body"]) == (200, b"whole")


def test_who_does_not_take_the_answer_is_dropped():
    async def send(_):
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        ask(SmallBodies(APP, stall_s=0.2), [{"type": "http.request", "body": b"", "more_body": False}], send)
