"""A tuning from end to end: trials until there are enough, then what they found."""

from __future__ import annotations

import gc
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import optuna
from optuna import TrialPruned
from optuna.trial import Trial, TrialState

from atypica.core.errors import AtypicaError, OutputError
from atypica.core.executor import Executor, LostWorkerError, Serial
from atypica.core.files import sha256_bytes, write_text
from atypica.data.figures import Figures
from atypica.data.splits import split_hash
from atypica.training.live import clock
from atypica.training.recipe import Recipe, flat_settings, load_recipe
from atypica.training.run import assign_folds, training_figures
from atypica.training.settings.tune import METRIC_WORDS, SearchSpace
from atypica.training.tune.findings import write_findings
from atypica.training.tune.space import Values, as_settings, check_space
from atypica.training.tune.storage import open_storage
from atypica.training.tune.study import COLLAPSED, FOLDS, REASON, Turn, best_trial, next_turn, open_study, outcome
from atypica.training.tune.trial import CollapsedError, Trials, clear

Say = Callable[[str], None]
JOB = "job"
"""An attribute of a trial: which job of which command took it last."""
PICTURES_S = 60
"""Pictures are drawn at the end, and amid the trials no more often than this."""


@dataclass(frozen=True)
class Tuning:
    """What all trials of a tuning share.

    Attributes:
        recipe: name or path.
        settings: changes of it, as `key.sub=value`, in every trial.
        space: what is tried.
        source: labeled figures with cases; those that the recipe reports on are never read.
        folder: where trials and findings are kept.
    """

    recipe: str
    settings: tuple[str, ...]
    space: SearchSpace
    source: Figures
    folder: Path

    def recipe_of(self, values: Values) -> Recipe:
        """The recipe of a trial.

        Raises:
            SettingsError: its values do not go together.
        """
        return load_recipe(self.recipe, [*self.settings, *as_settings(values)])

    @property
    def rooted(self) -> Tuning:
        """The same for processes that may stand elsewhere."""
        source = replace(self.source, root=self.source.root.absolute())
        return replace(self, source=source, folder=self.folder.absolute())

    @property
    def key(self) -> dict[str, str]:
        """Hashes of what all workers of a study must have in common."""
        recipe = self.recipe_of({})
        figures = training_figures(self.source, recipe)
        split = split_hash(figures.table["figure_id"].tolist(), assign_folds(figures, recipe))
        space = self.space.model_dump_json(exclude={"name", "description"}, exclude_defaults=True)
        return {"recipe": recipe.fold_hash, "figures or folds": split, "search space": sha256_bytes(space.encode())}


def tune(
    tuning: Tuning,
    trials: int,
    storage: str = "",
    name: str = "",
    say: Say = lambda _: None,
    executor: Executor | None = None,
) -> optuna.Study:
    """Work on a study until it has enough trials, and write what it found.

    A trial that fails or collapses stays in the study with its reason, and the next one begins. One that was killed is
    gone on with by the next worker on its folder; one that ends every worker it gets fails.

    Args:
        tuning: see there.
        trials: how many the study shall have in all, of all workers.
        storage: URL of a database; "" for a file in the folder.
        name: of the study; "" for those of recipe and space.
        say: called with a line about every trial.
        executor: what runs the trials; one after the other, here, if None.

    Raises:
        SettingsError: a space or database that cannot be used, or a study that was begun with something else.
        SourceError: figures that cannot be trained on.
        OutputError: database or folder cannot be written, or a worker does not see the folder.
        LostWorkerError: workers vanish before they take a trial.
    """
    executor = executor or Serial()
    check_space(tuning.space, flat_settings(tuning.recipe_of({})))
    tuning.folder.mkdir(parents=True, exist_ok=True)
    tuning = tuning.rooted
    make = MakeTuner(tuning, trials, storage, name, say if isinstance(executor, Serial) else None)
    study, drawn = make.open(), time.monotonic()
    for finished in executor.map(make, range(trials)):
        for why in finished.lost:
            say(f"a worker was lost; its trial goes on with the next ({why})")
        if isinstance(finished.error, LostWorkerError):
            lines = make.give_up(study, finished.job, finished.error)
        else:
            lines = finished.value()
        if lines is None:
            continue
        for line in lines:
            say(line)
        draw = time.monotonic() - drawn > PICTURES_S
        drawn = time.monotonic() if draw else drawn
        write_findings(study, tuning.space, tuning.folder, tuning.recipe_of, pictures=draw)
    write_findings(study, tuning.space, tuning.folder, tuning.recipe_of)
    return study


@dataclass(frozen=True)
class MakeTuner:
    """Makes what runs the trials of a study, in any process that sees the same files.

    Attributes:
        tuning, trials, storage, name: as for `tune`.
        say: called with a line about every trial; None where lines are to come back with the trial.
        command: tells the jobs of one call of `tune` from those of another.
    """

    tuning: Tuning
    trials: int
    storage: str
    name: str
    say: Say | None
    command: str = field(default_factory=lambda: uuid4().hex)

    def __call__(self) -> Callable[[int], list[str] | None]:
        folder = self.tuning.folder
        if not folder.is_dir():
            raise OutputError(f"a worker does not see the folder {folder}", "choose --out on a shared disk")
        study, worker = self.open(), Trials(self.tuning.source)
        return lambda job: self._next(study, worker, job)

    def open(self) -> optuna.Study:
        """The study, made where there is none."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        name = self.name or f"{self.tuning.recipe_of({}).name}-{self.tuning.space.name}"
        return open_study(open_storage(self.storage, self.tuning.folder), name, self.tuning.space, self.tuning.key)

    def give_up(self, study: optuna.Study, job: int, error: LostWorkerError) -> list[str]:
        """Let the trial fail that ended every worker of a job, or it would be begun again for ever; a line about it.

        Raises:
            LostWorkerError: the workers had no trial.
        """
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        found = [trial for trial in running if trial.user_attrs.get(JOB) == self._mark(job)]
        if not found:
            raise error
        for left in found:
            Trial(study, left._trial_id).set_user_attr(REASON, error.message)  # pyright: ignore[reportPrivateUsage]
            study.tell(left.number, None, TrialState.FAIL)
            clear(self.tuning.folder / "trials" / str(left.number))
        return [f"trial {left.number}: failed, {error.message}" for left in found]

    def _mark(self, job: int) -> str:
        return f"{self.command} {job}"

    def _next(self, study: optuna.Study, worker: Trials, job: int) -> list[str] | None:
        """The lines about the next trial, which is run; None where there are enough."""
        turn = next_turn(study, self.tuning.space, self.tuning.folder / "trials", self.trials)
        if turn is None:
            return None
        lines: list[str] = []
        turn.trial.set_user_attr(JOB, self._mark(job))
        try:
            _work(self.tuning, study, worker, turn, self.say or lines.append)
        finally:
            turn.lock.release()
        gc.collect()
        return lines


def _work(tuning: Tuning, study: optuna.Study, worker: Trials, turn: Turn, say: Say) -> None:
    """One trial to its end, whatever that is."""
    number, started = turn.trial.number, time.monotonic()
    say(f"trial {number}{' goes on' if turn.resumed else ''}: {_shown(turn.values)}")
    state, value, words = TrialState.FAIL, None, ""
    try:
        folds = worker.run(tuning.recipe_of(turn.values), turn.folder, turn.trial, tuning.space)
        state, value = TrialState.COMPLETE, float(np.mean(folds))
        turn.trial.set_user_attr(FOLDS, folds)
    except TrialPruned as end:
        state, words = TrialState.PRUNED, str(end)
        turn.trial.set_user_attr(COLLAPSED, isinstance(end, CollapsedError))
    except OutputError:
        raise
    except Exception as error:  # one trial's fault, whatever it is, must not end the others
        words = _reason(error)
        write_text(turn.folder / "error.txt", "".join(traceback.format_exception(error)))
    if words:
        turn.trial.set_user_attr(REASON, words)
    study.tell(number, value, state)
    clear(turn.folder)
    say(_line(study, tuning.space, number, words, time.monotonic() - started))


def _reason(error: Exception) -> str:
    return error.message if isinstance(error, AtypicaError) else f"{type(error).__name__}: {error}"


def _line(study: optuna.Study, space: SearchSpace, number: int, words: str, took: float) -> str:
    best, trial = best_trial(study), study.get_trials(deepcopy=False)[number]
    beside = f"best {best.value:.4f}, trial {best.number}" if best else "none finished yet"
    ended = f"{METRIC_WORDS[space.metric]} {trial.value:.4f}" if not words else f"{outcome(trial)}, {words}"
    return f"trial {number}: {ended} ({beside}; {clock(took)})"


def _shown(values: Values) -> str:
    return ", ".join(
        f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}" for key, value in values.items()
    )
