"""Write a bundle anew with the list of the figures that it was trained on, from the source that its card names.

    python benchmarks/add_trained_on.py BUNDLE NEW_BUNDLE --data ami-br [--part train]

For bundles from before that list; `atypica train` writes it. Graph and settings stay as they are.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from atypica.data.sources import open_source
from atypica.inference.bundle import read_bundle, write_bundle
from atypica.inference.trained_on import hash_figures


def main() -> None:
    arguments = parse()
    bundle, figures = read_bundle(arguments.bundle), open_source(arguments.data)
    if arguments.part != "all":
        figures = figures.where((figures.table["split"] == arguments.part).to_numpy())
    known = bundle.card.training_data
    wanted = {"source": figures.name, "part": arguments.part, "figures": len(figures)}
    differ = [f"{key} {known.get(key)!r}, not {value!r}" for key, value in wanted.items() if known.get(key) != value]
    assert not differ, f"the card says it was trained on another set: {'; '.join(differ)}"
    written = write_bundle(arguments.target, bundle.onnx, bundle.card, hash_figures(figures))
    print(f"wrote {written.path}: {len(written.trained_on or ())} hashes of {len(figures)} figures")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--data", required=True, help="a dataset's name, a folder or a figure table")
    parser.add_argument("--part", default="train", help="the value of the column 'split', or all")
    return parser.parse_args()


if __name__ == "__main__":
    main()
