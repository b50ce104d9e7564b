"""`atypica grand-challenge` in a container's surroundings: what the platform would run, as it would run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from challenge_input import ANSWERS, p_of, write_input
from container import NOBODY, impossible, run_inside

REASON = impossible()
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)
CLI = "-m", "atypica.apps.cli", "grand-challenge"
LEVELS = [20, 200, 90, 160, 240]
PROBE = """
import errno, os, socket
def refused(action):
    try: action()
    except OSError: return True
    return False
print(os.getuid(), os.getgid(), os.getgroups(), "HOME" in os.environ)
with socket.socket() as line:
    print(line.connect_ex(("192.0.2.1", 80)) == errno.ENETUNREACH)
print([refused(lambda: open(f"{place}/probe", "w").close()) for place in ("", "/input", "/opt/ml/model", "/root")])
print([refused(lambda: open(f"{place}/probe", "w").close()) for place in ("/output", "/tmp")])
"""
INVOKE = """
import json, signal, subprocess, sys, urllib.request
server = subprocess.Popen([sys.executable, "-m", "atypica.apps.cli", "grand-challenge", "serve", "--host", "0.0.0.0"],
                          stderr=subprocess.PIPE, text=True)
for line in server.stderr:
    if "listening on http://0.0.0.0:4743" in line:
        break
def ask(method, path):
    with urllib.request.urlopen(urllib.request.Request("http://127.0.0.1:4743" + path, method=method)) as answer:
        return answer.status, json.load(answer)
print(json.dumps([ask("GET", "/health"), ask("POST", "/invoke"), ask("POST", "/invoke")]))
server.send_signal(signal.SIGTERM)
print(server.wait(60), server.stderr.read().count("answers, atypical from"))
"""


@pytest.fixture
def job(tmp_path) -> Path:
    (tmp_path / "in").mkdir()
    write_input(tmp_path / "in", LEVELS, metadata=None)
    (tmp_path / "none").mkdir()
    return tmp_path


def confidences(out: Path) -> list[float]:
    return [answer["confidence"] for answer in json.loads((out / ANSWERS).read_text())]


def test_the_surroundings_are_those_of_a_container(job, tiny_bundle):
    done = run_inside(job, job / "in", job / "out", tiny_bundle, "-c", PROBE)
    assert done.stdout.splitlines() == [
        f"{NOBODY} {NOBODY} [] False",
        "True",
        "[True, True, True, True]",
        "[False, False]",
    ], done.stderr


def test_exec_mode_with_weights_of_the_platform(job, tiny_bundle):
    done = run_inside(job, job / "in", job / "out", tiny_bundle, *CLI, "run")
    assert done.returncode == 0, done.stderr
    assert "model tiny 1 (given)" in done.stderr
    assert confidences(job / "out") == pytest.approx([p_of(level) for level in LEVELS], abs=0.01)
    assert [file.name for file in (job / "out").iterdir()] == [ANSWERS]
    assert (job / "out" / ANSWERS).stat().st_uid == NOBODY


def test_exec_mode_with_the_weights_inside(job):
    done = run_inside(job, job / "in", job / "out", job / "none", *CLI, "run", "--views", "1")
    assert done.returncode == 0, done.stderr
    assert "comes with atypica" in done.stderr
    assert "telemetry" not in done.stderr
    assert len(confidences(job / "out")) == len(LEVELS)


def test_invoke_mode(job, tiny_bundle):
    done = run_inside(job, job / "in", job / "out", tiny_bundle, "-c", INVOKE)
    assert done.returncode == 0, done.stderr
    replies, ending = done.stdout.splitlines()
    typed = {"pages": 5, "neutral_answers": {}}
    assert json.loads(replies) == [[200, {"status": "ok"}], [201, typed], [201, typed]]
    assert ending == "0 2"
    assert confidences(job / "out") == pytest.approx([p_of(level) for level in LEVELS], abs=0.01)


def test_an_output_that_is_not_writable(job, tiny_bundle):
    done = run_inside(job, job / "in", job / "out", tiny_bundle, *CLI, "run", "--output", "/input")
    assert done.returncode == 4
    assert "cannot write" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.real
def test_the_official_sample(real_data, job):
    sample = real_data / "grand-challenge" / "input"
    if not sample.is_dir():
        pytest.skip(f"no official sample at {sample}")
    done = run_inside(job, sample, job / "out", job / "none", *CLI, "run")
    assert done.returncode == 0, done.stderr
    checked = run_inside(job, sample, job / "out", job / "none", *CLI, "check", "/output", "--input", "/input")
    assert checked.returncode == 0, checked.stdout
    assert "12 passed, 0 with a warning, 0 failed" in checked.stdout
