"""The folds of a run whose recipe is a probe: embedded once, solved together, kept like trained ones."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from atypica.core.errors import SettingsError
from atypica.core.files import atomic_path
from atypica.data.splits import kfold
from atypica.models.network import FigureNetwork
from atypica.training.fold import fold_folder, held_out_rows, keep_predictions
from atypica.training.objective import trained_heads
from atypica.training.predict import Outputs
from atypica.training.probe.features import FrozenFeatures, probe_outputs
from atypica.training.probe.heads import Probe, fill, joined, read_probe
from atypica.training.probe.nested import Chosen, Fold, solve_folds, solver
from atypica.training.probe.published import Stopped, train_by_steps
from atypica.training.recipe import Recipe
from atypica.training.run import Run
from atypica.training.sampling import batches_of, derive_seed
from atypica.training.settings.probe import ProbeSettings

FILE = "probe.safetensors"


class ProbeFolds:
    """Solves folds, all of them in the moment that the first one is asked for.

    Args:
        run: its recipe has a section `probe`.
        folds: which.
        views: by how many views the held-out figures are predicted; more than `probe.views` are left out.
    """

    def __init__(self, run: Run, folds: Sequence[int], views: Sequence[int]) -> None:
        self._run = run
        self._folds = list(folds)
        self._views = [count for count in views if count <= self._probe.views] or [1]

    def train(self, fold: int, recipe: Recipe) -> dict[str, Any]:
        """Solve a fold, and keep it and what it says of its held-out figures; `recipe` is what a retry changed.

        Returns:
            Its metrics, as of a trained fold.
        """
        stopped = self._stepped(fold, recipe) if self._probe.as_published else None
        chosen = None if stopped else self._solved[fold]
        probe = stopped.probe if stopped else self._solved[fold].probe
        write_probe(probe, fold_folder(self._run, fold))
        features = self._features[held_out_rows(self._run, fold)]
        outputs: dict[int, Outputs] = {
            count: probe_outputs(self._run, probe, features[:, :count]) for count in self._views
        }
        metrics, collapse = keep_predictions(self._run, fold, outputs)
        # What is solved has not collapsed: the features say no more.
        return {**metrics, **_how(chosen, stopped), **(collapse if stopped else {})}

    @property
    def _probe(self) -> ProbeSettings:
        return probe_settings(self._run)

    @cached_property
    def _features(self) -> NDArray[np.float32]:
        return FrozenFeatures(self._run).of(self._run.figures, self._probe.views)

    @cached_property
    def _targets(self) -> NDArray[np.float64]:
        (head,) = trained_heads(self._run.recipe.heads, self._run.targets.heads)
        return self._run.targets.heads[head].double().numpy()

    @cached_property
    def _solved(self) -> dict[int, Chosen]:
        recipe = self._run.recipe
        solve = solver(self._probe.kind, recipe.heads.hidden, recipe.seed)
        inside = [inner_folds(self._run, fold) for fold in self._folds]
        found = solve_folds(self._features, self._targets, inside, self._probe.candidates, solve)
        return dict(zip(self._folds, found, strict=True))

    def _stepped(self, fold: int, recipe: Recipe) -> Stopped:
        run, trained, held_out = self._run, self._run.folds != fold, held_out_rows(self._run, fold)
        seed = derive_seed(recipe.seed, fold)
        features = self._features[:, 0]
        return train_by_steps(
            features[trained],
            self._targets[trained],
            batches_of(run.figures.where(trained), recipe, seed),
            (features[held_out], run.figures.labels[held_out]),
            recipe,
            seed,
        )


def inner_folds(run: Run, fold: int) -> Fold:
    """The parts of a fold's training figures that are left out in turn to choose by; no case is cut."""
    probe, trained = probe_settings(run), run.folds != fold
    figures, split = run.figures.where(trained), run.recipe.split
    parts = np.full(len(run.figures), -1, dtype=np.int64)
    parts[trained] = kfold(figures, probe.inner_folds, run.recipe.seed, split.stratify, split.unit)
    count = 1 if probe.kind == "mlp" else probe.inner_folds
    return Fold(trained, [parts == part for part in range(count if len(probe.candidates) > 1 else 0)])


def _how(chosen: Chosen | None, stopped: Stopped | None) -> dict[str, Any]:
    if stopped:
        return {"epochs": stopped.epochs, "kept_epoch": stopped.kept_epoch, "kept_by": "best_balanced_accuracy"}
    assert chosen
    return {"penalty": chosen.penalty, "inner_log_loss": round(min(chosen.losses.values()), 4)}


def probe_settings(run: Run) -> ProbeSettings:
    """The section of a run whose recipe is a probe."""
    assert run.recipe.probe
    return run.recipe.probe


def write_probe(probe: Probe, folder: Path) -> None:
    """Keep a probe alone: the backbone's weights are where they came from."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / FILE) as temporary:
        save_file(probe.tensors(), temporary)


def fold_probes(run: Run) -> list[Probe]:
    """The finished probes of all folds."""
    return [read_probe(load_file(fold_folder(run, fold) / FILE)) for fold in range(run.fold_count)]


def check_exportable(recipe: Recipe) -> None:
    """Refuse a bundle of what is no network, before any work.

    Raises:
        SettingsError: nearest neighbors, which are the training figures themselves.
    """
    if recipe.probe and recipe.probe.kind == "knn":
        raise SettingsError(
            "nearest neighbors are the training figures themselves, which a model bundle cannot hold",
            "set probe.kind=logistic, or score them with 'atypica probe --kind knn'",
        )


def probe_networks(run: Run) -> list[FigureNetwork]:
    """The networks of all folds, ready for inference; they share one backbone."""
    network = run.new_network()
    shared = {id(network.backbone): network.backbone}
    return [fill(copy.deepcopy(network, dict(shared)), probe) for probe in fold_probes(run)]


def joined_network(run: Run) -> FigureNetwork:
    """One network for all folds: its head gives the mean of the logits that theirs are trained on."""
    probes = fold_probes(run)
    return fill(run.new_network(), probes[0] if run.recipe.ensemble == "first" else joined(probes))
