"""What is wrong with figures and labels before anybody trains or tests on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from atypica.data.audit import duplicates, single
from atypica.data.audit.duplicates import TOLERANCE_PX
from atypica.data.audit.finding import Audit as Audit
from atypica.data.audit.finding import Finding as Finding
from atypica.data.audit.finding import Kind as Kind
from atypica.data.audit.finding import Severity as Severity
from atypica.data.audit.groups import Group, judge
from atypica.data.audit.looks import Looks, look
from atypica.data.audit.pool import only_test, pool_figures, without_test
from atypica.data.figures import Figures
from atypica.data.readers import MAX_PIXELS

PIXEL_KINDS = {Kind.UNREADABLE, Kind.ODD_SIZE, Kind.BLANK, Kind.IDENTICAL, Kind.NEAR_IDENTICAL}
ORDER = {severity: place for place, severity in enumerate(Severity)}


def audit(
    sources: Sequence[Figures],
    tests: Sequence[Figures] = (),
    *,
    pixels: bool = True,
    tolerance: float = TOLERANCE_PX,
    max_pixels: int = MAX_PIXELS,
) -> Audit:
    """Look for duplicates within and across sources, contradictory labels, bad images, and leaks between splits.

    Args:
        sources: what to audit; with `tests`, what is trained on.
        tests: what a model is tested on, and must not have seen. Where a source has an official split, only its test
            part counts as test, and the other parts as training.
        pixels: whether to read the images; without, only the tables are checked.
        tolerance: distance in level-0 pixels within which two annotations of a slide mean one figure.
        max_pixels: an image of more pixels counts as unreadable.

    Returns:
        the findings, errors first; a clean audit has no errors.
    """
    if tests:
        sources, tests = [without_test(f) for f in sources], [only_test(f) for f in tests]
    every, pool = (*sources, *tests), pool_figures(sources, tests)
    crops = duplicates.crops_are_files(pool)
    looks = look(pool, max_pixels) if pixels and crops else None
    found = [*_of_rows(every, pool, looks), *_of_groups(pool, looks, tolerance, crops, max_pixels)]
    if not crops:
        text = "the images are regions with many figures: their pixels were not compared"
        found.append(Finding(Kind.UNCHECKED, Severity.NOTE, (), text, "cut crops to compare them"))
    checked = tuple(kind for kind in Kind if looks or kind not in PIXEL_KINDS)
    findings = sorted(found, key=lambda finding: ORDER[finding.severity])
    return Audit(tuple(figures.name for figures in every), len(pool), checked, tuple(findings))


def _of_rows(every: Sequence[Figures], pool: pd.DataFrame, looks: Looks | None) -> Iterator[Finding]:
    if looks:
        yield from single.images(pool, looks)
    start = 0
    for figures in every:
        yield from single.votes(figures, pool["name"].tolist()[start : start + len(figures)])
        start += len(figures)
    yield from single.cut_cases(pool)
    yield from single.unchecked(every)


def _of_groups(
    pool: pd.DataFrame, looks: Looks | None, tolerance: float, crops: bool, max_pixels: int
) -> Iterator[Finding]:
    groups: list[Group] = duplicates.repeated_rows(pool) if crops else []
    if looks:
        groups.extend(duplicates.identical(pool, looks))
        groups.extend(duplicates.near_identical(pool, looks, max_pixels))
    groups.extend(duplicates.same_place(pool, tolerance, groups))
    for group in groups:
        yield from judge(pool, group)
