"""A suite: which recipes are trained on what, and which figures they are tested on, in one readable file."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, field_validator, model_validator

from atypica.core.errors import SettingsError
from atypica.core.settings import Settings
from atypica.evaluation.published import published_names
from atypica.training.recipe import Recipe, load_recipe

NAME = r"^[A-Za-z0-9][A-Za-z0-9 ._+-]*$"
"""Labels and names of test sets become names of folders and files."""
OWN = "own"
"""The threshold that each entry chooses on its own out-of-fold predictions."""
Leaks = Literal["drop", "refuse", "mark"]


class Entry(Settings):
    """One line of the leaderboard: a recipe, with what this suite changes in it."""

    label: str = Field(pattern=NAME)
    recipe: str
    """A shipped recipe's name, or a YAML file (relative to the suite's)."""
    settings: list[str] = []
    """`key.sub=value`, after those of the suite."""


class TestSpec(Settings):
    """Figures that no network of an entry has seen."""

    __test__ = False

    name: str = Field(pattern=NAME)
    source: str = ""
    """A dataset's name, a folder or a figure table; the training source if empty."""
    split: str = "all"
    """The value of the source's column `split` to test on; `all` takes every figure."""
    left_out: bool = False
    """Not a set of its own: each figure that trains, typed by the one network that has not seen it."""
    published_as: str = ""
    """What published tables call it; its name if empty."""
    note: str = ""
    """What the reader must know of these figures."""

    @model_validator(mode="after")
    def _no_source_of_its_own(self) -> TestSpec:
        if self.left_out and (self.source or self.split != "all"):
            raise ValueError("left_out takes the training figures: it has neither source nor split")
        return self


class Suite(Settings):
    """Everything that says what a benchmark runs."""

    name: str
    title: str
    description: str = ""
    protocol: str = ""
    """Where the protocol is from."""
    data: str
    """The training source: a dataset's name, a folder or a figure table."""
    settings: list[str] = []
    """`key.sub=value` for every recipe: the part of the protocol that recipes share."""
    entries: list[Entry] = Field(min_length=1)
    seeds: list[int] = Field(default=[42], min_length=1)
    tests: list[TestSpec] = Field(min_length=1)
    target: Literal["amf", "subtype"] = "amf"
    thresholds: list[float | Literal["own"]] = Field(default=[0.5, "own"], min_length=1)
    """Of the network's plain probability; `own` is chosen on out-of-fold predictions (largest smoothed BA)."""
    leaks: Leaks = "drop"
    """What to do with test figures that an entry has trained on."""
    domains: list[str] = []
    """Columns of the test sets whose values get a row each."""
    published: list[str] = []

    @field_validator("entries", "tests")
    @classmethod
    def _named_once(cls, parts: list[Any]) -> list[Any]:
        names = [getattr(part, "label", None) or part.name for part in parts]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{twice[0]} stands twice")
        return parts

    @field_validator("published")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        unknown = [name for name in names if name not in published_names()]
        if unknown:
            raise ValueError(f"no published results '{unknown[0]}' (there are: {', '.join(published_names())})")
        return names

    @field_validator("thresholds")
    @classmethod
    def _probabilities(cls, values: list[float | Literal["own"]]) -> list[float | Literal["own"]]:
        if any(value != OWN and not 0 < float(value) < 1 for value in values):
            raise ValueError("a threshold lies between 0 and 1, or is 'own'")
        return values

    def recipe_of(self, entry: Entry, seed: int) -> Recipe:
        """The resolved recipe of an entry.

        Raises:
            SettingsError: no such recipe, or settings that are not allowed.
        """
        return load_recipe(entry.recipe, [*self.settings, *entry.settings, f"seed={seed}"])

    def label(self, entry: str, seed: int) -> str:
        """What the leaderboard calls the run of an entry and seed."""
        return entry if len(self.seeds) == 1 else f"{entry}, seed {seed}"

    def only(self, labels: list[str]) -> Suite:
        """The suite with some of its entries, in its own order.

        Raises:
            SettingsError: it has no such entry.
        """
        known = [entry.label for entry in self.entries]
        unknown = [label for label in labels if label not in known]
        if unknown:
            raise SettingsError(f"suite {self.name} has no entry '{unknown[0]}'", f"take some of: {', '.join(known)}")
        return self.model_copy(update={"entries": [entry for entry in self.entries if entry.label in labels]})


def suite_names() -> list[str]:
    """The suites that ship with atypica."""
    folder = resources.files("atypica.benchmark").joinpath("suites")
    return sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))


def load_suite(name: str) -> Suite:
    """Load a shipped suite by name, or a YAML file by path (its own paths are relative to it).

    Raises:
        SettingsError: no such suite, or settings that are not allowed (one line each).
    """
    if name in suite_names():
        text = resources.files("atypica.benchmark").joinpath("suites", f"{name}.yaml").read_text(encoding="utf-8")
        return Suite.parse(_mapping(text, name), f"suite {name}")
    path = Path(name).expanduser()
    if not path.is_file():
        raise SettingsError(f"there is no suite '{name}'", f"take one of: {', '.join(suite_names())}; or a file")
    suite = Suite.parse(_mapping(path.read_text(encoding="utf-8"), name), f"suite {name}")
    return _beside(suite, path.resolve().parent)


def _mapping(text: str, name: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"suite {name} is not YAML: {error}", "mend the file") from error


def _beside(suite: Suite, folder: Path) -> Suite:
    """The suite with every path that leads somewhere from `folder` made whole."""

    def whole(place: str) -> str:
        return str(folder / place) if place and (folder / place).exists() else place

    entries = [entry.model_copy(update={"recipe": whole(entry.recipe)}) for entry in suite.entries]
    tests = [test.model_copy(update={"source": whole(test.source)}) for test in suite.tests]
    return suite.model_copy(update={"data": whole(suite.data), "entries": entries, "tests": tests})
