"""How much memory a training step takes, from shapes alone, before anything is paid for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks

from atypica.models.frozen import checkpoint_blocks, figure_networks, inner_backbone
from atypica.models.network import FigureNetwork
from atypica.training.build import outline
from atypica.training.hardware import precision_here
from atypica.training.memory import leaves_holes
from atypica.training.recipe import Recipe
from atypica.training.settings.optimizer import OptimizerName

STATES: dict[OptimizerName, int] = {"adamw": 2, "adam": 2, "adan": 4}
"""Tensors that an optimizer keeps for each weight."""
HALVES: dict[str, torch.dtype] = {"bf16-true": torch.bfloat16, "16-true": torch.float16}
"""Precisions of which every number has two bytes."""
HOLES, HOLES_OF_ADAPTERS = 0.15, 0.7
"""Over the activations: measured on a processor with glibc 2.36, not derived (`memory.leaves_holes`)."""


@dataclass(frozen=True)
class Footprint:
    """Bytes at the peak of a training step.

    Attributes:
        weights: of the network, and of the averaged copy of what is trained.
        gradients: of what is trained.
        optimizer: its state.
        activations: what the forward pass keeps for the way back, of one batch.
        holes: what the process holds and cannot use, on a processor whose C library leaves it so.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    holes: int = 0

    @property
    def total(self) -> int:
        """All of them; the loader, the crops and the libraries come on top."""
        return self.tensors + self.holes

    @property
    def tensors(self) -> int:
        """What PyTorch asks for."""
        return self.weights + self.gradients + self.optimizer + self.activations

    def __str__(self) -> str:
        sizes = {name: getattr(self, name) for name in self.__dataclass_fields__}
        parts = [f"{name} {in_words(size)}" for name, size in sizes.items() if size or name != "holes"]
        return f"{in_words(self.total)} ({', '.join(parts)})"


def memory_line(recipe: Recipe, targets: Mapping[str, Tensor], free: int | None) -> str:
    """What to tell before a training: the estimate, and what to set where it is more than there is.

    Args:
        recipe: of the training.
        targets: of every head.
        free: bytes that the device has; None where it does not say.
    """
    try:
        found = estimate(recipe, targets)
    except Exception as error:  # a network may well train whose shapes alone cannot be passed through
        return f"memory of a step: not known ({(str(error).splitlines() or [type(error).__name__])[0]})"
    line = f"memory of a step, estimated: {found}"
    if free is None or found.total <= free:
        return line
    return f"{line}, and {in_words(free)} are free: it may not fit; try {', '.join(_savings(recipe))}"


def _savings(recipe: Recipe) -> list[str]:
    training = recipe.training
    half = max(2, training.batch_size // 2)
    fewer = f"training.batch_size={half} training.accumulate={training.accumulate * training.batch_size // half}"
    return [
        *([] if training.gradient_checkpointing else ["training.gradient_checkpointing=true"]),
        *([fewer] if half < training.batch_size else []),
        *([] if "16" in training.precision else ["training.precision=bf16-mixed"]),
        *([] if recipe.model.is_frozen else ["model.lora={}"]),
    ] or ["a smaller model.backbone"]


def in_words(size: int) -> str:
    """Bytes for a person.

    >>> in_words(3 * 2**30), in_words(40_000_000)
    ('3.0 GiB', '38 MiB')
    """
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def estimate(recipe: Recipe, targets: Mapping[str, Tensor]) -> Footprint:
    """The footprint of a recipe's training step; builds the network without memory and without its weights.

    With p all weights, t those that are trained, s bytes a number (4; 2 in a `-true` half precision), k the tensors
    that the optimizer keeps for each weight:

        s (p + t) + s t + k s t + activations

    The activations are the tensors that autograd keeps of one batch, counted in a pass over shapes. With gradient
    checkpointing they are those that it then keeps, and those of one block. On a processor, in whose precision all is
    counted, an older C library adds a share of them (`HOLES`).

    Args:
        recipe: of the training.
        targets: of every head.

    Raises:
        SettingsError: as `first_network`.
    """
    network = outline(recipe, targets).train()
    size = 2 if recipe.training.precision in HALVES else 4
    every = size * _numbers(network.state_dict().values())
    trained = size * _numbers(weight for weight in network.parameters() if weight.requires_grad)
    activations = _activations(network, recipe)
    return Footprint(
        weights=every + trained,
        gradients=trained,
        optimizer=STATES[recipe.optimizer.name] * trained,
        activations=activations,
        holes=int(_share_of_holes(recipe) * activations),
    )


def _share_of_holes(recipe: Recipe) -> float:
    """None where every block goes back to the kernel (`memory.return_freed_memory`), or where a GPU computes."""
    if recipe.training.gradient_checkpointing or torch.accelerator.is_available() or not leaves_holes():
        return 0.0
    return HOLES_OF_ADAPTERS if recipe.model.lora else HOLES


def _numbers(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors)


def _activations(network: FigureNetwork, recipe: Recipe) -> int:
    plain = _kept(network, recipe)
    if not recipe.training.gradient_checkpointing:
        return plain
    blocks = [len(getattr(inner_backbone(part.backbone), "blocks", [0])) for part in figure_networks(network)]
    checkpoint_blocks(network)
    return _kept(network, recipe) + plain // sum(blocks)


def _kept(network: FigureNetwork, recipe: Recipe) -> int:
    """Bytes that autograd keeps of a forward pass beside the weights."""
    storages: dict[int, int] = {}
    precision, side = precision_here(recipe.training.precision), recipe.geometry.size_px

    def count(tensor: Tensor) -> Tensor:
        storages.setdefault(_place(tensor), tensor.untyped_storage().nbytes())
        return tensor

    with FakeTensorMode(allow_non_fake_inputs=True):
        state = {name: _unreal(weight, precision) for name, weight in _tensors(network)}
        crops = torch.empty(recipe.training.batch_size, 3, side, side, dtype=HALVES.get(precision, torch.float32))
        half = torch.autocast("cpu", torch.bfloat16) if precision.endswith("-mixed") else nullcontext()
        with half, saved_tensors_hooks(count, lambda tensor: tensor):
            answers: Any = torch.func.functional_call(network, state, (crops,))
            del answers
        own = {_place(weight) for weight in state.values()}
    return sum(size for storage, size in storages.items() if storage not in own)


def _place(tensor: Tensor) -> int:
    """What tensors on one storage share, and a storage without values has as well."""
    return tensor.untyped_storage()._cdata  # pyright: ignore[reportPrivateUsage]


def _tensors(network: nn.Module) -> list[tuple[str, Tensor]]:
    return [*network.named_parameters(), *network.named_buffers()]


def _unreal(weight: Tensor, precision: str) -> Tensor:
    kind = HALVES.get(precision, weight.dtype) if weight.is_floating_point() else weight.dtype
    return torch.empty(weight.shape, dtype=kind, requires_grad=weight.requires_grad)
