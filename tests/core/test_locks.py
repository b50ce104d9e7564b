"""A folder that one command alone works in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from atypica.core.errors import OutputError
from atypica.core.locks import sole_use

HOLD = """
import sys
from pathlib import Path
from atypica.core.locks import sole_use
with sole_use(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_command_is_kept_out_until_the_first_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    first = subprocess.Popen([sys.executable, "-c", HOLD, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert first.stdout
    assert first.stdout.readline() == b"held\n"
    with pytest.raises(OutputError, match="another command"), sole_use(folder):
        pass
    first.send_signal(signal.SIGKILL)
    first.wait()
    with sole_use(folder):
        pass
    with sole_use(folder):
        pass


@pytest.mark.skipif(os.name == "nt", reason="folders of another kind")
def test_a_file_in_the_place_of_the_folder_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match="cannot write"), sole_use(tmp_path / "out"):
        pass
