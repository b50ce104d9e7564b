"""A run: one recipe on one set of figures in one folder. Every finished step is kept; the rest is resumed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atypica.core.errors import SettingsError, SourceError
from atypica.core.files import sha256_bytes, write_text
from atypica.data.figures import Figures
from atypica.data.leaks import at_the_same_place
from atypica.data.splits import Unit, holdout, kfold, leave_one_out, split_hash
from atypica.inference.bundle import Bundle
from atypica.models.heads import HEADS
from atypica.models.lora import check_peft
from atypica.models.network import FigureNetwork
from atypica.training.build import first_network
from atypica.training.crops import CropStore
from atypica.training.hardware import ONE_DEVICE, Hardware, is_first, of_first, wait
from atypica.training.ledger import Ledger
from atypica.training.loggers import check_logger
from atypica.training.objective import trained_heads
from atypica.training.recipe import Recipe, load_recipe
from atypica.training.start import starting_bundle
from atypica.training.targets import Targets

Watch = Callable[[int, int, Mapping[str, float]], None]
"""Told fold, epoch (both from 0) and metrics on the held-out figures; may end the training by an error."""


@dataclass(frozen=True)
class Run:
    """What all steps of a run share.

    Attributes:
        folder: RUN/.
        recipe: resolved.
        figures: those that train, or are held out to judge by.
        tested: those set aside to report on; None where the source names none.
        folds: the fold of each figure, in which it is held out; -1 for one that never is.
        split_hash: of the figures and their folds.
        data_hash: of these and of what the figures teach (not of their pixels).
        targets: of every figure.
        ledger: what is finished.
        start: the bundle whose weights the networks go on from; None where they start from the backbone's.
        hardware: what trains.
        watch: called after every epoch of a fold, which is then validated even if the recipe does not ask for it.
    """

    folder: Path
    recipe: Recipe
    figures: Figures
    tested: Figures | None
    folds: NDArray[np.int64]
    split_hash: str
    data_hash: str
    targets: Targets
    ledger: Ledger
    start: Bundle | None = None
    hardware: Hardware = ONE_DEVICE
    watch: Watch | None = None

    @classmethod
    def open(cls, folder: Path, recipe: Recipe, source: Figures, hardware: Hardware = ONE_DEVICE) -> Run:
        """Start a run in an empty folder, or take up the one that lies there.

        Raises:
            SettingsError: the folder holds a run of another recipe, or the bundle to go on from sees another field.
            BundleError: there is no such bundle.
            MissingExtraError: the package of the recipe's logger or adapters is not installed.
            SourceError: no figures to train on, without labels or cases, or a case in training and test or held out.
        """
        check_logger(recipe.training.logger)
        if recipe.model.lora:
            check_peft()
        start = starting_bundle(recipe)
        figures, tested = training_figures(source, recipe), test_figures(source, recipe)
        if tested is not None:
            _check_apart(figures, tested, recipe.split.unit)
        folds = assign_folds(figures, recipe)
        split = split_hash(figures.table["figure_id"].tolist(), folds)
        heads = recipe.heads
        targets = Targets.of(
            figures, recipe.training.soft_labels, heads.subtype_expert, hardness=heads.kind == "hardness"
        )
        trained_heads(heads, targets.heads)
        _claim(folder, recipe)
        data = _data_hash(split, targets, start)
        ledger = Ledger(folder / "ledger.jsonl", data)
        return cls(folder, recipe, figures, tested, folds, split, data, targets, ledger, start, hardware)

    def load_crops(self) -> CropStore:
        """Read all training crops into memory."""
        return self.read_crops(self.figures)

    def read_crops(self, figures: Figures) -> CropStore:
        """Read the crops of any figures as this run's networks see them."""
        return CropStore.load(figures, self.recipe.geometry, self.recipe.stain_reference)

    def new_network(self, seed: int = 0) -> FigureNetwork:
        """A network as a fold starts with; `seed` decides the weights that are not pretrained."""
        return first_network(self.recipe, self.targets.heads, self.start, seed)

    @property
    def fold_count(self) -> int:
        """How many folds there are."""
        return int(self.folds.max()) + 1

    @property
    def is_trained(self) -> bool:
        """Whether every fold is finished."""
        return all(self.ledger.find(f"fold {fold}", self.recipe.fold_hash) for fold in range(self.fold_count))

    @property
    def is_held_out(self) -> NDArray[np.bool_]:
        """Which figures are held out in a fold, (figures,): all of them, but for a fixed part."""
        return self.folds >= 0

    @property
    def held_out(self) -> Figures:
        """The figures that some network has not seen, in the order of `figures`."""
        return self.figures.where(self.is_held_out)

    @cached_property
    def leaked(self) -> NDArray[np.bool_]:
        """Which of `tested` lie where one of `figures` lies (same slide, within 5 micrometers): they must not count."""
        return np.zeros(0, dtype=bool) if self.tested is None else at_the_same_place(self.tested, self.figures)

    @property
    def head_sizes(self) -> dict[str, int]:
        """What the network answers: the heads that the recipe trains and what follows from them, with their logits."""
        heads = self.recipe.heads
        return HEADS[heads.kind](trained_heads(heads, self.targets.heads)).sizes

    def once(self, step: str, recipe: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Do a step and keep its metrics in the ledger, or return what the ledger has.

        Args:
            step: its name.
            recipe: the hash of the settings that it depends on.
            work: does the step and returns its metrics.
        """
        finished = self.ledger.find(step, recipe)
        return finished["metrics"] if finished else self.record(step, recipe, work)

    def record(self, step: str, recipe: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Do a step, whatever the ledger has, and keep its metrics."""
        started = time.monotonic()
        metrics = work()
        return self.keep(step, recipe, metrics, time.monotonic() - started)

    def keep(self, step: str, recipe: str, metrics: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Add the line of a step that took so long; of several processes that did it the first one's metrics count."""
        metrics = of_first(metrics)
        if is_first():
            self.ledger.add(step, recipe, seed=self.recipe.seed, seconds=seconds, metrics=metrics)
        wait()
        return metrics


def assign_folds(figures: Figures, recipe: Recipe) -> NDArray[np.int64]:
    """The fold of each figure: of whole cases, of the values of a column, or 0 for what is held out once and -1 else.

    Raises:
        SourceError: the figures cannot be folded so, or a case is on both sides of what is held out once.
    """
    split = recipe.split
    if split.held_out:
        return _one_fold(figures, split.held_out, split.unit)
    if split.by:
        return np.unique(leave_one_out(figures, split.by), return_inverse=True)[1].astype(np.int64)
    return np.asarray(kfold(figures, split.folds, recipe.seed, split.stratify, split.unit))


def _one_fold(figures: Figures, part: str, unit: Unit) -> NDArray[np.int64]:
    inside = (figures.table["split"] == part).to_numpy() if "split" in figures.table else np.zeros(len(figures), bool)
    if inside.all() or not inside.any():
        found = "no figures" if not inside.any() else "no figures but those"
        raise SourceError(
            f"{figures.name} has {found} of split '{part}'", "check split.held_out, or set split.shares=[70,15,15]"
        )
    if unit == "case":
        _refuse_shared(figures.where(~inside), figures.where(inside), f"trained on and in '{part}'")
    return np.where(inside, 0, -1).astype(np.int64)


def with_shares(source: Figures, recipe: Recipe) -> Figures:
    """The source with the recipe's own split, if it has one, in place of its column `split`.

    Every dataset of the source (column `dataset`) is split in these shares.

    Raises:
        SourceError: the source cannot be split so.
    """
    split = recipe.split
    if not split.shares:
        return source
    within = "dataset" if "dataset" in source.table else ""
    parts = holdout(source, split.shares, recipe.seed, split.stratify, split.unit, within)
    return replace(source, table=source.table.assign(split=parts))


def training_figures(source: Figures, recipe: Recipe) -> Figures:
    """The figures of a source that a recipe trains on, those included that it holds out to judge by.

    Raises:
        SourceError: the source has no such part.
    """
    part = recipe.split.train_on
    if part == "all":
        return with_shares(source, recipe) if recipe.split.held_out else source
    source = with_shares(source, recipe)
    if "split" not in source.table:
        raise SourceError(
            f"{source.name} has no column 'split', and the recipe trains on '{part}' only",
            "add the column, or train on everything with split.train_on=all",
        )
    chosen = source.where(source.table["split"].isin(recipe.split.parts).to_numpy())
    if not len(chosen):
        raise SourceError(f"{source.name} has no figures of split '{part}'", "check split.train_on")
    return chosen


def test_figures(source: Figures, recipe: Recipe) -> Figures | None:
    """The figures that a recipe sets aside to report on, if the source has a `split` column that names them."""
    source = with_shares(source, recipe)
    if "split" not in source.table or recipe.split.train_on == "all":
        return None
    chosen = source.where((source.table["split"] == recipe.split.test_on).to_numpy())
    return chosen if len(chosen) else None


def _check_apart(figures: Figures, tested: Figures, unit: Unit) -> None:
    """Before hours of training, not after them."""
    if unit == "case":
        _refuse_shared(figures, tested, "in training and in test")
    if at_the_same_place(tested, figures).all():
        raise SourceError(
            f"all {len(tested):,} test figures lie where figures that train lie (same slide, x and y)",
            "mend the column 'split', or train on other figures",
        )
    if np.isnan(tested.labels).any():
        raise SourceError("some test figures have no label", "fill the column 'label', or blank their 'split'")


def _refuse_shared(some: Figures, others: Figures, where: str) -> None:
    shared = sorted(set(some.cases) & set(others.cases))
    if shared:
        raise SourceError(
            f"{len(shared)} cases are {where}, first {shared[0]}",
            "mend the column 'split' (atypica data split never cuts a case)",
        )


def _data_hash(split: str, targets: Targets, start: Bundle | None) -> str:
    parts = [split.encode(), *(values.numpy().tobytes() for values in targets.heads.values())]
    if start:
        parts.append(start.card.onnx_sha256.encode())
    return sha256_bytes(b"".join(parts))[:16]


def _claim(folder: Path, recipe: Recipe) -> None:
    path = folder / "recipe.yaml"
    if path.is_file() and load_recipe(str(path)).fold_hash != recipe.fold_hash:
        raise SettingsError(f"{folder} holds a run of another recipe", "choose another --out, or the same settings")
    write_text(path, recipe.to_yaml())
