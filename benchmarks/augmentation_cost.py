"""What each family of augmentation costs, beside a training step of the default network on the same batch.

    python benchmarks/augmentation_cost.py

Processor time of one thread, so that other work on the machine hardly matters. The families are measured on every crop
of the batch, whatever share of them a recipe changes, and with the pose that every crop goes through taken off.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Generator

from atypica.models.network import build_network
from atypica.training.augment import Augmentation
from atypica.training.crops import kept_geometry
from atypica.training.recipe import load_recipe
from atypica.training.settings.augment import AugmentSettings

COUNT = 32
ROUNDS = 3
FAMILIES = {
    "pose": {},
    "resized crop": {"resized_crop": 0.8},
    "stain jitter": {"stain": 0.2, "stain_offset": 0.02},
    "stain mix": {"stain_mix": 1.0},
    "Fourier mix": {"fourier_mix": 1.0},
    "brightness, contrast": {"brightness": 0.1, "contrast": 0.1},
    "saturation": {"saturation": 0.1},
    "hue": {"hue": 0.05},
    **{
        f"{kind} blur": {"blur_um": 0.3, "blur_probability": 1.0, "blur_kinds": (kind,)}
        for kind in ("gaussian", "box", "motion", "median")
    },
    "noise": {"noise": 0.03},
    "JPEG": {"jpeg_probability": 1.0},
    "grid dropout": {"grid_dropout_probability": 1.0},
}


def seconds(work: Callable[[], object]) -> float:
    """The least processor time of a few rounds, after one to warm up."""
    work()
    taken: list[float] = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def main() -> None:
    torch.set_num_threads(1)
    recipe = load_recipe("default")
    seen, kept = recipe.geometry, kept_geometry(recipe.geometry)
    crops = torch.randint(0, 256, (COUNT, 3, kept.size_px, kept.size_px), dtype=torch.uint8)
    network = build_network(recipe.model.backbone, "random", {"amf": 1, "subtype": 8}).train()
    batch = torch.rand(COUNT, 3, seen.size_px, seen.size_px).contiguous(memory_format=torch.channels_last)

    def step() -> None:
        sum(answer.mean() for answer in network(batch).values()).backward()

    training = seconds(step)
    print(f"forward and backward: {COUNT / training:.0f} crops/s")
    settings = {name: AugmentSettings.model_validate(values) for name, values in FAMILIES.items()}
    settings["all of the default recipe"] = recipe.augment
    base = 0.0
    for name, one in settings.items():
        augment = Augmentation(one, kept, seen)
        taken = seconds(lambda augment=augment: augment(crops, Generator().manual_seed(0)))
        base = base or taken
        own = taken if name == "pose" or name.startswith("all") else max(1e-9, taken - base)
        print(f"{name}: {COUNT / own:,.0f} crops/s, {own / training:.1%} of a step")


if __name__ == "__main__":
    main()
