"""Jobs in processes: the same results, errors as they were raised, and nothing lost to a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from doubling import Make, begun, unmakable

from atypica.core.errors import FigureError, MissingExtraError, SettingsError
from atypica.core.executor import TRIES, Executor, LostWorkerError, Serial
from atypica.scale.open import open_executor


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[Any, Any], Path]:
    """One run over jobs of every kind on two processes, by job."""
    folder = tmp_path_factory.mktemp("jobs")
    jobs = [*range(6), "refused", "extra", "odd", "dies once", "dies always"]
    with open_executor("processes", workers=2) as executor:
        return {finished.job: finished for finished in executor.map(Make(folder), jobs)}, folder


def test_results_are_those_of_the_serial_executor(results: tuple[dict[Any, Any], Path], tmp_path: Path) -> None:
    found, _ = results
    serial = {finished.job: finished.value() for finished in Serial().map(Make(tmp_path), range(6))}
    assert {job: found[job].value() for job in range(6)} == serial
    assert len(list(tmp_path.glob("made-*"))) == 1


def test_a_worker_is_made_once_a_process(results: tuple[dict[Any, Any], Path]) -> None:
    found, folder = results
    processes = {pid for job in found for pid in begun(folder, job)}
    assert {path.name for path in folder.glob("made-*")} == {f"made-{pid}" for pid in processes}
    assert str(os.getpid()) not in processes
    # Two, one after the job that dies once, and after each death of the other.
    assert len(processes) <= 2 + 1 + TRIES


def test_an_error_comes_back_as_it_was_raised(results: tuple[dict[Any, Any], Path]) -> None:
    found, folder = results
    with pytest.raises(FigureError, match="cannot be read") as caught:
        found["refused"].value()
    assert caught.value.fix == "mend it"
    assert "tests/helpers/doubling.py" in caught.value.__notes__[0]
    assert isinstance(found["extra"].error, MissingExtraError)
    assert str(found["odd"].error) == "OddError: 1 and 2"
    assert len(begun(folder, "refused")) == 1


def test_a_job_whose_process_is_killed_is_tried_again_and_told(results: tuple[dict[Any, Any], Path]) -> None:
    found, folder = results
    assert found["dies once"].value() == 0
    assert len(found["dies once"].lost) == 1
    assert len(begun(folder, "dies once")) == 2
    assert all(not finished.lost for job, finished in found.items() if not str(job).startswith("dies"))
    assert all(len(begun(folder, job)) == 1 for job in range(6))


def test_a_job_that_kills_every_process_is_given_up(results: tuple[dict[Any, Any], Path]) -> None:
    found, folder = results
    assert isinstance(found["dies always"].error, LostWorkerError)
    assert len(begun(folder, "dies always")) == len(found["dies always"].lost) == TRIES


def test_jobs_are_taken_no_sooner_than_needed(tmp_path: Path) -> None:
    taken: list[int] = []

    def jobs() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    with open_executor("processes", workers=1) as executor:
        stream = executor.map(Make(tmp_path), jobs())
        next(stream)
        assert len(taken) <= 3
        stream.close()  # pyright: ignore[reportAttributeAccessIssue]


def test_a_process_killed_between_two_jobs_is_replaced_and_ctrl_c_is_left_to_the_parent(tmp_path: Path) -> None:
    with open_executor("processes", workers=1) as executor:
        stream = executor.map(Make(tmp_path), ["refused", 1])
        assert isinstance(next(stream).error, FigureError)
        pid = int(begun(tmp_path, "refused")[0])
        lines = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        assert int(lines["SigIgn"], 16) >> (signal.SIGINT - 1) & 1
        os.kill(pid, signal.SIGKILL)
        while _alive(pid):
            time.sleep(0.01)
        time.sleep(0.3)  # the pool learns of it in a thread of its own
        (found,) = stream
    assert found.value() == 2
    assert len(found.lost) == 1
    assert len(begun(tmp_path, 1)) == 1


def test_a_worker_that_cannot_be_made_fails_its_jobs(tmp_path: Path) -> None:
    executors: list[Executor] = [Serial()]
    with open_executor("processes", workers=1) as processes:
        for executor in [*executors, processes]:
            found = list(executor.map(unmakable, [1, 2]))
            assert [str(finished.error) for finished in found] == ["there is no model\n  -> bring it"] * 2


DRIVER = """
import sys
from pathlib import Path
from atypica.scale.open import open_executor
from doubling import Make
if __name__ == "__main__":
    with open_executor("processes", workers=2) as executor:
        for _ in executor.map(Make(Path(sys.argv[1])), ["waits 1", "waits 2"]):
            pass
"""


def test_processes_end_with_a_driver_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    helpers = Path(__file__).parents[1] / "helpers"
    driver = subprocess.Popen([sys.executable, script, tmp_path], env={**os.environ, "PYTHONPATH": str(helpers)})
    pids = [_wait_for(tmp_path, f"waits {number}") for number in (1, 2)]
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    deadline = time.monotonic() + 20
    while any(map(_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(_alive, pids))


def _wait_for(folder: Path, job: str) -> int:
    deadline = time.monotonic() + 60
    while not (found := begun(folder, job)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return int(found[0])


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("on", "options", "words"),
    [
        ("cloud", {}, "no place to work"),
        ("processes", {"workers": 0}, "not possible"),
        ("serial", {"cpus": 0}, "not possible"),
        ("processes", {"gpus": 1.0}, "needs Ray"),
    ],
)
def test_what_cannot_be_is_refused(on: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words), open_executor(on, **options):
        pass
