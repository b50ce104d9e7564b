"""Peak memory of `atypica classify` on a slide, step by step, by the number of figures.

    python benchmarks/slide_memory.py [--figures 10000 50000 100000] [--side 12288] [--model BUNDLE]

The slide is drawn (a pyramid of JPEG tiles); each number of figures is a fresh process that does what the verb does.
Printed is the peak of resident memory in MiB after each step: a step that adds nothing shows the number before it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from slide_reading import draw, points

STEPS = ("imported", "opened", "typed", "slides found", "tables, GeoJSON", "overview", "report")


def peak_mib() -> float:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return float(lines["VmHWM"].split()[0]) / 1024


def work(slide: Path, detections: Path, model: Path | None, threads: int) -> None:
    """The verb in one process; a line a step."""
    from atypica.data.sources import open_source
    from atypica.inference.model import load_model
    from atypica.reporting.overview import write_overviews
    from atypica.reporting.report import write_report

    peaks, out = [peak_mib()], detections.parent / "out"
    figures = open_source(slide, figures=detections)
    peaks.append(peak_mib())
    result = load_model(model).classify(figures, threads=threads)
    peaks.append(peak_mib())
    slides = result.slides()
    peaks.append(peak_mib())
    result.write(out, "csv", slides)
    peaks.append(peak_mib())
    write_overviews(result.predictions, slides, out)
    peaks.append(peak_mib())
    write_report(result, out / "report.html", slides=slides)
    peaks.append(peak_mib())
    print(*(f"{peak:.0f}" for peak in peaks), sep="\t")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=12_288)
    parser.add_argument("--figures", type=int, nargs="+", default=[10_000, 50_000, 100_000])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--work", type=Path, nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(*given.work, given.model, given.threads)
        return
    print("figures", *STEPS, "seconds", sep="\t")
    with tempfile.TemporaryDirectory() as folder:
        slide = draw(Path(folder) / "drawn.tif", given.side)
        for count in given.figures:
            places = points(count, (given.side, given.side), 0)
            table = Path(folder) / "detections.csv"
            pd.DataFrame({"x_px": places[:, 0], "y_px": places[:, 1], "detection_score": 0.9}).to_csv(
                table, index=False
            )
            model = [] if given.model is None else ["--model", str(given.model)]
            command = [sys.executable, __file__, "--work", str(slide), str(table), "--threads", str(given.threads)]
            started = time.perf_counter()
            said = subprocess.run([*command, *model], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
            print(f"{count:,}\t{said}\t{time.perf_counter() - started:.0f}", flush=True)


if __name__ == "__main__":
    main()
