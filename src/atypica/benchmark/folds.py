"""The jobs of a benchmark, done in any process that sees the same files: a fold trained, a run's test sets typed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from atypica.benchmark.predict import Typist
from atypica.benchmark.runs import Member, Work, open_run, run_folder
from atypica.core.errors import OutputError
from atypica.training.attempts import Attempt
from atypica.training.crops import CropStore
from atypica.training.crossval import fold_trainer
from atypica.training.run import Run

VIEWS = (1,)


@dataclass(frozen=True)
class FoldJob:
    """A fold of a run that is to be trained."""

    member: Member
    attempt: Attempt


@dataclass(frozen=True)
class Trained:
    """What an attempt came to: its metrics, and how many seconds it took."""

    metrics: dict[str, Any]
    seconds: float


@dataclass(frozen=True)
class MakeTrainer:
    """Makes what trains folds. A run is opened and its crops are read once for all folds that follow each other."""

    work: Work

    def __call__(self) -> Callable[[FoldJob], Trained]:
        opened = lru_cache(maxsize=1)(self._open)

        def train(job: FoldJob) -> Trained:
            started = time.monotonic()
            run, load = opened(job.member)
            attempt = job.attempt
            metrics = fold_trainer(run, load, [attempt.fold], VIEWS)(attempt.fold, attempt.recipe)
            return Trained(metrics, time.monotonic() - started)

        return train

    def _open(self, member: Member) -> tuple[Run, Callable[[], CropStore]]:
        run = _seen_run(self.work, member)
        return run, lru_cache(maxsize=1)(run.load_crops)


@dataclass(frozen=True)
class MakePredictor:
    """Makes what types the test sets of finished runs, and keeps the answers where the next one looks for them."""

    work: Work

    def __call__(self) -> Callable[[Member], None]:
        return lambda member: _predict(self.work, member)


def _predict(work: Work, member: Member) -> None:
    Typist(work, member, _seen_run(work, member)).predict()


def _seen_run(work: Work, member: Member) -> Run:
    """The run that the process which leads the benchmark has opened.

    Raises:
        OutputError: its folder is not to be seen from here, so that what is trained here would be lost.
    """
    folder = run_folder(work.out, member.label, member.seed)
    if not (folder / "recipe.yaml").is_file():
        raise OutputError(f"a worker does not see the folder {folder}", "choose --out on a shared disk")
    return open_run(work, member)
