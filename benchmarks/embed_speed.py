"""How fast figures are embedded, beside the lower bound, in one run.

    python benchmarks/embed_speed.py FOLDER_OF_CROPS [--backbone tf_efficientnet_lite0] [--weights package]

The bound is what cannot be avoided: decoding every crop, and the bare forward pass over crops that are ready in memory,
both on as many threads as `embed` takes. The folder is gone through in slices, each contender taking a slice in turn,
so that whatever else runs on the machine hits all alike; it lengthens wall times, core times less: both ratios are
printed. `embed` writes to an empty cache; a second time it only reads that.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from atypica.core.machine import default_threads
from atypica.data.figures import Figures, figures_from
from atypica.data.readers import read_crop
from atypica.inference.pipeline import CHUNK, in_order
from atypica.inference.preprocess import preprocess
from atypica.models.embedding import EmbeddingCache, Encoder, embed_figures, load_encoder

MPP = 0.25
DECODE, FORWARD, OURS, AGAIN = "decoding alone", "bare forward pass", "embed, empty cache", "embed, from the cache"


def lots(count: int, size: int) -> list[slice]:
    return [slice(start, start + size) for start in range(0, count, size)]


def decode(paths: list[Path]) -> None:
    for _ in in_order(lambda lot: [read_crop(path) for path in paths[lot]], lots(len(paths), 32), default_threads()):
        pass


def forward(encoder: Encoder, ready: np.ndarray) -> None:
    size = encoder.batch_size * CHUNK
    with encoder.a_core_a_thread():
        for _ in in_order(lambda lot: encoder.encode(ready[lot]), lots(len(ready), size), default_threads()):
            pass


def table(paths: list[Path]) -> Figures:
    return figures_from(pd.DataFrame({"image": map(str, paths), "mpp": MPP}), Path(), "benchmark")


def measured(work: Callable[[], Any]) -> np.ndarray:
    """Wall and core seconds."""
    core, wall = time.process_time(), time.perf_counter()
    work()
    return np.array([time.perf_counter() - wall, time.process_time() - core])


def slice_costs(encoder: Encoder, paths: list[Path], folder: Path) -> dict[str, np.ndarray]:
    ready = np.stack([preprocess(read_crop(path), MPP, encoder.geometry) for path in paths])
    figures, cache = table(paths), EmbeddingCache(folder)
    jobs: dict[str, Callable[[], Any]] = {
        DECODE: lambda: decode(paths),
        FORWARD: lambda: forward(encoder, ready),
        OURS: lambda: embed_figures(figures, encoder, cache),
        AGAIN: lambda: embed_figures(figures, encoder, cache),
    }
    return {name: measured(job) for name, job in jobs.items()}


def report(costs: list[dict[str, np.ndarray]], crops: int) -> None:
    total = {name: sum(cost[name] for cost in costs) for name in costs[0]}
    print(f"{'':24s}{'crops/s':>10s}{'core ms/crop':>14s}")
    for name, (wall, core) in total.items():
        print(f"{name:24s}{crops / wall:10.1f}{1000 * core / crops:14.2f}")
    for place, kind in enumerate(("wall time", "core time")):
        ratios = [(cost[DECODE] + cost[FORWARD])[place] / cost[OURS][place] for cost in costs]
        low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75])
        print(
            f"of the bound, by {kind}: {middle:.3f} (median of {len(ratios)} slices, quartiles {low:.3f}, {high:.3f})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    parser.add_argument("--weights", default="package")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size-px", type=int, default=None)
    parser.add_argument("--limit", type=int, default=960)
    parser.add_argument("--slice", type=int, default=120)
    given = parser.parse_args()
    paths = sorted(given.folder.rglob("*.png"))[: given.limit]
    encoder = load_encoder(given.backbone, given.weights, size_px=given.size_px, device=given.device)
    print(f"{given.backbone} at {encoder.geometry.size_px} px, batch {encoder.batch_size}, {default_threads()} threads")
    embed_figures(table(paths[:32]), encoder, None)
    parts = [paths[some] for some in lots(len(paths), given.slice)]
    with tempfile.TemporaryDirectory() as folder:
        report([slice_costs(encoder, part, Path(folder)) for part in parts], len(paths))


if __name__ == "__main__":
    main()
