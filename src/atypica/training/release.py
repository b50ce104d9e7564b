"""From a finished run to a bundle: distances, graph, card, the check of the export, and the held-out figures."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from atypica.core.errors import TrainingError
from atypica.data.leaks import SAME_PIXELS, SAME_PLACE
from atypica.inference.bundle import WEIGHTS, Bundle, write_bundle
from atypica.inference.card import Card
from atypica.inference.model import Model
from atypica.inference.trained_on import hash_figures
from atypica.models.ensemble import as_one
from atypica.models.lora import merged
from atypica.models.network import FigureNetwork
from atypica.training.card import make_card
from atypica.training.crops import CropStore
from atypica.training.crossval import fold_networks
from atypica.training.distill import student_network
from atypica.training.graph import LARGEST, Deployable, export_graph, largest_differences, stored_bytes
from atypica.training.metrics import short_metrics
from atypica.training.probe.folds import joined_network
from atypica.training.run import Run
from atypica.training.strangeness import StrangenessModel, held_out_distances, measure, quantiles

LARGEST_DIFFERENCE = 0.05
"""Largest difference of the AMF logit between torch and the exported graph that passes (float16 storage)."""
CHECKED = 64


def release(run: Run, store: CropStore) -> dict[str, Any]:
    """Write `RUN/bundle`; returns its metrics and what the check of the exported graph measured.

    Raises:
        TrainingError: the exported graph does not say what the network says.
    """
    return release_networks(run, store, released_networks(run), partial(make_card, run))


def release_networks(
    run: Run, store: CropStore, networks: list[FigureNetwork], card_of: Callable[[list[float]], Card]
) -> dict[str, Any]:
    """The same of given networks.

    Args:
        run: whose folder, figures and recipe.
        store: all its crops.
        networks: that the bundle is made of.
        card_of: the card, from the quantiles of the held-out figures' distances.

    Raises:
        TrainingError: the exported graph does not say what the networks say.
    """
    network = as_one(networks, run.recipe.ensemble)
    statistics = measure(networks[0], store)
    strangeness = StrangenessModel.fit(statistics)
    crops = (store.plain(np.arange(min(CHECKED, len(store)))) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    with weights_file(network, run.folder) as weights:
        graph = export_graph(network, strangeness, run.recipe.geometry.size_px, weights)
        differences = largest_differences(network, strangeness, graph, crops, weights)
        if differences["amf"] > LARGEST_DIFFERENCE:
            raise TrainingError(f"the exported graph differs from the network: {differences}", "report this as a fault")
        card = card_of(quantiles(held_out_distances(statistics, run.folds)))
        trained_on = hash_figures(run.figures) | ((run.start and run.start.trained_on) or frozenset())
        bundle = write_bundle(run.folder / "bundle", graph, card, trained_on, weights)
    tested = _test(bundle, run)
    if tested:
        card = card.model_copy(update={"metrics": {**card.metrics, **tested}})
        write_bundle(bundle.path, graph, card, trained_on, bundle.weights)
    return {**tested, "largest_difference": {name: round(value, 5) for name, value in differences.items()}}


@contextmanager
def weights_file(network: Deployable, folder: Path) -> Generator[Path | None]:
    """Where to write weights that a graph cannot hold, for the length of the block; None where it holds them.

    Args:
        network: to be exported.
        folder: on whose disk there is room.
    """
    if stored_bytes(network) <= LARGEST:
        yield None
        return
    with TemporaryDirectory(dir=folder) as temporary:
        yield Path(temporary) / WEIGHTS


def released_networks(run: Run) -> list[FigureNetwork]:
    """The networks that a bundle is made of, adapters merged: the distilled one, or those of the folds."""
    if run.recipe.probe:
        return [joined_network(run)]
    if run.recipe.distill:
        return [merged(student_network(run))]
    networks = fold_networks(run)
    return [merged(network) for network in (networks[:1] if run.recipe.ensemble == "first" else networks)]


def _test(bundle: Bundle, run: Run) -> dict[str, Any]:
    """The bundle on the figures that the recipe sets aside, one view, by its own threshold.

    Those that train as well, by their pixels or by their place on the slide, do not count; how many is said.
    """
    if run.tested is None:
        return {}
    result = Model(bundle).classify(run.tested)
    pixels = result.predictions["in_training"].eq(True).to_numpy(dtype=bool)
    trained = pixels | run.leaked
    name = f"{run.tested.name}, {run.recipe.split.test_on} split"
    left_out: dict[str, Any] = {}
    if trained.any():
        name += f", without {int(trained.sum()):,} training figures"
        left_out = {"left_out": {SAME_PIXELS: int(pixels.sum()), SAME_PLACE: int((run.leaked & ~pixels).sum())}}
    typed = result.predictions["p_amf"].notna().to_numpy() & ~trained
    if not typed.any():
        return {name: {"figures": 0, **left_out}} if left_out else {}
    metrics = short_metrics(run.tested.where(typed), result.predictions[typed], bundle.card.thresholds.default)
    return {name: {**metrics, **left_out}}
