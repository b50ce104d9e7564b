"""The real server in a process of its own: sockets, signals, the command line."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import httpx
import pytest
from service_calls import png

from atypica.apps.cli.serve import serve
from atypica.apps.web.bind import TOKEN
from atypica.apps.web.server import listen
from atypica.core.errors import MissingExtraError, SettingsError

FILES = [("files", ("a.png", png()))]
SLOW = """
import sys, time
from atypica.apps.web.serve.typist import Typist
work = Typist.__call__
def slow(*parts):
    print("working", file=sys.stderr, flush=True)
    time.sleep(1)
    return work(*parts)
Typist.__call__ = slow
from atypica.apps.cli.main import run
run()
"""


class Running:
    """A server on a free port."""

    def __init__(self, bundle: Path, *arguments: str, script: str | None = None, token: str = "") -> None:
        start = ["-c", script] if script else ["-m", "atypica.apps.cli"]
        command = [sys.executable, *start, "serve", "--model", str(bundle), "--port", "0", *arguments]
        environment = {**os.environ, TOKEN: token, "COLUMNS": "200"}
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment
        )
        self.said: list[str] = []
        line = self.until("listening on http://")
        self.url = line.split("listening on ")[1].split()[0].rstrip("/")

    @property
    def stderr(self) -> IO[str]:
        assert self.process.stderr is not None
        return self.process.stderr

    def until(self, text: str) -> str:
        for line in self.stderr:
            self.said.append(line)
            if text in line:
                return line
        raise AssertionError(f"never said '{text}': {self.said}")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        self.said.append(self.stderr.read())
        return self.process.wait(60)


@pytest.fixture
def start(tiny_bundle) -> Iterator[type[Running]]:
    running: list[Running] = []

    def begin(*arguments: str, **settings: str) -> Running:
        running.append(Running(tiny_bundle, *arguments, **settings))
        return running[-1]

    yield begin
    for server in running:
        server.process.kill()
        server.process.wait()
        server.stderr.close()


def test_it_answers_and_stops(start):
    server = start()
    with httpx.Client(base_url=server.url, timeout=60) as client:
        answer = client.post("/classify", params={"mpp": 0.25}, files=FILES)
        assert answer.status_code == 200
        assert answer.json()["figures"][0]["prediction"] in {"AMF", "NMF"}
        assert "server" not in answer.headers
        assert answer.headers["Cache-Control"] == "no-store"
        assert client.get("/health").json()["status"] == "ready"
    assert server.stop() == 0
    said = "".join(server.said)
    assert "Only this machine can reach it; no token is demanded." in said
    assert said.endswith("stopped\n")
    assert "Traceback" not in said


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_finishes_what_is_under_way(start, number):
    server = start(script=SLOW)
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as line:
        content = png()
        line.sendall(
            f"POST /classify HTTP/1.1\r\nHost: {host}\r\nContent-Type: image/png\r\n"
            f"Content-Length: {len(content)}\r\n\r\n".encode()
            + content
        )
        server.until("working")
        server.process.send_signal(number)
        assert line.recv(65536).startswith(b"HTTP/1.1 200")
    assert server.process.wait(60) == 0


def test_beyond_this_machine_a_token_is_made_and_demanded(start):
    server = start("--host", "0.0.0.0")
    made = server.until("The token, made for this run: ").split()[-1]
    url = server.url.replace("0.0.0.0", "127.0.0.1")
    assert httpx.post(f"{url}/classify", files=FILES, timeout=60).status_code == 401
    assert httpx.get(f"{url}/health", timeout=60).status_code == 200
    headers = {"Authorization": f"Bearer {made}"}
    assert httpx.post(f"{url}/classify", files=FILES, headers=headers, timeout=60).status_code == 200
    with httpx.Client(base_url=url, timeout=60, follow_redirects=True) as browser:
        assert browser.get("/docs").status_code == 401
        assert browser.get("/", params={"token": made}).url.path == "/docs"
        assert browser.get("/model").status_code == 200


def test_a_token_of_ones_own_is_not_printed(start):
    token = "a-token-of-ones-own-0123"
    server = start(token=token)
    assert httpx.get(f"{server.url}/model", timeout=60).status_code == 401
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{server.url}/model", headers=headers, timeout=60).status_code == 200
    server.stop()
    assert token not in "".join(server.said)


def test_requests_that_are_none_leave_the_server_well(start):
    server = start()
    host, port = server.url.removeprefix("http://").split(":")
    for content in (b"", b"\r\n\r\n", b"GARBAGE\r\n\r\n", b"\0" * 70_000, b"POST /classify HTTP/1.1\r\nContent-Le"):
        with socket.create_connection((host, int(port)), timeout=60) as line:
            line.sendall(content)
    assert httpx.get(f"{server.url}/health", timeout=60).status_code == 200


def test_a_port_that_is_taken():
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"cannot listen on 127.0.0.1:{port}"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize("setting", [{"threshold": "often"}, {"queue": 0}, {"max_figures": -1}, {"port": 70_000}])
def test_settings_that_are_not_possible(tiny_bundle, setting):
    with pytest.raises(SettingsError):
        serve(model=tiny_bundle, **setting)


@pytest.mark.parametrize("missing", ["fastapi", "uvicorn", "prometheus_client", "python_multipart"])
def test_without_the_extra_it_says_how_to_get_it(monkeypatch, missing):
    for name in [name for name in sys.modules if name.startswith("atypica.apps.web")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'atypica\[web\]'"):
        serve()
