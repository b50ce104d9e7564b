"""Results as others published them, to stand beside ours: facts with their source, never files of theirs."""

from __future__ import annotations

from importlib import resources
from typing import Any

import yaml
from pydantic import field_validator

from atypica.core.errors import SettingsError
from atypica.core.settings import Settings
from atypica.core.vocabulary import Subtype


class PublishedValue(Settings):
    """A published number; `sd` where one was printed beside it. In the file `[0.8052, 0.0139]` or `[0.8999]`."""

    mean: float
    sd: float | None = None


class PublishedModel(Settings):
    """One row of a published table.

    `tests` is the table's name of a test set, to metric (a key of `METRICS`), to value.
    """

    model: str
    detail: str = ""
    tests: dict[str, dict[str, PublishedValue]]

    @field_validator("tests", mode="before")
    @classmethod
    def _pairs(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {test: {name: _value(pair) for name, pair in metrics.items()} for test, metrics in value.items()}


class PublishedClass(Settings):
    """One subtype of a published table; shares of 1."""

    figures: int
    auroc: float
    sensitivity: float
    specificity: float
    ppv: float
    npv: float


class PublishedSubtypes(Settings):
    """A published table of the eight subtypes on a test set."""

    model: str
    detail: str = ""
    classes: dict[Subtype, PublishedClass]
    balanced_accuracy: float | None = None
    """Of the two classes that follow from the eight."""

    def mean(self, metric: str) -> float:
        """The plain mean of a metric over the classes."""
        return sum(getattr(one, metric) for one in self.classes.values()) / len(self.classes)


class Published(Settings):
    """One publication's table."""

    name: str
    title: str
    citation: str
    url: str
    about: str
    """What the numbers are: of how many models, at which threshold."""
    threshold: str = "0.5"
    """The threshold of numbers that stand beside ours, as a suite's tables name it."""
    figures: dict[str, int] = {}
    """How many figures each of its test sets has."""
    context: bool = False
    """On figures that nobody else has: shown by itself, not beside ours."""
    models: list[PublishedModel] = []
    subtypes: dict[str, PublishedSubtypes] = {}
    """By the table's name of a test set."""


def published_names() -> list[str]:
    """The tables that ship with atypica."""
    folder = resources.files(__name__)
    return sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))


def load_published(name: str) -> Published:
    """Load a published table by name.

    Raises:
        SettingsError: there is none of that name.
    """
    if name not in published_names():
        raise SettingsError(f"there are no published results '{name}'", f"take one of: {', '.join(published_names())}")
    text = resources.files(__name__).joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return Published.parse(yaml.safe_load(text), f"published results {name}")


def _value(pair: Any) -> Any:
    return dict(zip(("mean", "sd"), pair, strict=False)) if isinstance(pair, list) else pair
