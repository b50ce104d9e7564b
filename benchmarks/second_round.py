"""The second round of the default recipe, from the first round's bundle where its run is no longer at hand.

    python benchmarks/second_round.py RUN --data ami-br --first BUNDLE

`atypica train default` does both rounds in one run. A run's folds need hours, and are not kept with its bundle; but the
second round asks for nothing of them beyond the card: calibration and thresholds come from the folds' held-out
predictions, so they are those of the first round. What differs is that the first student is read back from float16.
Killed, it goes on.
"""

from __future__ import annotations

import argparse
from functools import lru_cache
from pathlib import Path

from atypica.core.errors import SettingsError
from atypica.data.sources import open_source
from atypica.inference.bundle import Bundle, read_bundle
from atypica.inference.card import Card
from atypica.training.distill import distill, round_key, student_folder, student_network
from atypica.training.fit import keep_weights
from atypica.training.recipe import load_recipe
from atypica.training.release import release_networks
from atypica.training.run import Run
from atypica.training.start import go_on_from


def main() -> None:
    chosen = parsed()
    run = Run.open(chosen.run, load_recipe("default", chosen.settings), open_source(chosen.data))
    first = read_bundle(chosen.first)
    check_first(run, first)
    run.once("student", round_key(run.recipe, 1), lambda: take_up(run, first))
    load = lru_cache(maxsize=1)(run.load_crops)
    distill(run, load, print)
    print(release_networks(run, load(), [student_network(run)], lambda distances: card_of(run, first.card, distances)))


def check_first(run: Run, first: Bundle) -> None:
    """The first bundle must be one round of the very recipe, on the same figures and folds."""
    found = {"recipe": first.card.recipe["hash"], "split": first.card.training_data["split_hash"]}
    wanted = {"recipe": round_key(run.recipe, 1), "split": run.split_hash}
    if found != wanted:
        raise SettingsError(f"{first.path} is of {found}, and the first round of {wanted}", "give the bundle of that")


def take_up(run: Run, first: Bundle) -> dict[str, str]:
    """The first student, as if this run had taught it."""
    keep_weights(go_on_from(first, run.new_network()), student_folder(run))
    return {"read_back_from": first.card.onnx_sha256}


def card_of(run: Run, first: Card, distances: list[float]) -> Card:
    """The first round's card, with what the second changed."""
    assert first.strangeness
    note = (
        "the second round began with the first one's student as its bundle held it, in float16 (SHA-256 "
        f"{first.onnx_sha256}); calibration and thresholds come from the same folds in both"
    )
    return first.model_copy(
        update={
            "description": run.recipe.description.strip(),
            "strangeness": first.strangeness.model_copy(update={"quantiles": distances}),
            "training_data": {**first.training_data, "notes": [note]},
            "recipe": {"hash": run.recipe.hash, **run.recipe.model_dump(mode="json")},
        }
    )


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("settings", nargs="*", help="of the recipe: key.sub=value")
    parser.add_argument("--data", default="ami-br")
    parser.add_argument("--first", type=Path, required=True, help="the first round's bundle")
    return parser.parse_args()


if __name__ == "__main__":
    main()
