"""Going on from a bundle: its weights as the first weights of a training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from atypica.core.errors import SettingsError
from atypica.inference.bundle import DEFAULT_BUNDLE, Bundle, read_bundle
from atypica.models.heads import HEADS
from atypica.models.network import FigureNetwork
from atypica.training.graph import stored_weights
from atypica.training.recipe import Recipe

SHIPPED = "default"
"""The bundle that comes with atypica, where a path is expected."""


def starting_bundle(recipe: Recipe) -> Bundle | None:
    """The bundle that a recipe goes on from, None where it names none.

    Raises:
        BundleError: there is no such bundle.
        SettingsError: it is int8, sees another field of view than the recipe, or holds several networks.
    """
    name = recipe.model.start_from
    if not name:
        return None
    bundle = read_bundle(DEFAULT_BUNDLE if name == SHIPPED else Path(name))
    if bundle.card.quantization:
        raise SettingsError(f"the bundle {name} is int8, which cannot be trained", "go on from its float32 bundle")
    seen = bundle.card.geometry
    if seen != recipe.geometry:
        wanted = f"geometry.field_um={seen.field_um:g} geometry.size_px={seen.size_px}"
        raise SettingsError(f"the bundle {name} sees another field of view than the recipe", f"add {wanted}")
    if any(weight.startswith("networks.") for weight in stored_weights(bundle.onnx, bundle.weights)):
        raise SettingsError(
            f"the bundle {name} holds an ensemble of networks, and a training goes on from one",
            "train that run again with a section 'distill' (its folds are kept), or with ensemble=first",
        )
    return bundle


def go_on_from(bundle: Bundle, network: FigureNetwork) -> FigureNetwork:
    """Fill a network with a bundle's weights, of float16 precision.

    A head that the bundle does not have, or with other logits (the votes of more experts, say), keeps its new weights.

    Raises:
        SettingsError: the bundle is of another network.
    """
    stored, state = stored_weights(bundle.onnx, bundle.weights), network.state_dict()
    for name in ("head.weight", "head.bias"):
        if name in stored:
            stored[name] = _merged(state[name], stored[name], network.heads.trained, _trained_heads(bundle))
    wanted = [key for key in state if not key.endswith("num_batches_tracked") and key not in {"mean", "std"}]
    misfits = [key for key in wanted if key not in stored or stored[key].shape != state[key].shape]
    if misfits:
        backbone = bundle.card.recipe.get("model", {}).get("backbone", "another one")
        raise SettingsError(
            f"{len(misfits)} weights of the recipe's network are not in {bundle.path}, first {misfits[0]}",
            f"take the recipe that made the bundle (backbone {backbone})",
        )
    network.load_state_dict({**state, **{key: stored[key] for key in wanted}})
    return network


def _trained_heads(bundle: Bundle) -> dict[str, int]:
    kind = bundle.card.recipe.get("heads", {}).get("kind", "separate")
    derived = HEADS[kind].derived if kind in HEADS else ()
    return {name: len(meanings) for name, meanings in bundle.card.heads.items() if name not in derived}


def _merged(new: Tensor, old: Tensor, heads: Mapping[str, int], known: Mapping[str, int]) -> Tensor:
    """The rows of `new` (one a logit), with those of `old` in the heads that both have alike."""
    if len(old) != sum(known.values()) or old.shape[1:] != new.shape[1:]:
        return old
    parts = dict(zip(known, old.split(list(known.values())), strict=True))
    merged, start = new.clone(), 0
    for name, size in heads.items():
        if known.get(name) == size:
            merged[start : start + size] = parts[name]
        start += size
    return merged
