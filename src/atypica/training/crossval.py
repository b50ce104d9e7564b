"""Cross-validation: one network a fold, and what each says of the figures it never saw."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from atypica.models.frozen import twin
from atypica.models.network import FigureNetwork
from atypica.training.attempts import Attempt, Attempts
from atypica.training.crops import CropStore
from atypica.training.fit import Fitted, LossError, fit, keep_weights, load_weights
from atypica.training.fold import fold_folder, held_out_rows, keep_predictions
from atypica.training.fold import out_of_fold as out_of_fold
from atypica.training.module import FigureModule
from atypica.training.objective import Objective
from atypica.training.predict import predict
from atypica.training.probe.folds import ProbeFolds, probe_networks
from atypica.training.recipe import Recipe
from atypica.training.run import Run
from atypica.training.sampling import batches_of, derive_seed, figure_weights
from atypica.training.targets import Targets
from atypica.training.validation import Validation, watched_metrics

VIEWS = (1, 8)


def cross_validate(
    run: Run,
    load: Callable[[], CropStore],
    views: Sequence[int] = VIEWS,
    *,
    only: Sequence[int] | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Train every fold that is not finished, and those that collapsed once more if the recipe says how.

    Args:
        run: what is trained.
        load: reads all its crops; not called where everything is finished, nor for a probe.
        views: by how many views the held-out figures are predicted, each count in columns of its own.
        only: these folds; all if None.
        say: called with a line about every finished fold.

    Returns:
        One dictionary of metrics a fold; `collapse` in it says why a fold counts as collapsed.
    """
    chosen = list(range(run.fold_count) if only is None else only)
    work, attempts = fold_trainer(run, load, chosen, views), Attempts(run, chosen, say)

    def train(pending: list[Attempt]) -> None:
        started = time.monotonic()
        metrics = work(pending[0].fold, pending[0].recipe)
        attempts.keep(pending[0], metrics, time.monotonic() - started)

    return attempts.complete(train)


def fold_trainer(
    run: Run, load: Callable[[], CropStore], folds: Sequence[int], views: Sequence[int] = VIEWS
) -> Callable[[int, Recipe], dict[str, Any]]:
    """What trains one fold by the run's recipe, or by what a retry changes of it, and gives its metrics.

    Args:
        run, load, views: as for `cross_validate`.
        folds: those that may be asked for.
    """
    if run.recipe.probe:
        return ProbeFolds(run, folds, views).train
    return lambda fold, recipe: train_fold(run, load(), fold, views, recipe)


def train_fold(
    run: Run, store: CropStore, fold: int, views: Sequence[int] = VIEWS, recipe: Recipe | None = None
) -> dict[str, Any]:
    """Train on all other folds, predict this one, and keep both under `folds/<fold>/`.

    A loss that is not a number ends the training; the weights so far are kept, and the metrics say so.

    Args:
        run: what is trained.
        store: all its crops.
        fold: which.
        views: see `cross_validate`.
        recipe: with what a retry changes; the run's own if None.

    Raises:
        SourceError: the recipe chooses epochs by what the held-out figures leave undefined.
    """
    recipe = recipe or run.recipe
    rows, held_out = np.flatnonzero(run.folds != fold), held_out_rows(run, fold)
    fitted, broken = _fit_fold(run, store, fold, recipe, rows, held_out)
    outputs = {count: predict(fitted.network, store, held_out, count) for count in views}
    metrics, collapse = keep_predictions(run, fold, outputs, broken)
    return {**metrics, **_epochs(fitted, recipe), **collapse}


def _fit_fold(
    run: Run, store: CropStore, fold: int, recipe: Recipe, rows: NDArray[np.int64], held_out: NDArray[np.int64]
) -> tuple[Fitted, str]:
    """The trained network, and what broke its training off."""
    seed, figures = derive_seed(recipe.seed, fold), run.figures.where(run.folds != fold)
    targets = Targets(run.targets.at(torch.from_numpy(rows)))
    module = FigureModule(
        run.new_network(seed),
        CropStore(store.pixels[rows], store.kept, store.seen),
        targets,
        recipe,
        lr=recipe.optimizer.lr,
        epochs=recipe.training.epochs,
        seed=seed,
        weights=figure_weights(figures, recipe),
    )
    folder = fold_folder(run, fold)
    try:
        fitted = fit(
            module,
            batches_of(figures, recipe, seed),
            folder,
            recipe.training.epochs,
            f"{recipe.fold_hash}-{run.data_hash}",
            title=f"fold {fold}",
            validation=_validation(run, store, recipe, targets, fold),
            hardware=run.hardware,
        )
    except LossError as error:
        network = module.averaged if _is_finite(module.averaged) else run.new_network(seed).eval()
        keep_weights(network, folder)
        return Fitted(network, module.current_epoch, error.kept_epoch), error.message
    return fitted, ""


def _validation(run: Run, store: CropStore, recipe: Recipe, training: Targets, fold: int) -> Validation | None:
    watched, held_out = watched_metrics(recipe), np.flatnonzero(run.folds == fold)
    if not watched and run.watch is None:
        return None
    tell = partial(run.watch, fold) if run.watch else None
    objective = Objective.of(recipe.heads, recipe.loss, training.heads)
    targets = run.targets.at(torch.from_numpy(held_out))
    return Validation(store, held_out, run.figures.labels[held_out], targets, objective, watched, tell)


def _is_finite(network: FigureNetwork) -> bool:
    return all(bool(torch.isfinite(values).all()) for values in network.state_dict().values())


def _epochs(fitted: Fitted, recipe: Recipe) -> dict[str, Any]:
    """Which epoch was kept, from 1, of how many; nothing where it is the last of all."""
    if recipe.training.keep == "last":
        return {}
    return {"epochs": fitted.epochs, "kept_epoch": fitted.kept_epoch, "kept_by": recipe.training.keep}


def fold_networks(run: Run) -> list[FigureNetwork]:
    """The finished networks of all folds, ready for inference."""
    if run.recipe.probe:
        return probe_networks(run)
    first = run.new_network()
    return [load_weights(twin(first), fold_folder(run, fold)) for fold in range(run.fold_count)]
