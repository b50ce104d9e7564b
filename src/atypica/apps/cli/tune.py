"""`atypica tune`: a recipe and a search space in, trials, and the best of their recipes out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from atypica.apps.cli.fan_out import HERE, FanOut
from atypica.apps.cli.screen import say
from atypica.core.errors import ExitCode, MissingExtraError, SettingsError
from atypica.data.join import open_joined
from atypica.training.settings.tune import METRIC_WORDS, Pruner, SearchSpace, TunedMetric

if TYPE_CHECKING:
    from optuna import Study


def tune(
    recipe: str,
    *settings: str,
    data: str,
    trials: Annotated[int, Parameter(name="--trials")],
    out: Path,
    space: str | None = None,
    storage: str = "",
    study: str = "",
    metric: TunedMetric | None = None,
    pruner: Pruner | None = None,
    threads: int = 0,
    fan_out: FanOut = HERE,
) -> ExitCode:
    """Try other settings of a recipe, judge each by its folds, and write the best as a recipe to train.

    Writes best.yaml, trials.csv, history.png and importances.png. Given again, the same command goes on where it was
    stopped, even by a kill; given several times at once, all work on the same study. The test split is never read.

    Parameters
    ----------
    recipe
        The name of a shipped recipe, or a YAML file.
    settings
        Changes of the recipe in every trial, as key.sub=value (training.epochs=5).
    data
        A dataset's name (ami-br), a folder, or a figure table; with labels and cases. Several with a plus between them.
    trials
        How many trials the study shall have in all.
    out
        The folder of trials and findings.
    space
        What is tried: the name of a shipped search space (kotte2025), or a YAML file; that of the recipe's name if not
        given.
    storage
        URL of the study's database (postgresql://user@host/name); a SQLite file in the folder if not given.
    study
        The study's name in it; that of recipe and space if not given.
    metric
        In place of the space's: auroc or balanced_accuracy (at 0.5), each the mean over the folds.
    pruner
        In place of the space's: median, halving or none.
    threads
        Processor threads; 0 leaves the choice to PyTorch.

    Returns
    -------
    ExitCode
        SOME_FAILED if a trial did, or if none was finished.
    """
    try:
        import torch

        from atypica.training.recipe import load_recipe
        from atypica.training.tune.space import load_space
        from atypica.training.tune.tune import Tuning
        from atypica.training.tune.tune import tune as run_trials
    except ImportError as error:
        raise MissingExtraError("tune", "tune") from error
    if trials < 1:
        raise SettingsError(f"--trials {trials} is no number of trials", "give 1 or more")
    if threads:
        torch.set_num_threads(threads)
    changes = {"metric": metric, "pruner": pruner}
    chosen = load_space(space or load_recipe(recipe, list(settings)).name)
    chosen = chosen.model_copy(update={key: value for key, value in changes.items() if value})
    figures = open_joined(data)
    for note in figures.notes:
        say(f"  {note}")
    tuning = Tuning(recipe, settings, chosen, figures, out)
    fan_out.refuse_threads(threads)
    with fan_out.open() as executor:
        found = run_trials(tuning, trials, storage, study, say, executor)
    return _summarize(found, chosen, out)


def _summarize(study: Study, space: SearchSpace, out: Path) -> ExitCode:
    """The best trial and how all ended, for the person."""
    from atypica.training.tune.findings import importances
    from atypica.training.tune.study import FOLDS, best_trial, outcome

    ended = Counter(outcome(trial) for trial in study.get_trials(deepcopy=False))
    say(f"{ended.total()} trials: {', '.join(f'{count} {how}' for how, count in ended.most_common())}")
    best = best_trial(study)
    if best is None:
        say(f"no trial was finished, so there is no best one; {out / 'trials.csv'} says why")
        return ExitCode.SOME_FAILED
    folds = best.user_attrs[FOLDS]
    say(f"best, trial {best.number}: {METRIC_WORDS[space.metric]} {best.value:.4f}, mean of {len(folds)} folds "
        f"({min(folds):.4f} to {max(folds):.4f}); it was chosen by these figures, so it flatters")  # fmt: skip
    for key, value in best.params.items():
        say(f"  {key} = {value:.4g}" if isinstance(value, float) else f"  {key} = {value}")
    if shares := importances(study):
        say("importance: " + ", ".join(f"{key} {share:.0%}" for key, share in shares.items()))
    say(f"wrote {out / 'best.yaml'}; train it with: atypica train {out / 'best.yaml'} --data DATA --out RUN")
    return ExitCode.SOME_FAILED if ended["failed"] else ExitCode.OK
