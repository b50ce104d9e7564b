"""The files that the images are built from: what can be said of them without a container engine."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
from pathlib import Path

import pytest

from atypica.apps.cli.grand_challenge import app

ROOT = Path(__file__).parents[2]
DOCKERFILES = ("Dockerfile", "Dockerfile.gpu")
DOCKER = """#!/bin/sh
echo "$@" >> "$LOG"
if [ "$1" = save ]; then echo an image; exit $SAVE; fi
"""


def stages(name: str) -> dict[str, list[str]]:
    """The instructions of each stage, those of the stage that it starts from before its own."""
    text = (ROOT / "container" / name).read_text().replace("\\\n", " ")
    found: dict[str, list[str]] = {}
    stage: list[str] = []
    for line in (line for line in text.splitlines() if line and not line.startswith("#")):
        if match := re.fullmatch(r"FROM (\S+) AS (\w+)", line):
            stage = found[match[2]] = [*found.get(match[1], [])]
        else:
            stage.append(line)
    return found


def last(lines: list[str], instruction: str) -> str:
    return [line.removeprefix(f"{instruction} ") for line in lines if line.startswith(f"{instruction} ")][-1]


@pytest.mark.parametrize("name", DOCKERFILES)
@pytest.mark.parametrize(("target", "verb"), [("exec", "run"), ("invoke", "serve")])
def test_an_image_runs_what_the_command_line_knows_and_never_as_root(name, target, verb):
    lines = stages(name)[target]
    assert int(last(lines, "USER").split(":")[0]) >= 1000
    assert json.loads(last(lines, "ENTRYPOINT")) == ["atypica", "grand-challenge"]
    command, given, _ = app.parse_args(json.loads(last(lines, "CMD")))
    assert command.__name__ == verb
    assert given.arguments == ({"host": "0.0.0.0"} if verb == "serve" else {"lenient": True})
    labels = [line for line in lines if line.startswith("LABEL")]
    assert labels == (['LABEL org.grand-challenge.api-method="invoke"'] if verb == "serve" else [])


@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_image_is_built_from_what_is_sent_to_the_builder(name):
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [line.split()[1:-1] for line in stages(name)["build"] if line.startswith("COPY")]
    assert {source for sources in copied for source in sources} == sent
    assert all((ROOT / source).exists() for source in sent)


def save(tmp_path: Path, *arguments: str, status: int = 0) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run the script with a `docker` that only writes down what it is asked."""
    (tmp_path / "docker").write_text(DOCKER)
    (tmp_path / "docker").chmod(0o755)
    settings = {"PATH": f"{tmp_path}:/usr/bin:/bin", "LOG": str(tmp_path / "log"), "SAVE": str(status)}
    done = subprocess.run(
        [ROOT / "container" / "save.sh", *arguments],
        check=False,
        cwd=tmp_path,
        env=settings,
        capture_output=True,
        text=True,
    )
    log = tmp_path / "log"
    return done, log.read_text().splitlines() if log.exists() else []


def test_the_script_builds_and_saves(tmp_path):
    done, asked = save(tmp_path, "invoke", "gpu")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "atypica-invoke-gpu.tar.gz"
    assert gzip.decompress((tmp_path / "atypica-invoke-gpu.tar.gz").read_bytes()) == b"an image\n"
    assert "Dockerfile.gpu --target invoke" in asked[0]
    assert asked[1] == "save atypica-grand-challenge:invoke-gpu"


def test_a_failed_save_leaves_no_archive(tmp_path):
    done, _ = save(tmp_path, status=1)
    assert done.returncode == 1
    assert list(tmp_path.glob("*.gz*")) == []


@pytest.mark.parametrize("arguments", [("both",), ("exec", "tpu")])
def test_the_script_refuses_what_it_does_not_know(tmp_path, arguments):
    done, asked = save(tmp_path, *arguments)
    assert done.returncode == 2
    assert asked == []
