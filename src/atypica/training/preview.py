"""A picture of what a network will see: figures as at inference, and as training shows them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from atypica.data.figures import Figures
from atypica.models.stains import densities
from atypica.models.stem import enlarged_center
from atypica.training.augment import Augmentation
from atypica.training.crops import CropStore
from atypica.training.module import mixup
from atypica.training.recipe import Recipe
from atypica.training.run import training_figures
from atypica.training.sampling import derive_seed

GAP = 4
WHITE = 255


def preview(recipe: Recipe, source: Figures, count: int = 8, views: int = 7) -> NDArray[np.uint8]:
    """A grid: a row a figure; first as the network sees it at inference, then `views` training views of it.

    After the first stand what the network is given beside it: the enlarged center, the densities of the stains in grey.

    Args:
        recipe: its geometry and augmentation.
        source: where the figures are; AMF and NMF are shown by turns.
        count, views: rows, and views in each.

    Returns:
        RGB, (rows * (S + 4) - 4, columns * (S + 4) - 4, 3), S the recipe's `geometry.size_px`.
    """
    figures = training_figures(source, recipe)
    chosen = figures.where(np.isin(np.arange(len(figures)), by_turns(figures.labels, count, recipe.seed)))
    store = CropStore.load(chosen, recipe.geometry, recipe.stain_reference)
    augment = Augmentation(recipe.augment, store.kept, store.seen)
    plain = store.plain(np.arange(len(store)))
    columns = [plain, *_beside(plain, recipe)]
    for view in range(views):
        seed = derive_seed(recipe.seed, view)
        seen = augment(store.pixels, Generator().manual_seed(seed))
        columns.append(mixup(seen, {}, recipe.training.mixup, seed)[0] if recipe.training.mixup else seen)
    return grid(torch.stack(columns, 1))


def _beside(crops: Tensor, recipe: Recipe) -> list[Tensor]:
    """The further inputs of a recipe, (n, 3, S, S) each."""
    found: list[Tensor] = []
    if recipe.input.inner_um:
        found.append(enlarged_center(crops, recipe.input.inner_um / recipe.geometry.field_um))
    if recipe.input.hed:
        found += [(1 - stain).clamp(0, 1).expand(-1, 3, -1, -1) for stain in densities(crops).split(1, 1)]
    return found


def by_turns(labels: NDArray[np.float64], count: int, seed: int) -> NDArray[np.int64]:
    """Row numbers of up to `count` figures, half of them AMF where there are so many."""
    order = np.random.default_rng(seed).permutation(len(labels))
    sides = [order[labels[order] == side][: (count + side) // 2] for side in (0, 1)]
    return np.concatenate([*sides, np.setdiff1d(order, np.concatenate(sides))])[:count]


def grid(crops: Tensor) -> NDArray[np.uint8]:
    """RGB in 0..1, (rows, columns, 3, S, S) -> one picture with white gaps."""
    rows, columns, _, size, _ = crops.shape
    picture = np.full((rows * (size + GAP) - GAP, columns * (size + GAP) - GAP, 3), WHITE, dtype=np.uint8)
    tiles = (crops.clamp(0, 1) * WHITE).round().byte().permute(0, 1, 3, 4, 2).numpy()
    for row in range(rows):
        for column in range(columns):
            top, left = row * (size + GAP), column * (size + GAP)
            picture[top : top + size, left : left + size] = tiles[row, column]
    return picture
