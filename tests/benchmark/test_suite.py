"""Suites: all that ship can be loaded, and mistakes in one's own are told in a line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from atypica.benchmark.suite import Suite, load_suite, suite_names
from atypica.core.errors import SettingsError
from atypica.data.sources import ADAPTERS
from atypica.training.recipe import recipe_names

LATER: set[str] = set()
"""Recipes that suites already name and that are still to come."""
SMALL = {
    "name": "mine",
    "title": "Mine",
    "data": "figures.csv",
    "entries": [{"label": "a", "recipe": "default"}],
    "tests": [{"name": "inner", "split": "test"}],
}


@pytest.mark.parametrize("name", suite_names())
def test_every_shipped_suite_loads_and_its_recipes_are_there_or_announced(name):
    suite = load_suite(name)
    assert suite.name == name
    assert suite.data in ADAPTERS
    assert all(test.left_out or test.source in ADAPTERS for test in suite.tests)
    for entry in suite.entries:
        if entry.recipe in recipe_names():
            recipe = suite.recipe_of(entry, suite.seeds[0])
            assert recipe.seed == suite.seeds[0]
            assert not recipe.split.shares, "the figures that this recipe trains on are other suites' test figures"
        else:
            assert entry.recipe in LATER


def test_the_cross_dataset_suite_is_the_published_protocol():
    suite = load_suite("ami-br-cross-dataset")
    recipe = suite.recipe_of(suite.entries[0], suite.seeds[0])
    assert (recipe.split.train_on, recipe.split.folds, recipe.split.by, suite.seeds) == ("train", 5, "", [42])
    assert [test.published_as or test.name for test in suite.tests] == ["AMi-Br", "AtNorM-Br", "AtNorM-MD"]
    assert suite.tests[0].split == "test"
    assert suite.thresholds == [0.5, "own"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"entires": []}, "entires: unknown setting; did you mean 'entries'"),
        ({"entries": [*SMALL["entries"], *SMALL["entries"]]}, "a stands twice"),
        ({"entries": [{"label": "../a", "recipe": "default"}]}, "entries.0.label"),
        ({"thresholds": [1.5]}, "between 0 and 1"),
        ({"thresholds": ["best"]}, "thresholds"),
        ({"published": ["nobody2020"]}, "no published results 'nobody2020'"),
        ({"tests": [{"name": "x", "left_out": True, "split": "test"}]}, "neither source nor split"),
        ({"leaks": "ignore"}, "leaks"),
    ],
)
def test_a_mistake_is_told_in_a_line(change, words):
    with pytest.raises(SettingsError, match=words.replace(".", r"\.")):
        Suite.parse(SMALL | change, "suite mine")


def test_paths_are_relative_to_the_suite(tmp_path: Path):
    (tmp_path / "figures.csv").write_text("image\n", encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    suite = load_suite(str(tmp_path / "mine.yaml"))
    assert Path(suite.data) == (tmp_path / "figures.csv").resolve()
    assert suite.entries[0].recipe == "default"


def test_some_entries_are_taken_by_label():
    suite = load_suite("quick")
    assert [entry.label for entry in suite.only(["small"]).entries] == ["small"]
    with pytest.raises(SettingsError, match="no entry 'large'"):
        suite.only(["large"])


def test_a_suite_that_is_not_there_is_told():
    with pytest.raises(SettingsError, match="take one of: ami-br-cross-dataset"):
        load_suite("nothing")
