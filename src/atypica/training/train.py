"""The whole of a training: cross-validate, distill or not, release. Every step is done once; a killed run goes on."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from atypica.data.figures import Figures
from atypica.training.crossval import cross_validate
from atypica.training.distill import distill
from atypica.training.footprint import memory_line
from atypica.training.hardware import ONE_DEVICE, Hardware, free_memory, is_first
from atypica.training.probe.folds import check_exportable
from atypica.training.recipe import Recipe
from atypica.training.release import release
from atypica.training.run import Run


def train(
    recipe: Recipe,
    source: Figures,
    folder: Path,
    say: Callable[[str], None] = lambda _: None,
    hardware: Hardware = ONE_DEVICE,
) -> Path:
    """Make a bundle from figures; returns `folder/bundle`.

    Which folds collapsed stands in the ledger (`Ledger.collapses`) and on the card; it is no error.

    Args:
        recipe: how.
        source: labeled figures with cases.
        folder: the run's; if it holds an unfinished run of the same recipe, that is taken up.
        say: called with a line about every finished step.
        hardware: devices and strategy.

    Raises:
        SettingsError: the folder holds a run of another recipe, or the recipe makes what no bundle can hold.
        SourceError: figures that cannot be trained on.
        TrainingError: the student's loss is not a number, the folds have learned nothing, or the exported graph is
            wrong.
    """
    check_exportable(recipe)
    run = Run.open(folder, recipe, source, hardware)
    say = say if is_first() else lambda _: None
    part = recipe.split.held_out
    how = f"{len(run.held_out)} of them held out ({part})" if part else f"{run.fold_count} folds"
    say(f"{len(run.figures)} figures of {run.figures.name}, {how}, recipe {recipe.hash}")
    if run.leaked.any():
        number = int(run.leaked.sum())
        say(f"{number} test figures lie where figures that train lie (same slide, within 5 um): left out of the test")
    if recipe.split.unit == "figure":
        say("split by figure: figures of one case train and are held out, so every result below flatters")
    if not recipe.probe and is_first() and not run.is_trained:
        say(memory_line(recipe, run.targets.heads, free_memory()))
    load = lru_cache(maxsize=1)(run.load_crops)
    cross_validate(run, load, say=say)
    distill(run, load, say)
    say(f"bundle: {run.once('bundle', recipe.hash, lambda: release(run, load()) if is_first() else {})}")
    return folder / "bundle"
