"""Which classes of detections are taken for mitotic figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from atypica.core.errors import SettingsError
from atypica.data.detections.found import SHOWN, Detections, counts

ALL = "all"
"""In place of names: every class, and what has none."""
MITOTIC = frozenset(
    {"mitotic figure", "mitotic figures", "mitosis", "mitoses", "mitotic cell", "mitotic cells", "mitotic_figure"}
)
"""Lower case. Where such a class is named, others of the file are look-alikes or other cells."""
TOLD_APART = frozenset({"COCO", "SlideRunner"})
"""Formats of annotated data sets, which name what is no mitotic figure beside what is one."""
NO_CLASS = "without a class"
LEFT_OUT_BY_CLASS = "left out by class"
"""How the note on them begins."""


def names_of(text: str | None) -> tuple[str, ...] | None:
    """Names of classes, separated by commas, as `--classes` takes them; None where nothing is asked for."""
    return None if text is None else tuple(name.strip() for name in text.split(",") if name.strip())


def check_classes(known: Counter[str | None], asked: Sequence[str] | None, name: str) -> None:
    """Refuse a class that no detection has, which would be a slip of the pen.

    Args:
        known: how many detections of a source have each class.
        asked: names of classes, in upper or lower case; None for nothing.
        name: of the source, for messages.

    Raises:
        SettingsError: no names, or one that no detection has.
    """
    if asked is None:
        return
    if not asked:
        raise SettingsError("--classes names no class", f"name some, or '{ALL}'")
    named = {label: number for label, number in known.items() if label is not None}
    lacking = [label for label in asked if label.casefold() not in {ALL, *(label.casefold() for label in named)}]
    if lacking and known:
        few = Counter(named).most_common(SHOWN)
        has = ", ".join(f"{label} {number:,}" for label, number in few) + (", ..." if len(named) > SHOWN else "")
        raise SettingsError(
            f"{name} has no detections of the class {', '.join(map(repr, lacking))} "
            f"({f'it has: {has}' if named else 'its detections have no classes'})",
            f"give --classes as they are named there, or '{ALL}'" if named else "leave --classes away",
        )


def of_classes(found: Detections, asked: Sequence[str] | None) -> tuple[Detections, pd.Series[Any]]:
    """The detections of some classes, and the classes of those left out.

    Args:
        found: detections.
        asked: names of classes, in upper or lower case, or `ALL`. With None, of formats that tell look-alikes apart
            (`TOLD_APART`) those of `MITOTIC` where there are any; else all.
    """
    labels = found.table["detection_class"]
    plain = pd.Series([label and str(label).casefold() for label in labels], index=labels.index, dtype=object)
    if asked is not None:
        wanted = {label.casefold() for label in asked}
        kept = plain.isin(wanted) | (ALL in wanted)
    else:
        kept = plain.isin(MITOTIC)
        if found.kind not in TOLD_APART or not kept.any():
            kept = pd.Series(True, index=labels.index)
    return replace(found, table=found.table[kept].reset_index(drop=True)), labels[~kept]


def class_notes(kept: pd.Series[Any], left_out: pd.Series[Any]) -> tuple[str, ...]:
    """What was left out by its class; else which classes were counted, where they are several.

    Args:
        kept: the class of each detection that was taken.
        left_out: of each that was not.
    """
    if len(left_out):
        number = f"{len(left_out):,} of {len(left_out) + len(kept):,} detections"
        return (f"{LEFT_OUT_BY_CLASS}: {number} ({_counts(left_out)}); --classes chooses",)
    if kept.nunique(dropna=False) > 1:
        return (f"all classes are counted ({_counts(kept)}); --classes chooses among them",)
    return ()


def _counts(labels: pd.Series[Any]) -> str:
    return counts([NO_CLASS if label is None or pd.isna(label) else label for label in labels])
