"""How fast `classify` is, beside its own lower bound and the loops that public scripts use, in one run.

    python benchmarks/classify_speed.py FOLDER_OF_PNG_CROPS [--model BUNDLE] [--limit 1000]

The bound is what cannot be avoided: the core time of decoding every crop plus that of the bare ONNX session over
crops that are ready in memory. The folder is gone through in slices, every contender typing a slice in turn, so that
whatever else runs on the machine hits all alike; wall times suffer from it all the same, core times less: both ratios
are printed. The PyTorch loops (the extra "train") run the same backbone with random
weights; what their worker processes spend is not in their core time.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
from PIL import Image

import atypica
from atypica.core.machine import default_threads
from atypica.data.figures import figures_from
from atypica.data.readers import read_crop
from atypica.inference.bundle import Bundle, read_bundle
from atypica.inference.classifier import INPUT, OnnxClassifier
from atypica.inference.model import Model
from atypica.inference.pipeline import BATCH, in_order
from atypica.inference.predictions import needed
from atypica.inference.preprocess import resample

BACKBONE = "tf_efficientnet_lite0"
DECODE, SESSION, OURS = "decoding alone", "bare session, a call a core", "atypica classify"


Job = tuple[str, int, Callable[[], Any]]


@dataclass
class Cost:
    """Summed over the rounds."""

    wall: float = 0.0
    core: float = 0.0
    crops: int = 0

    @property
    def per_second(self) -> float:
        return self.crops / self.wall

    @property
    def core_ms(self) -> float:
        return 1000 * self.core / self.crops


def measure(cost: Cost, crops: int, work: Callable[[], Any]) -> None:
    core, wall = time.process_time(), time.perf_counter()
    work()
    cost.wall += time.perf_counter() - wall
    cost.core += time.process_time() - core
    cost.crops += crops


def decode(paths: list[Path]) -> None:
    for path in paths:
        read_crop(path)


def bare_session(classifier: OnnxClassifier, ready: np.ndarray, threads: int) -> None:
    """The session over crops in memory, called as `classify` calls it."""
    names = needed(classifier.card)
    batches = [ready[start : start + BATCH] for start in range(0, len(ready), BATCH)]
    for _ in in_order(lambda batch: classifier.forward(batch, names), batches, threads):
        pass


def whole_session(session: onnxruntime.InferenceSession, model: Model, ready: np.ndarray) -> None:
    """The session over crops in memory, all threads inside one call: the usual way."""
    names = list(needed(model.card))
    for start in range(0, len(ready), 64):
        session.run(names, {INPUT: ready[start : start + 64]})


def ready_crops(model: Model, paths: list[Path]) -> np.ndarray:
    return np.stack([resample(read_crop(path), 0.25, model.card.geometry) for path in paths])


def ours(model: Model, paths: list[Path], threads: int) -> None:
    table = pd.DataFrame({"image": [str(path) for path in paths]})
    model.classify(figures_from(table, Path(), "benchmark"), mpp=0.25, threads=threads)


class PillowCrops:
    """A data set as public scripts write it: Pillow, crop, resize, normalize."""

    def __init__(self, paths: list[Path], model: Model) -> None:
        self.paths = paths
        self.side = round(model.card.geometry.field_um / 0.25)
        self.size = model.card.geometry.size_px

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Any:
        from torchvision.transforms import v2

        return self.transform(v2)(Image.open(self.paths[index]).convert("RGB"))

    def transform(self, v2: Any) -> Any:
        import torch

        steps = [v2.CenterCrop(self.side), v2.Resize(self.size), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
        return v2.Compose([*steps, v2.Normalize([0.5] * 3, [0.5] * 3)])


def torch_jobs(model: Model, paths: list[Path], threads: int) -> Iterator[Job]:
    """Eager loops with batches of 1 and of 64; fewer crops for the slower one."""
    import timm
    import torch
    from torch.utils.data import DataLoader

    torch.set_num_threads(threads)
    network = timm.create_model(BACKBONE, pretrained=False, num_classes=1).eval()

    def loop(batch: int, workers: int, some: list[Path]) -> None:
        loader = DataLoader(PillowCrops(some, model), batch_size=batch, num_workers=workers)  # pyright: ignore
        with torch.inference_mode():
            for crops in loader:
                network(crops).sigmoid().numpy()

    for name, batch, workers, some in (
        ("PyTorch, eager, batch 1", 1, 0, paths[: max(1, len(paths) // 4)]),
        ("PyTorch, DataLoader, batch 64", 64, threads, paths),
    ):
        yield name, len(some), partial(loop, batch, workers, some)


def peak_memory(model: Path | None, folder: Path, limit: int, times: int) -> float:
    """Peak memory in MiB of a fresh process that types the crops `times` times over."""
    command = [sys.executable, __file__, str(folder), "--limit", str(limit), "--memory", str(times)]
    command += ["--model", str(model)] if model else []
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def peak_mib() -> float:
    """Of this process alone: Linux hands the peak of `getrusage` down from the parent."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return float(lines["VmHWM"].split()[0]) / 1024


def memory_of_this_process(model: Model, paths: list[Path], times: int) -> None:
    ours(model, paths * times, default_threads())
    print(peak_mib())


def compare(model: Model, bundle: Path | None, paths: list[Path], size: int, threads: int, loops: bool) -> None:
    read = read_bundle(bundle) if bundle else read_bundle()
    wide, lean = wide_session(read, threads), OnnxClassifier(read)
    ours(model, paths[:64], threads)
    costs: dict[str, Cost] = {}
    of_bound: list[float] = []
    for start in range(0, len(paths) - size + 1, size):
        some = paths[start : start + size]
        jobs = [*onnx_jobs(model, wide, lean, some, threads), *(torch_jobs(model, some, threads) if loops else [])]
        before = {name: costs.setdefault(name, Cost()).core for name, *_ in jobs}
        for name, count, work in jobs:
            measure(costs[name], count, work)
        spent = {name: costs[name].core - before[name] for name in before}
        of_bound.append((spent[DECODE] + spent[SESSION]) / spent[OURS])
    report(costs, of_bound, threads)


def wide_session(bundle: Bundle, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(bundle.onnx, options, providers=["CPUExecutionProvider"])


def onnx_jobs(
    model: Model, wide: onnxruntime.InferenceSession, lean: OnnxClassifier, paths: list[Path], threads: int
) -> list[Job]:
    ready = ready_crops(model, paths)
    return [
        (DECODE, len(paths), lambda: decode(paths)),
        (SESSION, len(paths), lambda: bare_session(lean, ready, threads)),
        ("bare session, all cores a call", len(paths), lambda: whole_session(wide, model, ready)),
        (OURS, len(paths), lambda: ours(model, paths, threads)),
    ]


def report(costs: dict[str, Cost], of_bound: list[float], threads: int) -> None:
    print(f"{'':32s}{'crops/s':>10s}{'core ms/crop':>14s}")
    for name, cost in costs.items():
        print(f"{name:32s}{cost.per_second:10.0f}{cost.core_ms:14.2f}")
    mine = costs[OURS]
    least = costs[DECODE].core_ms + costs[SESSION].core_ms
    print(f"\nbound: {least:.2f} core ms/crop = {1000 * threads / least:.0f} crops/s on {threads} cores")
    print(f"of the bound, by wall time: {mine.per_second * least / 1000 / threads:.3f}")
    low, middle, high = np.quantile(of_bound, [0.25, 0.5, 0.75])
    print(
        f"of the bound, by core time: {middle:.3f} (median of {len(of_bound)} slices, quartiles {low:.3f}, {high:.3f})"
    )
    for name, cost in costs.items():
        if name.startswith("PyTorch"):
            wall, core = mine.per_second / cost.per_second, cost.core_ms / mine.core_ms
            print(f"atypica is {wall:.1f} x as fast as {name} by wall time, {core:.1f} x by core time")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--limit", type=int, default=3720, help="crops of the folder that are used")
    parser.add_argument("--slice", type=int, default=930, help="crops that each contender types in turn")
    parser.add_argument("--threads", type=int, default=default_threads())
    parser.add_argument("--no-torch", action="store_true", help="leave the PyTorch loops out")
    parser.add_argument("--no-memory", action="store_true", help="leave the memory measurements out")
    parser.add_argument("--memory", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    paths = sorted(given.folder.rglob("*.png"))[: given.limit]
    model = atypica.load_model(given.model)
    if given.memory:
        memory_of_this_process(model, paths, given.memory)
        return
    compare(model, given.model, paths, min(given.slice, len(paths)), given.threads, not given.no_torch)
    if not given.no_memory:
        one, four = (peak_memory(given.model, given.folder, given.limit, times) for times in (1, 4))
        print(f"peak memory: {one:.0f} MiB for {len(paths)} crops, {four:.0f} MiB for {4 * len(paths)}")


if __name__ == "__main__":
    main()
