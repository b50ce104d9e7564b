"""Memory, speed and disk of `atypica classify` on figures in shards, by their number and by the workers.

    python benchmarks/million_figures.py [--figures 10000 100000] [--workers 1 2] [--source SOURCE] [--model BUNDLE]
        [--format parquet] [--folder FOLDER]

The figures are 2,000 drawn ones (64 px, 500 cases), or those of SOURCE, packed again and again under other ids. Without
--model a model types them that costs next to nothing, so that what is measured is all but the network: reading,
decoding, resampling, writing. `--model default` takes the one that ships. Memory is the peak of resident memory in MiB,
of the driver and of the largest worker. CPU seconds, of all processes together, say more than seconds on a machine that
has other work. With --folder, shards and results stay there, and a size can be run alone.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

DRAWN, CASES, SIDE_PX = 2000, 500, 64
COLUMNS = ("figures", "workers", "seconds", "figures/s", "CPU s", "driver MiB", "worker MiB", "shards GB", "parts MB")


def peak_mib(pid: int) -> float:
    """The peak of a process so far; 0 when it is gone."""
    with suppress(OSError, KeyError):
        lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        return float(lines["VmHWM"].split()[0]) / 1024
    return 0.0


def children(pid: int) -> list[int]:
    """The processes that a process has started, and those that these have."""
    with suppress(OSError):
        tasks = Path(f"/proc/{pid}/task").glob("*/children")
        own = [int(child) for task in tasks for child in task.read_text().split()]
        return own + [further for child in own for further in children(child)]
    return []


def cpu_s() -> float:
    """Of all processes that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def watch(command: list[str]) -> tuple[float, float, float, float]:
    """Run a command; gives its seconds, those of processors, its own peak, and the largest of its children's."""
    started, before, own, others = time.perf_counter(), cpu_s(), 0.0, 0.0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            own = max(own, peak_mib(process.pid))
            others = max([others, *map(peak_mib, children(process.pid))])
            time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"status {process.returncode}: {' '.join(command)}")
    return time.perf_counter() - started, cpu_s() - before, own, others


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def packed(folder: Path, source: str | None, count: int, format_: str) -> Path:
    """Shards of `count` figures, packed where they are not there yet."""
    from atypica.data.drawn import draw_figures
    from atypica.data.sources import open_source
    from atypica.inference.packing import pack

    drawn = folder / "drawn"
    if source is None and not (drawn / "figures.csv").is_file():
        draw_figures(drawn, DRAWN, 0, cases=CASES, size=SIDE_PX)
    figures = open_source(source or drawn / "figures.csv")
    shards = folder / f"shards-{count}"
    started = time.perf_counter()
    pack(figures, shards, format_, repeat=-(-count // len(figures)))  # type: ignore[arg-type]
    print(f"packed in {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return shards


def bundle(folder: Path, model: str | None) -> list[str]:
    if model is None:
        from tiny_model import write_tiny_bundle

        model = str(write_tiny_bundle(folder / "tiny").path)
    return [] if model == "default" else ["--model", model]


def measure(folder: Path, shards: Path, count: int, workers: int, model: list[str]) -> str:
    out = folder / f"out-{count}-{workers}"
    stacks = any(shards.glob("*.tif"))
    source = str(shards / "*.tif" if stacks else shards)
    verb = [sys.executable, "-m", "atypica.apps.cli", "classify", source, "--out", str(out), *model]
    seconds, cpu, own, others = watch([*verb, "--on", "processes", "--workers", str(workers), "--format", "parquet"])
    numbers = (
        *(f"{count:,}", str(workers), f"{seconds:.0f}", f"{count / seconds:.0f}", f"{cpu:.0f}"),
        *(f"{own:.0f}", f"{others:.0f}", f"{size(shards) / 1e9:.2f}", f"{size(out) / 1e6:.1f}"),
    )
    return "\t".join(numbers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figures", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--source")
    parser.add_argument("--model")
    parser.add_argument("--format", choices=["parquet", "tar", "tiff"], default="parquet")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        model = bundle(folder, given.model)
        print(*COLUMNS, sep="\t")
        for count in given.figures:
            shards = packed(folder, given.source, count, given.format)
            for workers in given.workers:
                print(measure(folder, shards, count, workers, model), flush=True)


if __name__ == "__main__":
    main()
