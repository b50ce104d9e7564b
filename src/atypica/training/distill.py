"""The ensemble of folds taught to one network, in rounds.

After Beyer et al., CVPR 2022 (a patient, consistent teacher) and Furlanello et al., ICML 2018 (a network taught by its
like).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from atypica.models.frozen import twin
from atypica.models.network import FigureNetwork
from atypica.training.crops import CropStore
from atypica.training.crossval import fold_networks
from atypica.training.fit import fit, load_weights
from atypica.training.fold import fold_folder
from atypica.training.module import FigureModule
from atypica.training.recipe import Recipe
from atypica.training.run import Run
from atypica.training.sampling import batches_of, derive_seed, figure_weights
from atypica.training.settings.distill import DistillSettings
from atypica.training.targets import Targets

TURNS = 4
"""Of a crop, by which a student that teaches itself is asked."""


def student_folder(run: Run, number: int = 1) -> Path:
    """Where the student of a round is kept, from 1."""
    return run.folder / ("student" if number == 1 else f"student-{number}")


def student_network(run: Run) -> FigureNetwork:
    """The finished student of the last round, ready for inference."""
    return load_weights(run.new_network(), student_folder(run, run.recipe.distill.rounds if run.recipe.distill else 1))


def round_key(recipe: Recipe, number: int) -> str:
    """The hash of the settings that a round depends on: a run keeps its rounds when only more are asked for."""
    assert recipe.distill, "the recipe distills nothing"
    upto = recipe.distill.model_copy(update={"rounds": number})
    return recipe.model_copy(update={"distill": upto}).hash


def distill(run: Run, load: Callable[[], CropStore], say: Callable[[str], None] = lambda _: None) -> None:
    """Teach the student in every round that is not finished; nothing where the recipe does not distill.

    Args:
        run: with all folds finished.
        load: reads all its crops; not called where every round is finished.
        say: called with a line about every finished round.
    """
    settings = run.recipe.distill
    for number in range(1, settings.rounds + 1 if settings else 1):
        assert settings
        key, step = round_key(run.recipe, number), student_folder(run, number).name
        say(f"{step}: {run.once(step, key, lambda n=number, k=key: _round(run, load(), settings, n, k))}")


def _round(run: Run, store: CropStore, settings: DistillSettings, number: int, key: str) -> dict[str, Any]:
    """The first one is taught by the folds, later ones by what the student said so far."""
    seed = derive_seed(run.recipe.seed, run.fold_count, *([number] if number > 1 else []))
    student, folder = run.new_network(seed), student_folder(run, number)
    if number > 1:
        load_weights(student, student_folder(run, number - 1))
        teachers = own_teachers(student)
    else:
        if settings.start == "fold":
            load_weights(student, fold_folder(run, 0))
        teachers = fold_networks(run)
    teach(run, store, student, teachers, folder, f"{key}-{run.data_hash}", seed)
    return {"figures": len(store), "epochs": settings.epochs, "teachers": "itself" if number > 1 else run.fold_count}


def own_teachers(student: FigureNetwork) -> list[FigureNetwork]:
    """The student as it is, once for every quarter turn: the mean over several views, to be said in one."""
    return [twin(student)] * TURNS


def teach(
    run: Run,
    store: CropStore,
    student: FigureNetwork,
    teachers: list[FigureNetwork],
    folder: Path,
    key: str,
    seed: int,
    rows: NDArray[np.int64] | None = None,
) -> FigureNetwork:
    """Train the student on a run's figures: it and its teachers see the same augmented views, turned otherwise.

    Args:
        run: its recipe distills.
        store: all its crops.
        student: with the weights to start from.
        teachers: whose mean is taught.
        folder: where it is kept.
        key: of all that it depends on; a checkpoint of another key is not resumed.
        seed: of this training.
        rows: on which figures; on all if None.

    Returns:
        The taught network, ready for inference.
    """
    recipe, settings = run.recipe, run.recipe.distill
    assert settings, "the recipe distills nothing"
    if rows is None:
        figures, targets = run.figures, run.targets
    else:
        figures, targets = (
            run.figures.where(np.isin(np.arange(len(store)), rows)),
            Targets(run.targets.at(torch.from_numpy(rows))),
        )
        store = CropStore(store.pixels[rows], store.kept, store.seen)
    module = FigureModule(
        student,
        store,
        targets,
        recipe,
        lr=settings.lr,
        epochs=settings.epochs,
        seed=seed,
        teachers=teachers,
        weights=figure_weights(figures, recipe),
    )
    batches = batches_of(figures, recipe, seed)
    return fit(module, batches, folder, settings.epochs, key, title=folder.name, hardware=run.hardware).network
