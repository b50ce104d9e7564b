"""A recipe: everything that says how a model is made, in one readable file."""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Any, Self, cast

import yaml
from pydantic import model_validator

from atypica.core.errors import SettingsError
from atypica.core.settings import Settings
from atypica.inference.stain import REFERENCES, StainReference
from atypica.training.settings.augment import AugmentSettings
from atypica.training.settings.distill import DistillSettings
from atypica.training.settings.ensemble import Ensemble
from atypica.training.settings.geometry import RecipeGeometry
from atypica.training.settings.heads import HeadSettings
from atypica.training.settings.input import InputSettings
from atypica.training.settings.loss import LossSettings, check_loss
from atypica.training.settings.model import ModelSettings
from atypica.training.settings.optimizer import OptimizerSettings, check_optimizer
from atypica.training.settings.probe import ProbeSettings, check_probe
from atypica.training.settings.sampling import SamplingSettings
from atypica.training.settings.schedule import ScheduleSettings
from atypica.training.settings.split import SplitSettings
from atypica.training.settings.training import TrainingSettings, check_stopping


class Recipe(Settings):
    """How a model is made, from figures to bundle."""

    name: str
    description: str = ""
    seed: int = 0
    split: SplitSettings = SplitSettings()
    geometry: RecipeGeometry
    input: InputSettings = InputSettings()
    model: ModelSettings
    augment: AugmentSettings = AugmentSettings()
    heads: HeadSettings = HeadSettings()
    loss: LossSettings = LossSettings()
    sampling: SamplingSettings = SamplingSettings()
    optimizer: OptimizerSettings
    schedule: ScheduleSettings = ScheduleSettings()
    training: TrainingSettings
    probe: ProbeSettings | None = None
    """With it the backbone is frozen and its head solved; the fields that say how weights are moved have no say."""
    distill: DistillSettings | None = None
    """Without it the ensemble of the folds is released."""
    ensemble: Ensemble = "mean_probability"

    @model_validator(mode="after")
    def _sections_fit(self) -> Self:
        check_loss(self.heads, self.loss)
        check_optimizer(self.optimizer, self.schedule, self.training.epochs)
        check_stopping(self.training, self.schedule, self.optimizer.lr)
        if self.probe:
            check_probe(self.probe, self.heads, self.model, "distill" if self.distill else self.ensemble)
        if self.distill and self.ensemble != "mean_probability":
            raise SettingsError(
                f"ensemble is {self.ensemble}, but the folds are distilled into one network",
                "set distill to null, or leave 'ensemble' out",
            )
        if self.input.inner_um >= self.geometry.field_um:
            raise SettingsError(
                f"input.inner_um is {self.input.inner_um:g}, and geometry.field_um is {self.geometry.field_um:g}",
                "set input.inner_um below it: the inner crop lies within the field",
            )
        return self

    @property
    def stain_reference(self) -> StainReference | None:
        """The colors to which every crop is brought; None where they stay."""
        return REFERENCES.get(self.input.stain_normalization)

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that change with any setting but the description and how a training computes.

        Settings left at their default do not count, so a new setting leaves the hash of older runs as it is.
        """
        return self._digest("description")

    @property
    def fold_hash(self) -> str:
        """The same of what the folds depend on: a run keeps its folds when only `distill` or `ensemble` changes."""
        return self._digest("description", "distill", "ensemble")

    def _digest(self, *without: str) -> str:
        silent = {"training": {"compile", "gradient_checkpointing", "logger"}} | dict.fromkeys(without, True)
        values = self.model_dump(mode="json", exclude=silent, exclude_defaults=True)
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]

    def to_yaml(self) -> str:
        """The resolved recipe as YAML."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def recipe_names() -> list[str]:
    """The recipes that ship with atypica."""
    return [name for name in _shipped() if not name.startswith("_")]


def load_recipe(name: str, overrides: list[str] | None = None) -> Recipe:
    """Load a shipped recipe by name, or a YAML file by path.

    Args:
        name: `default`, or the path of a `.yaml` file. `extends: NAME` in it starts from another recipe.
        overrides: `key.sub=value` settings, the value in YAML.

    Raises:
        SettingsError: no such recipe, or settings that are not allowed (one line each).
    """
    values = _read(name)
    for override in overrides or []:
        _override(values, override)
    return Recipe.parse(values, f"recipe {name}")


def differences(first: Recipe, second: Recipe) -> dict[str, tuple[Any, Any]]:
    """Dotted key to both values, for every setting in which two recipes differ."""
    one, other = flat_settings(first), flat_settings(second)
    keys = [*one, *(key for key in other if key not in one)]
    return {key: (one.get(key), other.get(key)) for key in keys if one.get(key) != other.get(key)}


def flat_settings(recipe: Recipe) -> dict[str, Any]:
    """Dotted key to value, for every setting of a recipe; a section that it does without is None."""
    return _flat(recipe.model_dump(mode="json"))


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= (
            _flat(cast(dict[str, Any], value), f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        )
    return flat


def _read(name: str, below: tuple[str, ...] = ()) -> dict[str, Any]:
    if name in below:
        raise SettingsError(f"recipe {name} extends itself ({' -> '.join([*below, name])})", "mend 'extends'")
    values = _parse(_text(name), name)
    base = values.pop("extends", None)
    return _merge(_read(str(base), (*below, name)), values) if base else values


def _shipped() -> list[str]:
    """Those whose name begins with an underscore hold what others share."""
    folder = resources.files("atypica.training").joinpath("recipes")
    return sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))


def _text(name: str) -> str:
    if name in _shipped():
        return resources.files("atypica.training").joinpath("recipes", f"{name}.yaml").read_text(encoding="utf-8")
    path = Path(name)
    if not path.is_file():
        raise SettingsError(f"there is no recipe '{name}'", f"take one of: {', '.join(recipe_names())}; or a file")
    return path.read_text(encoding="utf-8")


def _parse(text: str, name: str) -> dict[str, Any]:
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"recipe {name} is not YAML: {error}", "mend the file") from error
    if not isinstance(values, dict):
        raise SettingsError(f"recipe {name} holds no settings", "write it as 'key: value' lines")
    return values  # pyright: ignore[reportUnknownVariableType]


def _merge(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in change.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _override(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator:
        raise SettingsError(f"'{override}' is no setting", "write it as key.sub=value, for example training.epochs=5")
    *parents, last = key.split(".")
    for parent in parents:
        below: Any = values.setdefault(parent, {})
        if below is None:  # a section that the recipe does without
            below = values[parent] = {}
        if not isinstance(below, dict):
            raise SettingsError(f"'{override}' is no setting: '{parent}' has no parts", f"write {parent}=VALUE")
        values = cast(dict[str, Any], below)
    try:
        values[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"'{override}' is no setting: '{text}' is not YAML", "quote the value") from error
