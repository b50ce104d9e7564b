"""The challenge's ground truth: a list of stacks, with the label and the tumor domain of each page."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from atypica.apps.grand_challenge.interface import CLASSES
from atypica.core.errors import EvaluationError


@dataclass(frozen=True)
class GroundTruth:
    """The truth of one stack.

    Attributes:
        image: the stack's name.
        labels: (pages,): 1 atypical, 0 normal.
        domains: the tumor domain of each page, None where it is not given.
    """

    image: str
    labels: NDArray[np.float64]
    domains: list[int | None]


def read_truth(path: Path, images: Collection[str]) -> GroundTruth:
    """The truth of the stack that is called one of `images`; of the only one, if the file has no more.

    Raises:
        EvaluationError: the file cannot be read, is not of this form, or does not say which stack is meant.
    """
    entries = _entries(path)
    names = [entry.get("image") if isinstance(entry, dict) else None for entry in entries]
    fitting = [entry for entry, name in zip(entries, names, strict=True) if name in images] or entries
    if len(fitting) != 1:
        listed = ", ".join(str(name)[:60] for name in names[:5])
        what = f"none of them is {' or '.join(images)}" if images else "which one is meant is not said"
        raise EvaluationError(
            f"{path} has {len(entries)} stacks ({listed}), and {what}",
            "give --input: its inputs.json names the stack",
        )
    return _truth(fitting[0], path)


def _entries(path: Path) -> list[Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EvaluationError(f"{path} cannot be read: {error.strerror}", "check --ground-truth") from error
    except (ValueError, RecursionError) as error:
        raise EvaluationError(f"{path} is not JSON: {error}", "copy it again") from error
    if not isinstance(content, list) or not content:
        raise EvaluationError(f"{path} is not a list of stacks", "check --ground-truth")
    return cast("list[Any]", content)


def _truth(entry: Any, path: Path) -> GroundTruth:
    values = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
    labels = values.get("labels")
    if not isinstance(labels, list) or not labels or not all(label in CLASSES for label in cast("list[Any]", labels)):
        raise EvaluationError(f"{path}: 'labels' is not a list of {' and '.join(CLASSES)}", "check --ground-truth")
    known = cast("list[str]", labels)
    domains = values.get("tumordomains") or [None] * len(known)
    if not isinstance(domains, list) or len(domains) != len(known) or not all(map(_domain, domains)):
        raise EvaluationError(f"{path}: 'tumordomains' are not {len(known)} whole numbers", "check --ground-truth")
    return GroundTruth(
        str(values.get("image")),
        np.array([CLASSES.index(label) for label in known], dtype=np.float64),
        cast("list[int | None]", domains),
    )


def _domain(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)
