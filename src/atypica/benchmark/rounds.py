"""All runs of a benchmark together: their folds trained, then their test sets typed, by whatever does the jobs."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from atypica.benchmark.folds import FoldJob, MakePredictor, MakeTrainer, Trained
from atypica.benchmark.predict import Predicted, Typist
from atypica.benchmark.runs import Member, Work, open_run
from atypica.core.errors import AtypicaError, OutputError
from atypica.core.executor import Executor, Finished, Serial
from atypica.core.files import write_text
from atypica.training.attempts import Attempts

Found = TypeVar("Found")


class Rounds:
    """Takes the runs of a benchmark from where they lie to their predictions. This process alone writes ledgers.

    A run that fails becomes a `Failure`, and the rest goes on; its traceback is kept under `OUT/errors/`.

    Args:
        work: what all runs share.
        executor: what trains and predicts.
        folds_only: these folds; all if empty.
    """

    def __init__(self, work: Work, executor: Executor, folds_only: Sequence[int]) -> None:
        self._work = work
        self._executor = executor
        self._typists: dict[Member, Typist] = {}
        self._attempts: dict[Member, Attempts] = {}
        self._failed: set[Member] = set()
        for member in work.members:
            self._try(member, self._opener(member, folds_only))

    def train(self) -> None:
        """Train every fold that is not finished; those that collapsed once more, where their recipe says how."""
        for attempts in self._attempts.values():
            attempts.tell()
        while pending := self._pending():
            jobs = (job for job in pending if job.member not in self._failed)
            for finished in self._executor.map(MakeTrainer(self._work.quiet), jobs):
                self._keep(finished)

    def predict(self) -> list[Predicted]:
        """What the networks of all runs say of the test sets."""
        members = [member for member in self._typists if member not in self._failed]
        if not isinstance(self._executor, Serial):
            for finished in self._executor.map(MakePredictor(self._work.quiet), members):
                self._tell_lost(finished, f"{finished.job}, the test sets")
                if finished.error:
                    self._work.say(f"{finished.job}, the test sets: no worker could type them, so it is done here")
        found = [self._try(member, self._typists[member].predict) for member in members]
        return [one for predicted in found for one in predicted or ()]

    def _opener(self, member: Member, folds_only: Sequence[int]) -> Callable[[], None]:
        def open_member() -> None:
            run = open_run(self._work, member)
            typist = Typist(self._work, member, run)
            _ = typist.screened  # a leak that is refused is told before hours of training
            folds = [fold for fold in range(run.fold_count) if not folds_only or fold in folds_only]
            self._attempts[member] = Attempts(run, folds, lambda line: self._work.say(f"{member}, {line}"))
            self._typists[member] = typist

        return open_member

    def _pending(self) -> list[FoldJob]:
        runs = ((member, attempts) for member, attempts in self._attempts.items() if member not in self._failed)
        return [FoldJob(member, attempt) for member, attempts in runs for attempt in attempts.pending()]

    def _keep(self, finished: Finished[FoldJob, Trained]) -> None:
        member, attempt = finished.job.member, finished.job.attempt
        self._tell_lost(finished, f"{member}, fold {attempt.fold}")
        trained = self._try(member, finished.value)
        if trained:
            self._attempts[member].keep(attempt, trained.metrics, trained.seconds)

    def _tell_lost(self, finished: Finished[Any, Any], what: str) -> None:
        for why in finished.lost:
            self._work.say(f"{what}: a worker was lost, and the work was begun again ({why})")

    def _try(self, member: Member, step: Callable[[], Found]) -> Found | None:
        """Do a step of a run, whose fault must not end the others; None where it failed."""
        try:
            return step()
        except OutputError:
            raise
        except Exception as error:  # whatever it is
            self._failed.add(member)
            self._work.fail(member, _reason(self._work, member, error))
            return None


def _reason(work: Work, member: Member, error: Exception) -> str:
    """Why a run failed, in a line; its traceback is kept."""
    kept = work.out / "errors" / f"{member.label}-seed-{member.seed}.txt"
    write_text(kept, "".join(traceback.format_exception(error)))
    if not isinstance(error, AtypicaError):
        return f"{type(error).__name__}: {error}"
    return f"{error.message} ({error.fix})" if error.fix else error.message
