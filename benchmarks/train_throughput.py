"""Training images a second: our engine, a plain PyTorch loop as public scripts have it, and the network alone.

    python benchmarks/train_throughput.py --batches 12 --repeats 5 --threads 1

All three train the same network on the same 128 x 128 PNG files, with flips, rotation and color jitter:

- engine: `fit` as `atypica train` calls it, crops in memory, augmented as whole batches;
- plain: every image opened by PIL and changed by torchvision, one by one, batches of 8 by a DataLoader in this process;
- bare: forward and backward on tensors that are ready, in channels-last order; no data, no optimizer.

Repetitions take turns, so that what else runs on the machine meets all alike; medians are reported, by the wall clock
and by processor time. On a GPU also the share of the time in which the network waits, and the share of the peak (give
--peak-tflops, --backbone, --precision bf16-mixed); that part has not been run on one.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode
from torchvision import transforms

from atypica.data.drawn import draw_figures
from atypica.data.figures import Figures
from atypica.data.sources import open_source
from atypica.models.network import FigureNetwork
from atypica.training.build import first_network
from atypica.training.crops import CropStore
from atypica.training.fit import fit
from atypica.training.hardware import precision_here
from atypica.training.memory import keep_freed_memory
from atypica.training.module import FigureModule
from atypica.training.recipe import Recipe, load_recipe
from atypica.training.sampling import batches_of
from atypica.training.targets import Targets

WARM = 3
"""Batches before the clock starts."""
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Took:
    """Seconds for some batches, by the wall clock and of the processor."""

    wall: float
    processor: float


class Clock:
    """Starts after `WARM` batches, stops after `batches` more."""

    def __init__(self, batches: int) -> None:
        self._wanted = {WARM: "start", WARM + batches: "end"}
        self.seen = 0
        self._at: dict[str, tuple[float, float]] = {}

    def tick(self) -> None:
        """After every batch."""
        self.seen += 1
        if name := self._wanted.get(self.seen):
            if DEVICE.type == "cuda":
                torch.cuda.synchronize()
            self._at[name] = (time.perf_counter(), time.process_time())

    @property
    def took(self) -> Took:
        """Between start and end."""
        return Took(*(end - start for start, end in zip(self._at["start"], self._at["end"], strict=True)))


class TimedModule(FigureModule):
    """The engine's module, watched."""

    clock: Clock

    def on_train_batch_end(self, outputs: object, batch: object, batch_idx: int) -> None:
        super().on_train_batch_end(outputs, batch, batch_idx)
        self.clock.tick()


def engine(recipe: Recipe, figures: Figures, store: CropStore, batches: int) -> Took:
    """`fit` for one epoch."""
    module = TimedModule(new_network(recipe), store, Targets.of(figures, False), recipe, lr=1e-4, epochs=1, seed=0)
    module.clock = Clock(batches)
    with tempfile.TemporaryDirectory() as folder:
        fit(module, batches_of(figures, recipe, 0), Path(folder), 1, "speed")
    return module.clock.took


class Files(Dataset[tuple[Tensor, Tensor]]):
    """Images opened and changed one by one."""

    def __init__(self, figures: Figures, size_px: int) -> None:
        self._paths = [figures.root / name for name in figures.table["image"]]
        self._labels = torch.from_numpy(figures.labels).float()
        self._change = transforms.Compose(
            [
                transforms.Resize((size_px, size_px)),
                transforms.RandomHorizontalFlip(),
                transforms.RandomVerticalFlip(),
                transforms.RandomRotation(10),
                transforms.ColorJitter(brightness=0.2, contrast=0.3, saturation=0.1),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ]
        )

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        return self._change(Image.open(self._paths[row]).convert("RGB")), self._labels[row]


def plain(network: nn.Module, recipe: Recipe, figures: Figures, batches: int, workers: int) -> Took:
    """The loop of the public scripts, on a network that gives the answers of ours or one logit, (N, 1)."""
    network = network.to(DEVICE).train()
    optimizer = torch.optim.AdamW([weight for weight in network.parameters() if weight.requires_grad], lr=1e-4)
    size = recipe.training.batch_size
    loader = DataLoader(
        Files(figures, recipe.geometry.size_px), size, shuffle=True, drop_last=True, num_workers=workers
    )
    clock = Clock(batches)
    for images, labels in _endless(loader):
        optimizer.zero_grad()
        with autocast(recipe):
            loss = loss_of(network, images.to(DEVICE), labels.to(DEVICE))
        loss.backward()
        optimizer.step()
        loss.item()
        clock.tick()
        if clock.seen == WARM + batches:
            return clock.took
    raise AssertionError


def bare(recipe: Recipe, batches: int) -> Took:
    """Forward and backward alone."""
    network = new_network(recipe).to(DEVICE, memory_format=torch.channels_last).train()
    size = recipe.training.batch_size
    images, labels = ready(recipe), (torch.arange(size) % 2).float().to(DEVICE)
    clock = Clock(batches)
    for _ in range(WARM + batches):
        network.zero_grad()
        with autocast(recipe):
            loss = loss_of(network, images, labels)
        loss.backward()
        clock.tick()
    return clock.took


def ready(recipe: Recipe) -> Tensor:
    """A batch of RGB in 0..1."""
    side = recipe.geometry.size_px
    images = torch.rand(recipe.training.batch_size, 3, side, side, device=DEVICE)
    return images.contiguous(memory_format=torch.channels_last)


def loss_of(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy of the one logit."""
    said = network(images)
    logits = said["amf"] if isinstance(said, dict) else said
    return nn.functional.binary_cross_entropy_with_logits(logits[:, 0], labels)


def autocast(recipe: Recipe) -> torch.autocast:
    """As the engine's precision."""
    return torch.autocast(DEVICE.type, torch.bfloat16, enabled="bf16" in precision_here(recipe.training.precision))


def new_network(recipe: Recipe) -> FigureNetwork:
    """With random weights, which cost as much as others, and the recipe's adapters."""
    return first_network(recipe, {"amf": torch.zeros(2, 1)})


def _endless(loader: DataLoader[tuple[Tensor, Tensor]]) -> Iterator[list[Tensor]]:
    while True:
        yield from loader


def parser_of(what: str, backbone: str) -> argparse.ArgumentParser:
    """What may be asked for."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--backbone", default=backbone)
    parser.add_argument("--size-px", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--batches", type=int, default=12, help="timed ones, of each repetition")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0, help="processes of the plain loop's DataLoader")
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--peak-tflops", type=float, default=0.0, help="of the GPU, in the precision that is used")
    return parser


def recipe_of(given: argparse.Namespace, *more: str) -> Recipe:
    """One head, one epoch, and nothing but steps."""
    return load_recipe(
        "kotte2025",
        [
            f"model.backbone={given.backbone}", "model.weights=random", "model.dropout=0",
            f"geometry.size_px={given.size_px}",
            "heads.kind=separate", "heads.hidden=0", "heads.votes=0", "heads.disagreement=0", "loss.name=bce",
            f"training.batch_size={given.batch_size}", "training.keep=last", "training.patience=0",
            f"training.precision={given.precision}",
            f"sampling.batches_per_epoch={WARM + given.batches}", *more,
        ],
    )  # fmt: skip


def compare(recipe: Recipe, given: argparse.Namespace, others: Callable[[], nn.Module]) -> dict[str, list[Took]]:
    """The three ways in turn, on drawn figures; `others` makes the network of the plain loop."""
    torch.set_num_threads(given.threads)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        draw_figures(Path(folder), 64, seed=1, amf_rate=0.3)
        figures = open_source(str(Path(folder) / "figures.csv"))
        store = CropStore.load(figures, recipe.geometry)
        ways: dict[str, Callable[[], Took]] = {
            "engine": lambda: engine(recipe, figures, store, given.batches),
            "plain": lambda: plain(others(), recipe, figures, given.batches, given.workers),
            "bare": lambda: bare(recipe, given.batches),
        }
        found: dict[str, list[Took]] = {name: [] for name in ways}
        for _ in range(given.repeats):
            for name, way in ways.items():
                found[name].append(way())
    return found


def main() -> None:
    """Measure and print."""
    given = parser_of(__doc__.splitlines()[0], "tf_efficientnet_lite0").parse_args()
    recipe = recipe_of(given)
    found = compare(recipe, given, lambda: new_network(recipe))
    report(found, given.batches * given.batch_size)
    if DEVICE.type == "cuda":
        _report_gpu(recipe, found, given.batches, given.peak_tflops)


def report(found: dict[str, list[Took]], images: int) -> None:
    """Images a second of each way, and ratios of repetitions side by side."""
    print(f"{'':8}{'images/s, wall':>16}{'lowest':>9}{'highest':>9}{'images/s of processor time':>28}")
    for name, times in found.items():
        wall, processor = sorted(images / one.wall for one in times), [images / one.processor for one in times]
        middle = statistics.median
        print(f"{name:8}{middle(wall):16.2f}{wall[0]:9.2f}{wall[-1]:9.2f}{middle(processor):28.2f}")
    for other in ("bare", "plain"):
        pairs = list(zip(found["engine"], found[other], strict=True))
        wall = statistics.median(its.wall / ours.wall for ours, its in pairs)
        processor = statistics.median(its.processor / ours.processor for ours, its in pairs)
        print(f"engine over {other}: {wall:.2f} by wall clock, {processor:.2f} by processor time (median of pairs)")


def _report_gpu(recipe: Recipe, found: dict[str, list[Took]], batches: int, peak: float) -> None:
    middle = {name: statistics.median(one.wall for one in times) for name, times in found.items()}
    print(f"engine: the network waits {max(0.0, 1 - middle['bare'] / middle['engine']):.1%} of the time")
    network, images = new_network(recipe).to(DEVICE), ready(recipe)
    with FlopCounterMode(display=False) as counter:
        loss_of(network, images, torch.zeros(len(images), device=DEVICE)).backward()
    achieved = counter.get_total_flops() * batches / middle["engine"] / 1e12
    of_peak = f", {achieved / peak:.1%} of the peak" if peak else ""
    print(f"engine: {achieved:.1f} TFLOP/s{of_peak}, on {torch.cuda.get_device_name()}")


if __name__ == "__main__":
    main()
