"""What a study found: a table of its trials, the best recipe, importances, and two pictures."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from filelock import FileLock
from optuna.importance import get_param_importances
from optuna.trial import FrozenTrial, TrialState

from atypica.core.files import write_text
from atypica.core.tables import write_table
from atypica.reporting.evaluation_plots import save
from atypica.training.recipe import Recipe
from atypica.training.settings.tune import METRIC_WORDS, SearchSpace
from atypica.training.tune.plots import history_plot, importance_plot
from atypica.training.tune.space import Values
from atypica.training.tune.study import FOLDS, REASON, best_trial, outcome

FEWEST = 4
"""Finished trials below which nothing is said of importances."""


def write_findings(
    study: optuna.Study,
    space: SearchSpace,
    folder: Path,
    recipe_of: Callable[[Values], Recipe],
    *,
    pictures: bool = True,
) -> None:
    """Write `trials.csv`, `history.png`, and once there is something to say `best.yaml` and `importances.png`.

    Args:
        study: as it stands; other workers may go on with it.
        space: what is tried.
        folder: of the tuning.
        recipe_of: the recipe of a trial's values.
        pictures: also draw.
    """
    trials = study.get_trials(deepcopy=False)
    with FileLock(folder / ".findings.lock"):
        write_table(trials_table(trials, space), folder / "trials.csv")
        if best := best_trial(study):
            write_text(folder / "best.yaml", best_recipe(best, trials, space, recipe_of(best.params)))
        if pictures:
            save(history_plot(trials, space), folder / "history.png")
        if pictures and (shares := importances(study)):
            save(importance_plot(shares, space, len(finished(trials))), folder / "importances.png")


def finished(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Those that have a value."""
    return [trial for trial in trials if trial.state == TrialState.COMPLETE]


def trials_table(trials: list[FrozenTrial], space: SearchSpace) -> pd.DataFrame:
    """One row a trial: number, how it ended, value, SD and values of the folds, what it tried, seconds, reason."""
    return pd.DataFrame([_row(trial, space) for trial in trials])


def _row(trial: FrozenTrial, space: SearchSpace) -> dict[str, Any]:
    folds: list[float] = trial.user_attrs.get(FOLDS, [])
    seconds = trial.duration.total_seconds() if trial.duration else None
    return {
        "trial": trial.number,
        "outcome": outcome(trial),
        space.metric: trial.value if trial.state == TrialState.COMPLETE else None,
        "sd": pd.Series(folds, dtype=float).std(),
        "folds": " ".join(f"{value:.4f}" for value in folds),
        **{key: trial.params.get(key) for key in space.parameters},
        "seconds": None if seconds is None else round(seconds, 1),
        "reason": trial.user_attrs.get(REASON, ""),
    }


def best_recipe(best: FrozenTrial, trials: list[FrozenTrial], space: SearchSpace, recipe: Recipe) -> str:
    """The recipe of the best trial as YAML, and above it where it is from."""
    ended = sum(trial.state.is_finished() for trial in trials)
    head = (
        f"# Trial {best.number}, the best of {ended} (search space {space.name}): {METRIC_WORDS[space.metric]} "
        f"{best.value:.4f}, mean over the folds.\n# Chosen by these figures, so the value flatters.\n"
    )
    return head + recipe.to_yaml()


def importances(study: optuna.Study) -> dict[str, float]:
    """The share of each setting in what differs between good trials and all (PED-ANOVA, Watanabe et al., IJCAI 2023).

    Largest first; empty where there are fewer than `FEWEST` finished trials, or they do not differ.
    """
    found = finished(study.get_trials(deepcopy=False))
    if len(found) < FEWEST or len({trial.value for trial in found}) < 2:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shares = get_param_importances(study)
    return shares if all(map(math.isfinite, shares.values())) else {}
