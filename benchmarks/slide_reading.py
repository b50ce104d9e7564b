"""How crops are read from slides, beside one read of a region a figure in the order of the table, in one run.

    python benchmarks/slide_reading.py [--slide CMU-1-Small-Region.svs] [--figures 1000 10000 100000]

The slides are a drawn one (a tiled TIFF of JPEG tiles, 24,576 px a side by default, with levels) and, where given, a
real one. The contenders have the same threads and are asked in turn, so that whatever else runs on the machine hits all
alike. Figures lie evenly, or in clusters (hotspots). What is timed is reading and cutting alone, no network. Memory is
the peak of a fresh process that cuts all figures, less that of one that cuts none.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from numpy.typing import NDArray

from atypica.data.figures import Figures, figures_from
from atypica.data.slide import open_slide
from atypica.inference.bundle import read_bundle
from atypica.inference.pipeline import in_order
from atypica.inference.resolution import Resolution
from atypica.inference.slide_crops import SlideCrops

ROUNDS = 5
MPP = 0.25
TILE = 256


def draw(path: Path, side: int) -> Path:
    """A tiled JPEG pyramid of noisy tissue; one block of tiles is drawn and repeated."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(150, 240, (64, 64, 3), dtype=np.uint8).repeat(32, axis=0).repeat(32, axis=1)
    block = np.clip(coarse.astype(int) + rng.normal(0, 12, coarse.shape), 0, 255).astype(np.uint8)
    shared = {"photometric": "rgb", "tile": (TILE, TILE), "compression": "jpeg", "metadata": None}

    def tiles(length: int) -> Iterator[NDArray[np.uint8]]:
        for row in range(0, length, TILE):
            for column in range(0, length, TILE):
                top, left = row % len(block), column % len(block)
                yield block[top : top + TILE, left : left + TILE]

    with tifffile.TiffWriter(path, bigtiff=True) as file:
        place = {"resolution": (10_000 / MPP,) * 2, "resolutionunit": "CENTIMETER"}
        file.write(tiles(side), shape=(side, side, 3), dtype=np.uint8, **shared, **place)
        file.write(tiles(side // 4), shape=(side // 4, side // 4, 3), dtype=np.uint8, subfiletype=1, **shared)
    return path


def points(count: int, size: tuple[int, int], clusters: int) -> NDArray[np.float64]:
    """Places in random order: even, or around `clusters` centers with a spread of 400 px."""
    rng = np.random.default_rng(count)
    if not clusters:
        return rng.uniform(40, np.array(size) - 40, (count, 2)).round()
    centers = rng.uniform(0, size, (clusters, 2))[rng.integers(0, clusters, count)]
    return np.clip(centers + rng.normal(0, 400, (count, 2)), 40, np.array(size) - 40).round()


def table(slide: Path, places: NDArray[np.float64]) -> Figures:
    rows = pd.DataFrame({"image": slide.name, "x": places[:, 0], "y": places[:, 1]})
    return figures_from(rows, slide.parent, slide.name)


def ours(figures: Figures, threads: int) -> int:
    crops = SlideCrops(figures, Resolution(figures, MPP), read_bundle().card.geometry)

    def cut(rows: object) -> int:
        return sum(crop.pixels.size > 0 for _, crop in crops.read_lot(rows))

    done = sum(in_order(cut, crops.lots(len(figures), 32), threads))
    crops.close()
    return done


def naive(figures: Figures, threads: int) -> int:
    """One read of a region a figure, in the order of the table, on as many threads."""
    slide = open_slide(figures.path(figures.table["image"].iloc[0]))
    half = round(read_bundle().card.geometry.field_um / (slide.mpp or MPP) / 2) + 2
    places = figures.table[["x", "y"]].to_numpy(dtype=int)
    with ThreadPoolExecutor(threads) as pool:
        work = pool.map(lambda place: slide.read(*(place - half), 2 * half, 2 * half).size > 0, places)
        done = sum(work)
    slide.close()
    return done


def openslide_naive(figures: Figures, threads: int) -> int:
    """The same with OpenSlide alone, as public scripts do it."""
    import openslide

    slide = openslide.OpenSlide(figures.path(figures.table["image"].iloc[0]))
    places = figures.table[["x", "y"]].to_numpy(dtype=int)
    with ThreadPoolExecutor(threads) as pool:

        def read(place: NDArray[np.int64]) -> bool:
            return np.asarray(slide.read_region((int(place[0]) - 34, int(place[1]) - 34), 0, (68, 68))).size > 0

        done = sum(pool.map(read, places))
    slide.close()
    return done


CONTENDERS: dict[str, Callable[[Figures, int], int]] = {
    "grouped": ours,
    "a region a figure": naive,
    "OpenSlide, a region a figure": openslide_naive,
}


def compare(name: str, slide: Path, places: NDArray[np.float64], threads: int, rounds: int) -> None:
    """Every contender cuts all the figures, in turn; ratios are of times in one round, each to that of `grouped`."""
    figures = table(slide, places)
    wall: dict[str, list[float]] = {contender: [] for contender in CONTENDERS}
    core: dict[str, list[float]] = {contender: [] for contender in CONTENDERS}
    for _ in range(rounds):
        for contender, work in CONTENDERS.items():
            started, spent = time.perf_counter(), time.process_time()
            assert work(figures, threads) == len(figures)
            wall[contender].append(time.perf_counter() - started)
            core[contender].append(time.process_time() - spent)
    print(f"\n{name}: {len(places):,} figures, {threads} threads, {rounds} rounds")
    print(f"{'':32s}{'figures/s':>12s}{'core ms/figure':>16s}{'x core time':>13s}{'x wall time':>13s}")
    for contender in CONTENDERS:
        ratios = [np.median(np.array(of[contender]) / np.array(of["grouped"])) for of in (core, wall)]
        rate, cost = len(places) / np.median(wall[contender]), 1000 * np.median(core[contender]) / len(places)
        print(f"{contender:32s}{rate:12,.0f}{cost:16.3f}{ratios[0]:13.2f}{ratios[1]:13.2f}")


def memory(slide: Path, count: int, threads: int) -> float:
    """Peak memory in MiB of a fresh process."""
    command = [sys.executable, __file__, "--slide", str(slide), "--memory", str(count), "--threads", str(threads)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def memory_of_this_process(slide: Path, count: int, threads: int) -> None:
    with open_slide(slide) as opened:
        size = opened.size
    figures = table(slide, points(max(count, 1), size, 0))
    if count:
        ours(figures, threads)
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(float(lines["VmHWM"].split()[0]) / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slide", type=Path)
    parser.add_argument("--side", type=int, default=24_576, help="of the drawn slide")
    parser.add_argument("--figures", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.memory is not None:
        memory_of_this_process(given.slide, given.memory, given.threads)
        return
    with tempfile.TemporaryDirectory() as folder:
        drawn = draw(Path(folder) / "drawn.tif", given.side)
        slides = [("drawn", drawn), *([("real", given.slide)] if given.slide else [])]
        for name, slide in slides:
            with open_slide(slide) as opened:
                size = opened.size
            for count in given.figures:
                for kind, clusters in (("even", 0), ("clusters", 20)):
                    rounds = given.rounds if count <= 10_000 else 1
                    compare(f"{name}, {kind}", slide, points(count, size, clusters), given.threads, rounds)
            base = memory(slide, 0, given.threads)
            print(f"\npeak memory of {name}, above the {base:.0f} MiB of a process that cuts nothing:")
            for count in given.figures:
                print(f"{count:10,d} figures {memory(slide, count, given.threads) - base:8.0f} MiB")


if __name__ == "__main__":
    main()
