"""The second round of the default recipe, from the first round's bundle where its run is no longer at hand.

    python benchmarks/second_round.py RUN --data ami-br --first BUNDLE            # teaches, and writes RUN/bundle
    python benchmarks/second_round.py RUN --data ami-br --first BUNDLE --tables   # of docs/model-card.md

`atypica train default` does both rounds in one run. A run's folds need hours, and are not kept with its bundle; but the
second round asks for nothing of them beyond the card: calibration and thresholds come from the folds' held-out
predictions, so they are those of the first round. What differs is that the first student is read back from float16.
Killed, it goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from pathlib import Path

import numpy as np
from folds_and_student import line, measured, numbers, people_rows
from model_card import DOCS, estimate, failure_table, metrics_table, parts_table, sample_table, score

from atypica.core.errors import SettingsError
from atypica.data.sources import open_source
from atypica.inference.bundle import Bundle, read_bundle
from atypica.inference.card import Card
from atypica.inference.predictions import calibrated
from atypica.reporting.evaluation_plots import forest_plot, reliability_plot, save
from atypica.training.distill import distill, round_key, student_folder, student_network
from atypica.training.fit import keep_weights, load_weights
from atypica.training.predict import predict
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
    if chosen.tables:
        print("\n\n".join(tables(run)))
        return
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


def tables(run: Run) -> Iterator[str]:
    """What docs/model-card.md says of the student; of the folds it has what the first round's run said."""
    assert run.tested is not None
    bundle = read_bundle(run.folder / "bundle")
    tested = score(bundle, run.tested)
    for name, figure in (("domains", forest_plot(tested.found)), ("reliability", reliability_plot(tested.found))):
        save(figure, DOCS / "images" / f"model-card-{name}.png")
    yield metrics_table(bundle.card.metrics)
    yield "\n".join(line(*row) for row in student_rows(run, bundle.card))
    yield sample_table([score(bundle, open_source(name)) for name in ("atnorm-br", "atnorm-md")])
    yield from (parts_table(tested.found), failure_table(tested), estimate(tested.found.overall.metrics["ece"]))


def student_rows(run: Run, card: Card) -> Iterator[tuple[str, str, list[str]]]:
    """The student of each round over one and eight views, and the last one beside the experts."""
    assert run.tested is not None
    assert run.recipe.distill
    store, rounds = run.read_crops(run.tested), range(1, run.recipe.distill.rounds + 1)
    threshold, labels, p = card.thresholds.default, run.tested.labels, np.empty(0)
    for number, views in product(rounds, (8, 1)):
        network = load_weights(run.new_network(), student_folder(run, number))
        p = calibrated(predict(network, store, np.arange(len(store)), views)["amf"][:, 0], card.calibration)
        yield f"student, round {number}", str(views), numbers(measured(labels, p, threshold))
    yield from people_rows(p, run.tested.votes, threshold)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("settings", nargs="*", help="of the recipe: key.sub=value")
    parser.add_argument("--data", default="ami-br")
    parser.add_argument("--first", type=Path, required=True, help="the first round's bundle")
    parser.add_argument("--tables", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
