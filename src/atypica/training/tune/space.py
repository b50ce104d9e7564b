"""Search spaces by name or path, and what a trial takes from one."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from atypica.core.errors import SettingsError
from atypica.training.settings.tune import Parameter, SearchSpace, Value

if TYPE_CHECKING:
    from optuna.trial import Trial

Values = dict[str, Value]
"""Dotted key to the value that a trial takes."""


def space_names() -> list[str]:
    """The search spaces that ship with atypica."""
    folder = resources.files("atypica.training.tune").joinpath("spaces")
    return sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))


def load_space(name: str) -> SearchSpace:
    """Load a shipped search space by name, or a YAML file by path.

    Raises:
        SettingsError: no such space, or one that is not allowed (one line a mistake).
    """
    try:
        values = yaml.safe_load(_text(name))
    except yaml.YAMLError as error:
        raise SettingsError(f"search space {name} is not YAML: {error}", "mend the file") from error
    return SearchSpace.parse(values, f"search space {name}")


def _text(name: str) -> str:
    if name in space_names():
        shipped = resources.files("atypica.training.tune").joinpath("spaces", f"{name}.yaml")
        return shipped.read_text(encoding="utf-8")
    path = Path(name).expanduser()
    if not path.is_file():
        shipped = ", ".join(space_names())
        raise SettingsError(f"there is no search space '{name}'", f"take --space with one of: {shipped}; or a file")
    return path.read_text(encoding="utf-8")


def check_space(space: SearchSpace, known: Mapping[str, Any]) -> None:
    """Refuse a space that names settings which no recipe has.

    Args:
        space: what is tried.
        known: dotted key to value, for every setting of the recipe; a section that it does without is None.

    Raises:
        SettingsError: no such setting; the nearest one is named.
    """
    for key in space.parameters:
        parents = [key.rsplit(".", count)[0] for count in range(1, key.count(".") + 1)]
        if key in known or any(parent in known and known[parent] is None for parent in parents):
            continue
        near = get_close_matches(key, known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else "see atypica recipes show"
        raise SettingsError(f"search space {space.name}: a recipe has no setting '{key}'", hint)


def suggest(trial: Trial, space: SearchSpace) -> Values:
    """The values of a trial; those that it has already stay."""
    return {key: _suggest(trial, key, parameter) for key, parameter in space.parameters.items()}


def _suggest(trial: Trial, key: str, parameter: Parameter) -> Value:
    if parameter.range is not None:
        return trial.suggest_float(key, *parameter.range, log=parameter.log)
    if parameter.integers is not None:
        return trial.suggest_int(key, *parameter.integers, log=parameter.log)
    assert parameter.choices is not None
    return trial.suggest_categorical(key, parameter.choices)


def as_settings(values: Mapping[str, Any]) -> list[str]:
    """Values as settings of a command line, which YAML reads back as they are.

    >>> as_settings({"optimizer.lr": 1e-05, "loss.name": "focal", "heads.hidden": None})
    ['optimizer.lr=1.0e-05', 'loss.name=focal', 'heads.hidden=null']
    """
    return [f"{key}={_plain(value)}" for key, value in values.items()]


def _plain(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()
