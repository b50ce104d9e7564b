"""The ensemble of folds taught to one network (a patient, consistent teacher: Beyer et al., CVPR 2022)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from atypica.models.network import FigureNetwork
from atypica.training.crops import CropStore
from atypica.training.crossval import fold_networks
from atypica.training.fit import fit, load_weights
from atypica.training.fold import fold_folder
from atypica.training.module import FigureModule
from atypica.training.run import Run
from atypica.training.sampling import batches_of, derive_seed, figure_weights
from atypica.training.settings.distill import DistillSettings


def student_folder(run: Run) -> Path:
    """Where the student is kept."""
    return run.folder / "student"


def student_network(run: Run) -> FigureNetwork:
    """The finished student, ready for inference."""
    return load_weights(run.new_network(), student_folder(run))


def distill(run: Run, store: CropStore, settings: DistillSettings) -> dict[str, Any]:
    """Train the student on all figures of a run: teachers and student see the same augmented views."""
    recipe = run.recipe
    seed = derive_seed(recipe.seed, run.fold_count)
    network = run.new_network(seed)
    if settings.start == "fold":
        load_weights(network, fold_folder(run, 0))
    module = FigureModule(
        network,
        store,
        run.targets,
        recipe,
        lr=settings.lr,
        epochs=settings.epochs,
        seed=seed,
        teachers=fold_networks(run),
        weights=figure_weights(run.figures, recipe),
    )
    fit(
        module,
        batches_of(run.figures, recipe, seed),
        student_folder(run),
        settings.epochs,
        f"{recipe.hash}-{run.data_hash}",
        title="student",
        hardware=run.hardware,
    )
    return {"figures": len(store), "epochs": settings.epochs, "teachers": run.fold_count}
