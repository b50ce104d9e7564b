"""How the shipped model fares on coarser scans: crops of AMi-Br's test split, made coarser by averaging pixels.

python benchmarks/coarse_scans.py [--mpp 0.25 0.5 0.75 1.0]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import pandas as pd
from PIL import Image

import atypica
from atypica.data.figures import Figures
from atypica.data.sources import open_source
from atypica.evaluation.binary import binary_metrics

CROP_PX, CROP_MPP = 128, 0.25
SHOWN = ("auroc", "balanced_accuracy", "sensitivity", "specificity")


def coarse_table(figures: Figures, mpp: float, folder: Path) -> Path:
    """Write every crop with pixels of about `mpp` micrometers, and a table with what they came out as."""
    side = round(CROP_PX * CROP_MPP / mpp)
    rows: list[tuple[str, float]] = []
    for number, image in enumerate(figures.table["image"]):
        place = folder / f"{number}.png"
        crop = Image.open(figures.path(image)).convert("RGB")
        crop.resize((side, side), Image.Resampling.BOX).save(place)
        rows.append((place.name, CROP_PX * CROP_MPP / side))
    path = folder / "figures.csv"
    pd.DataFrame(rows, columns=["image", "mpp"]).to_csv(path, index=False)
    return path


def main() -> None:
    """Print a row of metrics for each resolution."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mpp", type=float, nargs="+", default=[0.25, 0.5, 0.75, 1.0])
    source = open_source("ami-br")
    figures = source.where((source.table["split"] == "test").to_numpy())
    model = atypica.load_model()
    for mpp in parser.parse_args().mpp:
        with tempfile.TemporaryDirectory() as folder:
            typed = model.classify(str(coarse_table(figures, mpp, Path(folder)))).predictions
        found = binary_metrics(figures.labels, typed["p_amf"].to_numpy(), model.card.thresholds.default)
        print(f"{mpp} um/px:", ", ".join(f"{name} {found[name].item():.3f}" for name in SHOWN))


if __name__ == "__main__":
    main()
