"""How numbers, names and nested values are written in a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np

NONE = "–"
_THIN = "\u202f"
_NAMES = {
    "auroc": "AUROC",
    "ba": "BA",
    "balanced_accuracy": "balanced accuracy",
    "pr_auc": "PR-AUC",
    "f1": "F1",
    "amf": "AMF",
    "nmf": "NMF",
    "sha256": "SHA-256",
    "url": "address",
    "license": "license",
    "ece": "calibration error (ECE)",
    "mpp": "µm per pixel",
}
_ESTIMATE = ("value", "estimate", "mean", "point")


def percent(share: float | None, digits: int = 0) -> str:
    """A share (0 to 1) in percent; a dash for None."""
    return NONE if share is None else f"{100 * share:.{digits}f}{_THIN}%"


def decimal(number: float | None, digits: int = 2) -> str:
    """A number with so many decimals; a dash for None."""
    return NONE if number is None else f"{number:.{digits}f}"


def count(number: int) -> str:
    """A whole number with thin spaces between thousands."""
    return f"{number:,}".replace(",", _THIN)


def at(share: float | None) -> str:
    """A share (0 to 1) as a CSS length in percent, within 0 and 100."""
    return f"{100 * float(np.clip(share or 0.0, 0, 1)):.2f}%"


def words(key: object) -> str:
    """A key of the card as a person reads it."""
    text = str(key)
    return _NAMES.get(text.lower(), text.replace("_", " "))


def plain(value: Any) -> str:
    """A single value of the card as text: numbers to four digits, an estimate with its interval in one piece."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        entries = cast("Mapping[str, Any]", value)
        return "; ".join(f"{words(k)} {plain(v)}" for k, v in entries.items()) if nested(value) else _estimate(entries)
    if isinstance(value, list | tuple):
        return ", ".join(plain(part) for part in cast("list[Any]", value))
    return str(value)


def _estimate(value: Mapping[str, Any]) -> str:
    point = next(value[key] for key in _ESTIMATE if key in value)
    return f"{point:.3f} ({value['low']:.3f} to {value['high']:.3f})"


def nested(value: Any) -> bool:
    """Whether a value of the card has parts of its own: a mapping that is no estimate with its interval."""
    if not isinstance(value, Mapping):
        return False
    entries = cast("Mapping[str, Any]", value)
    numbers = [entries.get("low"), entries.get("high"), next((entries[k] for k in _ESTIMATE if k in entries), None)]
    return not all(isinstance(number, int | float) for number in numbers)


FILTERS: dict[str, Callable[..., Any]] = {
    "percent": percent,
    "decimal": decimal,
    "count": count,
    "at": at,
    "words": words,
    "plain": plain,
    "nested": nested,
}
