"""A study: who may work on it, which trial comes next, and how each ended. Several workers share one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from filelock import FileLock, Timeout
from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from atypica.core.errors import SettingsError
from atypica.training.settings.tune import SearchSpace
from atypica.training.tune.space import Values, suggest

REASON = "reason"
"""Why a trial failed or was ended, an attribute of the trial."""
COLLAPSED = "collapsed"
"""Of a trial that was ended because a fold collapsed."""
FOLDS = "folds"
"""The metric of every fold, an attribute of a finished trial."""
KEY = "atypica"
"""What all workers of a study share: recipe, figures, search space."""


@dataclass(frozen=True)
class Turn:
    """A trial that this worker alone works on, until `lock` is released or the worker is killed.

    Attributes:
        trial: Optuna's.
        values: what it tries.
        folder: where it is kept.
        lock: held.
        resumed: whether a worker that is gone had begun it.
    """

    trial: Trial
    values: Values
    folder: Path
    lock: FileLock
    resumed: bool


def open_study(storage: BaseStorage, name: str, space: SearchSpace, key: Mapping[str, str]) -> optuna.Study:
    """Make a study, or join the one of this name.

    Args:
        storage: where it is kept.
        name: its name there.
        space: what is tried, and how trials are ended.
        key: what all its workers must have in common, each by its name.

    Raises:
        SettingsError: the study of this name tries something else.
    """
    study = optuna.create_study(
        storage=storage, study_name=name, direction="maximize", load_if_exists=True, pruner=_pruner(space)
    )
    known = study.user_attrs.get(KEY)
    if known is None:
        study.set_user_attr(KEY, dict(key))
        known = key
    other = [part for part in key if known.get(part) != key[part]]
    if other:
        raise SettingsError(
            f"the study '{name}' was begun with another {', '.join(other)}",
            "choose another --study or --out, or give what it was begun with",
        )
    return study


def next_turn(study: optuna.Study, space: SearchSpace, folder: Path, total: int) -> Turn | None:
    """A trial of `folder` that was killed, else a new one; None where there are `total`, and none is left over.

    What a new trial tries depends on the seed, its number and the trials that have ended, so that a study that was
    stopped proposes what an uninterrupted one does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "study.lock"):
        for left in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if (folder / str(left.number)).is_dir() and (lock := _take(folder / str(left.number))):
                trial = Trial(study, left._trial_id)  # pyright: ignore[reportPrivateUsage]
                return Turn(trial, suggest(trial, space), folder / str(left.number), lock, True)
        count = len(study.get_trials(deepcopy=False))
        if count >= total:
            return None
        study.sampler = TPESampler(seed=_seed(space.seed, count), n_startup_trials=space.startup_trials)
        trial = study.ask()
        place = folder / str(trial.number)
        place.mkdir(exist_ok=True)
        lock = _take(place)
        assert lock is not None
        return Turn(trial, suggest(trial, space), place, lock, False)


def _take(place: Path) -> FileLock | None:
    """The lock of a trial, if nobody has it; the system frees that of a killed worker."""
    lock = FileLock(place / "trial.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


def _pruner(space: SearchSpace) -> BasePruner:
    if space.pruner == "median":
        return MedianPruner(n_startup_trials=space.startup_trials, n_warmup_steps=space.first_step - 1)
    if space.pruner == "halving":
        return SuccessiveHalvingPruner(min_resource=space.first_step, reduction_factor=2)
    return NopPruner()


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """The finished trial with the highest value, of equals the earliest; None where none has finished."""
    found = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return max(found, key=lambda trial: (trial.value or 0.0, -trial.number), default=None)


def outcome(trial: FrozenTrial) -> str:
    """How a trial ended: finished, pruned, collapsed, failed or running."""
    if trial.user_attrs.get(COLLAPSED):
        return "collapsed"
    words: dict[Any, str] = {TrialState.COMPLETE: "finished", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
    return words.get(trial.state, "running")
