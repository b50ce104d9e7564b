"""Strict settings, and their mistakes as readable lines."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from atypica.core.errors import SettingsError


class Settings(BaseModel):
    """Base of every recipe and card section: frozen, and no unknown key passes."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    @classmethod
    def parse(cls, values: Any, origin: str) -> Self:
        """Validate `values` (as read from YAML or JSON).

        Args:
            values: a mapping.
            origin: what is being read, for the message (a file name).

        Raises:
            SettingsError: one line per mistake: dotted key, what is wrong, the nearest known spelling.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            lines = "\n".join(f"  {line}" for line in _lines(error, cls))
            raise SettingsError(f"{origin} is not valid:\n{lines}", "mend these settings") from error


def _lines(error: ValidationError, model: type[BaseModel]) -> list[str]:
    return [_line(detail, model) for detail in error.errors()]


def _line(detail: Any, model: type[BaseModel]) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] != "extra_forbidden":
        return f"{key}: {detail['msg']} (given: {detail['input']!r})"
    near = get_close_matches(str(detail["loc"][-1]), _keys(model), n=1)
    return f"{key}: unknown setting" + (f"; did you mean '{near[0]}'?" if near else "")


def _keys(model: type[BaseModel]) -> set[str]:
    keys: set[str] = set(model.model_fields)
    for field in model.model_fields.values():
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                keys |= _keys(part)
    return keys
