"""`atypica` as a process of its own: start-up, Ctrl-C, a disk that is really full."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

COMMAND = [sys.executable, "-c", "from atypica.apps.cli.main import run; run()"]
HEAVY = ("torch", "onnxruntime", "pandas", "scipy", "matplotlib", "numpy")


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "crops").mkdir()
    for number in range(40):
        Image.new("RGB", (96, 96), (number,) * 3).save(tmp_path / "crops" / f"{number}.png")
    return tmp_path / "crops"


@pytest.mark.parametrize("start", ["import atypica", "from atypica.apps.cli.main import app; app(['--help'])"])
def test_starting_loads_nothing_heavy(start):
    code = f"import sys\ntry:\n    {start}\nexcept SystemExit: pass\nprint([m for m in {HEAVY} if m in sys.modules])"
    code = code.replace(
        "try:\n    from atypica.apps.cli.main import app; ", "from atypica.apps.cli.main import app\ntry:\n    "
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_names_the_verbs():
    done = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True)
    assert "classify" in done.stdout
    assert "demo" in done.stdout


def test_classifying_never_loads_torch(folder, tiny_bundle, tmp_path):
    code = (
        "import sys, atypica\n"
        f"atypica.load_model({str(tiny_bundle)!r}).classify({str(folder)!r}).write({str(tmp_path / 'out')!r})\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


SLOW = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits that it is ignored
from atypica.inference import crops
read = crops.FileCrops.read
def slow(self, row):
    time.sleep(0.1)
    return read(self, row)
crops.FileCrops.read = slow
from atypica.apps.cli.main import run
run()
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_leaves_the_old_files_and_no_part(folder, tiny_bundle, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "predictions.csv").write_text("of an earlier run")
    arguments = ["classify", str(folder), "--out", str(out), "--model", str(tiny_bundle), "--no-report"]
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, *arguments], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr is not None
    assert "figures" in process.stderr.readline()  # the source is open, the typing begins
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in said
    assert [file.name for file in out.iterdir()] == ["predictions.csv"]
    assert (out / "predictions.csv").read_text() == "of an earlier run"


@pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")
def test_a_file_that_does_not_fit(folder, tiny_bundle, tmp_path):
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n" + COMMAND[-1]
    arguments = ["classify", str(folder), "--out", str(tmp_path / "out"), "--model", str(tiny_bundle), "--no-report"]
    done = subprocess.run([sys.executable, "-c", limited, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "cannot write" in done.stderr
    assert list((tmp_path / "out").iterdir()) == []
