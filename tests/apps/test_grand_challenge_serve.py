"""The invoke mode's server: its answers, its limits, and how it stops."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from challenge_input import ANSWERS, write_input

from atypica.apps.grand_challenge.job import Job, Outcome, run_job
from atypica.apps.grand_challenge.server import MOST_BYTES, InvokeServer
from atypica.core.errors import OutputError, SettingsError
from atypica.inference.model import load_model

DONE = Outcome(Path("answers.json"), 3, 0.5, {"stack#page=1": "cannot be read"}, ())


class Running:
    """A server on a free port, in a thread."""

    def __init__(self, invoke) -> None:
        self.said: list[str] = []
        self.server = InvokeServer(("127.0.0.1", 0), invoke, self.said.append)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None):
        line = http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=60)
        line.request(method, path, body, headers or {})
        answer = line.getresponse()
        content = json.loads(answer.read())
        line.close()
        return answer.status, content, answer.headers

    def raw(self, content: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.server.server_port), timeout=60) as line:
            line.sendall(content)
            line.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: line.recv(4096), b""))

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def start():
    running: list[Running] = []

    def begin(invoke=lambda: DONE) -> Running:
        running.append(Running(invoke))
        return running[-1]

    yield begin
    for server in running:
        server.close()


def test_health_and_invoke(start):
    server = start()
    assert server.ask("GET", "/health")[:2] == (200, {"status": "ok"})
    assert server.ask("POST", "/invoke", b'{"any": "thing"}')[:2] == (
        201,
        {"pages": 3, "neutral_answers": {"stack#page=1": "cannot be read"}},
    )
    assert server.said == ["'GET /health HTTP/1.1' 200", "'POST /invoke HTTP/1.1' 201"]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/", {}, 404),
        ("GET", "/../etc/passwd", {}, 404),
        ("GET", "/invoke", {}, 405),
        ("POST", "/health", {}, 405),
        ("POST", "/invoke", {"Content-Length": str(MOST_BYTES + 1)}, 413),
        ("POST", "/invoke", {"Content-Length": "9" * 5000}, 413),
        ("POST", "/invoke", {"Content-Length": "-1"}, 400),
        ("POST", "/invoke", {"Transfer-Encoding": "chunked"}, 411),
    ],
)
def test_what_is_refused(start, method, path, headers, status):
    calls: list[int] = []
    server = start(lambda: calls.append(1) or DONE)
    found, content, given = server.ask(method, path, headers=headers)
    assert found == status
    assert content["error"]
    assert given["Allow"] == {"/invoke": "POST", "/health": "GET"}[path] if status == 405 else "Allow" not in given
    assert calls == []


@pytest.mark.parametrize(
    "content", [b"", b"\r\n\r\n", b"GARBAGE\r\n\r\n", b"POST /invoke HTTP/1.1\r\nContent-Le", b"\0" * 70_000]
)
def test_what_is_no_request_leaves_the_server_well(start, content):
    server = start()
    server.raw(content)
    assert server.ask("GET", "/health")[0] == 200


def test_a_failed_job_is_told_and_the_next_one_runs(start):
    reasons = [SettingsError("no such thing", "mend it"), OutputError("disk full", "free space"), ValueError("secret")]

    def invoke() -> Outcome:
        if reasons:
            raise reasons.pop(0)
        return DONE

    server = start(invoke)
    assert server.ask("POST", "/invoke")[:2] == (422, {"error": "no such thing", "fix": "mend it"})
    assert server.ask("POST", "/invoke")[:2] == (507, {"error": "disk full", "fix": "free space"})
    assert server.ask("POST", "/invoke")[:2] == (500, {"error": "a fault of atypica; see the log"})
    assert any("ValueError: secret" in line for line in server.said)
    assert server.ask("POST", "/invoke")[0] == 201


def test_one_invocation_at_a_time_and_health_meanwhile(start):
    begun, go = threading.Event(), threading.Event()

    def invoke() -> Outcome:
        begun.set()
        assert go.wait(60)
        return DONE

    server = start(invoke)
    first: list[int] = []
    caller = threading.Thread(target=lambda: first.append(server.ask("POST", "/invoke")[0]))
    caller.start()
    assert begun.wait(60)
    assert server.ask("GET", "/health")[0] == 200
    status, _, headers = server.ask("POST", "/invoke")
    assert (status, headers["Retry-After"]) == (503, "1")
    go.set()
    caller.join(60)
    assert first == [201]


def test_a_port_that_is_taken(start):
    port = start().server.server_port
    with pytest.raises(SettingsError, match=f"cannot listen on 127.0.0.1:{port}"):
        InvokeServer(("127.0.0.1", port), lambda: DONE, print)


def test_every_invocation_reads_the_input_anew_with_one_model(start, tiny_bundle, tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    stack = write_input(source, [20, 200])
    job = Job(load_model(tiny_bundle), source, out)
    server = start(lambda: run_job(job))
    assert server.ask("POST", "/invoke")[1]["pages"] == 2
    stack.unlink()
    assert server.ask("POST", "/invoke")[0] == 422
    assert not (out / ANSWERS).exists()  # the first job's answers are not left for the second's


SLOW = """
import sys, time
from atypica.inference import crops
read = crops.FileCrops.read
def slow(self, row):
    print("reading", file=sys.stderr, flush=True)
    time.sleep(1)
    return read(self, row)
crops.FileCrops.read = slow
from atypica.apps.cli.main import run
run()
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_sigterm_finishes_the_invocation_that_is_under_way(tiny_bundle, tmp_path):
    write_input(tmp_path / "in", [20, 200])
    places = ["--input", str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--model", str(tiny_bundle)]
    arguments = ["grand-challenge", "serve", *places, "--port", "0"]
    process = subprocess.Popen([sys.executable, "-c", SLOW, *arguments], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    listening = next(line for line in process.stderr if "listening on http://127.0.0.1:" in line)
    port = int(listening.split("127.0.0.1:")[1].split()[0])
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    line.request("POST", "/invoke")
    assert any("reading" in said for said in process.stderr)
    process.send_signal(signal.SIGTERM)
    assert line.getresponse().status == 201
    assert process.wait(60) == 0
    assert "stopped" in process.stderr.read()
    assert len(json.loads((tmp_path / "out" / ANSWERS).read_text())) == 2
