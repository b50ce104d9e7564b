"""LoRA images a second: our engine, a plain loop with peft as public scripts have it, and forward and backward alone.

    python benchmarks/lora_throughput.py --backbone vit_tiny_patch16_224 --size-px 112 --batches 4 --repeats 3

All three train the same adapters (rank 8 in qkv, proj, fc1 and fc2 of every block, dropout 0.3) in the same ViT with
random weights, in batches of 8; what each way is, and how they take turns, stands in `train_throughput`.

On a GPU, at the size of the foundation models (this has not been run on one; `--threads` does not matter there):

    python benchmarks/lora_throughput.py --backbone vit_huge_patch14_224 --size-px 224 --precision bf16-mixed \\
        --batches 50 --repeats 5 --workers 8

Then the peak of the memory that PyTorch allocated is printed as well, for the engine and for the plain loop, beside
the estimate that `atypica train` gives.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import timm
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from train_throughput import DEVICE, compare, engine, new_network, parser_of, plain, recipe_of, report

from atypica.data.drawn import draw_figures
from atypica.data.sources import open_source
from atypica.training.crops import CropStore
from atypica.training.footprint import estimate, in_words
from atypica.training.recipe import Recipe

TARGETS = r".*blocks\..*\.(qkv|proj|fc1|fc2)"


def peft_network(recipe: Recipe) -> nn.Module:
    """As scripts write it: timm's ViT with one logit, peft around it, the head trained as well."""
    size, lora = recipe.geometry.size_px, recipe.model.lora
    assert lora
    torch.manual_seed(0)
    network = timm.create_model(recipe.model.backbone, pretrained=False, num_classes=1, img_size=size)
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=int(lora.alpha),
        lora_dropout=lora.dropout,
        target_modules=TARGETS,
        modules_to_save=["head"],
    )
    return get_peft_model(network, config)


def peak_memory(recipe: Recipe, batches: int, workers: int) -> None:
    """On a GPU: what the engine and the plain loop allocate at most, and the estimate."""
    with tempfile.TemporaryDirectory() as folder:
        draw_figures(Path(folder), 64, seed=1, amf_rate=0.3)
        figures = open_source(str(Path(folder) / "figures.csv"))
        store = CropStore.load(figures, recipe.geometry)
        ways: dict[str, Callable[[], object]] = {
            "engine": lambda: engine(recipe, figures, store, batches),
            "plain": lambda: plain(peft_network(recipe), recipe, figures, batches, workers),
        }
        for name, way in ways.items():
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            way()
            print(f"{name}: {in_words(torch.cuda.max_memory_allocated())} at the peak")
    print(f"estimated: {estimate(recipe, {'amf': torch.zeros(2, 1)})}")


def trained(network: nn.Module) -> int:
    """Weights that are trained."""
    return sum(weight.numel() for weight in network.parameters() if weight.requires_grad)


def main() -> None:
    """Measure and print."""
    given = parser_of(__doc__.splitlines()[0], "vit_tiny_patch16_224").parse_args()
    recipe = recipe_of(given, "model.lora={}")
    numbers = [trained(network) for network in (new_network(recipe), peft_network(recipe))]
    print(f"trained weights: engine {numbers[0]:,}, plain {numbers[1]:,}")
    report(compare(recipe, given, lambda: peft_network(recipe)), given.batches * given.batch_size)
    if DEVICE.type == "cuda":
        peak_memory(recipe, given.batches, given.workers)


if __name__ == "__main__":
    main()
