"""A recipe: everything that says how a model is made, in one readable file."""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Any, Literal, cast

import yaml
from pydantic import Field

from atypica.core.errors import SettingsError
from atypica.core.settings import Settings
from atypica.inference.card import Geometry


class SplitSettings(Settings):
    """Which figures train, and how they are cut into folds (always grouped by case)."""

    train_on: str = "train"
    """Value of the source's `split` column to train on; `all` takes every figure."""
    test_on: str = "test"
    """Value of the `split` column to report on, once the bundle is made."""
    folds: int = Field(default=5, ge=2)
    by: str = ""
    """A column (dataset, scanner) whose values are the folds, each held out in turn; empty for folds of cases."""


class ModelSettings(Settings):
    """The network."""

    backbone: str
    weights: str = "hub"
    dropout: float = Field(default=0.0, ge=0, lt=1)
    drop_path: float = Field(default=0.0, ge=0, lt=1)


class AugmentSettings(Settings):
    """Random changes of a training crop. Ranges are symmetric: each value is the largest change."""

    rotate: bool = True
    flip: bool = True
    scale: float = Field(default=0.0, ge=0, lt=0.5)
    """Relative; covers scanners of other mpp."""
    shift_um: float = Field(default=0.0, ge=0)
    stain: float = Field(default=0.0, ge=0)
    """Relative change of each stain's density (HED, Ruifrok & Johnston 2001)."""
    stain_offset: float = Field(default=0.0, ge=0)
    """Density added to each stain."""
    brightness: float = Field(default=0.0, ge=0)
    contrast: float = Field(default=0.0, ge=0)
    blur_um: float = Field(default=0.0, ge=0)
    """Largest standard deviation of a Gaussian blur."""
    blur_probability: float = Field(default=0.0, ge=0, le=1)
    noise: float = Field(default=0.0, ge=0)
    """Largest standard deviation of Gaussian noise, for RGB in 0..1."""
    stain_mix: float = Field(default=0.0, ge=0, le=1)
    """Share of the crops whose stains take on mean and spread of another crop's (part of the way)."""
    fourier_mix: float = Field(default=0.0, ge=0, le=1)
    """Share of the crops whose Fourier amplitudes take on another crop's (part of the way; FACT, CVPR 2021)."""


class HeadSettings(Settings):
    """Loss weight of each head; a head of weight 0 is left out. `amf` is always 1."""

    subtype: float = Field(default=0.0, ge=0)
    votes: float = Field(default=0.0, ge=0)
    disagreement: float = Field(default=0.0, ge=0)


class OptimizerSettings(Settings):
    """AdamW with linear warm-up and cosine decay."""

    lr: float = Field(gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_epochs: float = Field(default=1.0, ge=0)
    clip_norm: float = Field(default=0.0, ge=0)
    """Largest gradient norm; 0 leaves gradients as they are."""


class TrainingSettings(Settings):
    """The loop."""

    epochs: int = Field(ge=1)
    batch_size: int = Field(default=64, ge=2)
    balance: float = Field(default=1.0, ge=0, le=1)
    """1 draws AMF and NMF equally often, 0 as they come."""
    ema_decay: float = Field(default=0.0, ge=0, lt=1)
    """Decay a step of the averaged weights that are kept; 0 keeps the last weights."""
    soft_labels: bool = True
    """Teach the share of the votes for AMF; otherwise the label."""
    mixup: float = Field(default=0.0, ge=0)
    """Alpha of mixup (Zhang et al., ICLR 2018); 0 mixes nothing."""
    precision: str = "32-true"
    """Lightning's name of a precision."""
    compile: bool = False
    """Compile the network with TorchInductor, which needs a C++ compiler; the same model within rounding."""


class DistillSettings(Settings):
    """The ensemble of folds taught to one network on augmented views (Beyer et al., CVPR 2022)."""

    epochs: int = Field(ge=1)
    lr: float = Field(gt=0)
    teacher: float = Field(default=0.7, ge=0, le=1)
    """Weight of the teachers' mean probability in the target; the votes have the rest."""
    start: Literal["backbone", "fold"] = "backbone"
    """Where the student's weights start: as every fold did, or from fold 0."""


class Recipe(Settings):
    """How a model is made, from figures to bundle."""

    name: str
    description: str = ""
    seed: int = 0
    split: SplitSettings = SplitSettings()
    geometry: Geometry
    model: ModelSettings
    augment: AugmentSettings = AugmentSettings()
    heads: HeadSettings = HeadSettings()
    optimizer: OptimizerSettings
    training: TrainingSettings
    distill: DistillSettings

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that change with any setting but the description.

        Settings left at their default do not count, so a new setting leaves the hash of older runs as it is.
        """
        return self._digest({"description"})

    @property
    def fold_hash(self) -> str:
        """The same of what the folds depend on: a run keeps its folds when only `distill` changes."""
        return self._digest({"description", "distill"})

    def _digest(self, without: set[str]) -> str:
        values = self.model_dump(mode="json", exclude=without, exclude_defaults=True)
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]

    def to_yaml(self) -> str:
        """The resolved recipe as YAML."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def recipe_names() -> list[str]:
    """The recipes that ship with atypica."""
    folder = resources.files("atypica.training").joinpath("recipes")
    return sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))


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
    one, other = _flat(first.model_dump(mode="json")), _flat(second.model_dump(mode="json"))
    keys = [*one, *(key for key in other if key not in one)]
    return {key: (one.get(key), other.get(key)) for key in keys if one.get(key) != other.get(key)}


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


def _text(name: str) -> str:
    if name in recipe_names():
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
        if not isinstance(below, dict):
            raise SettingsError(f"'{override}' is no setting: '{parent}' has no parts", f"write {parent}=VALUE")
        values = cast(dict[str, Any], below)
    try:
        values[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"'{override}' is no setting: '{text}' is not YAML", "quote the value") from error
