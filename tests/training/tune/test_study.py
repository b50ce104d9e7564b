"""A study and its workers: processes that share one, some killed. The trials are sums, not trainings."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import optuna
import pytest
from postgres_server import postgres_server

from atypica.core.errors import OutputError, SettingsError
from atypica.training.settings.tune import SearchSpace
from atypica.training.tune.storage import open_storage
from atypica.training.tune.study import KEY, best_trial, next_turn, open_study, outcome

SPACE = {"name": "mine", "parameters": {"x": {"range": [0.0, 1.0]}, "k": {"integers": [1, 9]}}, "startup_trials": 3}
WORKER = """
import json, sys, time
from pathlib import Path
from atypica.training.settings.tune import SearchSpace
from atypica.training.tune.storage import open_storage
from atypica.training.tune.study import next_turn, open_study
url, folder, total, space, sleep = sys.argv[1:]
space, folder = SearchSpace.parse(json.loads(space), ""), Path(folder)
study = open_study(open_storage(url, folder), "shared", space, {"recipe": "a"})
while turn := next_turn(study, space, folder / "trials", int(total)):
    with turn.lock:
        print(turn.trial.number, turn.resumed, flush=True)
        time.sleep(float(sleep))
        study.tell(turn.trial.number, turn.values["x"])
"""


@pytest.fixture(scope="module")
def postgres():
    with postgres_server() as url:
        yield url


def space() -> SearchSpace:
    return SearchSpace.parse(SPACE, "")


def worker(url, folder, total, sleep) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORKER, url, str(folder), str(total), space().model_dump_json(), str(sleep)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_two_workers_share_a_study_and_go_on_with_the_trial_of_a_killed_one(kind, tmp_path, request):
    url = "" if kind == "sqlite" else request.getfixturevalue("postgres")
    killed = worker(url, tmp_path, 8, sleep=600)
    assert killed.stdout.readline() == "0 False\n"
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    other = worker(url, tmp_path, 8, sleep=0.1)
    lines = [other.stdout.readline().strip()]  # it has begun; from here on two work
    lines += work(url, tmp_path, "shared", 8, sleep=0.1)
    lines += other.communicate(timeout=300)[0].split("\n")[:-1]
    assert other.returncode == 0
    assert sorted(lines) == ["0 True", *(f"{number} False" for number in range(1, 8))]
    study = optuna.load_study(study_name="shared", storage=open_storage(url, tmp_path))
    assert [outcome(trial) for trial in study.trials] == ["finished"] * 8
    assert len({trial.params["x"] for trial in study.trials}) == 8, "workers propose each their own"


def work(url, folder, name, total, sleep=0.0) -> list[str]:
    """As `WORKER` does, in this process."""
    study, done = open_study(open_storage(url, folder), name, space(), {"recipe": "a"}), []
    while turn := next_turn(study, space(), folder / "trials", total):
        with turn.lock:
            done.append(f"{turn.trial.number} {turn.resumed}")
            time.sleep(sleep)
            study.tell(turn.trial.number, turn.values["x"])
    return done


def tried(folder, totals) -> list[dict]:
    """What a study tries that is stopped after each of `totals` trials."""
    for total in totals:
        work("", folder, "mine", total)
    return [trial.params for trial in optuna.load_study(study_name="mine", storage=open_storage("", folder)).trials]


def test_a_study_that_was_stopped_proposes_what_an_uninterrupted_one_does(tmp_path):
    for name in ("straight", "stopped"):
        (tmp_path / name).mkdir()
    straight = tried(tmp_path / "straight", [5])
    assert tried(tmp_path / "stopped", [2, 4, 4, 5]) == straight
    assert len({params["x"] for params in straight}) == 5


def test_a_trial_of_another_worker_that_lives_is_left_alone(tmp_path):
    study = open_study(open_storage("", tmp_path), "mine", space(), {"recipe": "a"})
    first = next_turn(study, space(), tmp_path / "trials", 2)
    second = next_turn(study, space(), tmp_path / "trials", 2)
    assert (first.trial.number, second.trial.number) == (0, 1)
    assert next_turn(study, space(), tmp_path / "trials", 2) is None
    first.lock.release()
    again = next_turn(study, space(), tmp_path / "trials", 2)
    assert (again.trial.number, again.resumed, again.values) == (0, True, first.values)


def test_a_study_of_other_figures_is_not_joined(tmp_path):
    key = {"recipe": "a", "figures or folds": "b"}
    assert open_study(open_storage("", tmp_path), "mine", space(), key).user_attrs[KEY] == key
    with pytest.raises(SettingsError, match="begun with another figures or folds"):
        open_study(open_storage("", tmp_path), "mine", space(), {**key, "figures or folds": "c"})


def test_the_best_trial_is_finished_and_the_earliest_of_equals(tmp_path):
    study = open_study(open_storage("", tmp_path), "mine", space(), {})
    assert best_trial(study) is None
    for value, state in [(0.7, None), (0.8, None), (0.8, None), (0.9, optuna.trial.TrialState.PRUNED)]:
        trial = study.ask()
        trial.report(value, 1)
        study.tell(trial, None if state else value, state)
    assert best_trial(study).number == 1
    assert [outcome(trial) for trial in study.trials] == ["finished"] * 3 + ["pruned"]


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("nonsense", SettingsError, "no URL"),
        ("nosuch://host/name", SettingsError, "no driver"),
        ("postgresql://ann:secret@127.0.0.1:1/none", OutputError, r"postgresql\+psycopg://ann:\*\*\*@"),
    ],
)
def test_a_database_that_cannot_be_used_is_told_without_its_password(url, error, words, tmp_path):
    with pytest.raises(error, match=words) as told:
        open_storage(url, tmp_path)
    assert "secret" not in str(told.value)
