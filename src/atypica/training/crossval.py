"""Cross-validation: one network a fold, and what each says of the figures it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from atypica.core.tables import write_table
from atypica.models.network import FigureNetwork
from atypica.training.crops import CropStore
from atypica.training.fit import fit, load_weights
from atypica.training.module import FigureModule
from atypica.training.predict import Outputs, predict
from atypica.training.run import Run
from atypica.training.sampling import batches_of, derive_seed, figure_weights
from atypica.training.targets import Targets

PREDICTIONS = "predictions.parquet"
VIEWS = (1, 8)


def cross_validate(run: Run, store: CropStore, views: Sequence[int] = VIEWS) -> list[dict[str, Any]]:
    """Train every fold that is not finished; one dictionary of metrics a fold.

    Args:
        run: what is trained.
        store: all its crops.
        views: by how many views the held-out figures are predicted, each count in columns of its own.
    """
    return [
        run.once(f"fold {fold}", run.recipe.fold_hash, lambda fold=fold: train_fold(run, store, fold, views))
        for fold in range(run.fold_count)
    ]


def train_fold(run: Run, store: CropStore, fold: int, views: Sequence[int] = VIEWS) -> dict[str, Any]:
    """Train on all other folds, predict this one, and keep both under `folds/<fold>/`."""
    recipe, rows = run.recipe, np.flatnonzero(run.folds != fold)
    seed, figures = derive_seed(recipe.seed, fold), run.figures.where(run.folds != fold)
    part = CropStore(store.pixels[rows], store.kept, store.seen)
    module = FigureModule(
        run.new_network(seed),
        part,
        Targets(run.targets.at(torch.from_numpy(rows))),
        recipe,
        lr=recipe.optimizer.lr,
        epochs=recipe.training.epochs,
        seed=seed,
        weights=figure_weights(figures, recipe),
    )
    batches = batches_of(figures, recipe, seed)
    network = fit(
        module, batches, fold_folder(run, fold), recipe.training.epochs, f"{recipe.fold_hash}-{run.data_hash}"
    )
    held_out = np.flatnonzero(run.folds == fold)
    outputs = {count: predict(network, store, held_out, count) for count in views}
    _write_predictions(run, fold, held_out, outputs)
    labels = run.figures.labels[held_out]
    return {
        "figures": len(held_out),
        "amf": int(labels.sum()),
        **{_auroc_name(count): _auroc(labels, output["amf"][:, 0]) for count, output in outputs.items()},
    }


def _auroc_name(views: int) -> str:
    return "auroc" if views == 1 else f"auroc_{views}_views"


def _auroc(labels: NDArray[np.float64], scores: NDArray[np.float32]) -> float | None:
    return round(float(roc_auc_score(labels, scores)), 4) if 0 < labels.mean() < 1 else None


def fold_folder(run: Run, fold: int) -> Path:
    """Where a fold is kept."""
    return run.folder / "folds" / str(fold)


def fold_networks(run: Run) -> list[FigureNetwork]:
    """The finished networks of all folds, ready for inference."""
    return [load_weights(run.new_network(), fold_folder(run, fold)) for fold in range(run.fold_count)]


def out_of_fold(run: Run) -> pd.DataFrame:
    """What every held-out figure's own fold said of it, in the order of the run's figures."""
    parts = [pd.read_parquet(fold_folder(run, fold) / PREDICTIONS) for fold in range(run.fold_count)]
    return pd.concat(parts).set_index("figure_id").loc[run.held_out.table["figure_id"]].reset_index()


def _write_predictions(run: Run, fold: int, rows: NDArray[np.int64], outputs: dict[int, Outputs]) -> None:
    columns: dict[str, Any] = {"figure_id": run.figures.table["figure_id"].to_numpy()[rows], "fold": fold}
    for views, heads in outputs.items():
        for name, logits in heads.items():
            if name != "embedding":
                columns |= {f"{name}_{index}_views{views}": logits[:, index] for index in range(logits.shape[1])}
    write_table(pd.DataFrame(columns), fold_folder(run, fold) / PREDICTIONS)
