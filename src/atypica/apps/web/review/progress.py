"""How far a reader is, and the AMF rate as labels come in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atypica.apps.web.review.ballot import Call, as_vote
from atypica.apps.web.review.catalog import NO_CASE, Catalog
from atypica.apps.web.review.storage.votes import Vote
from atypica.evaluation.intervals import Interval, wilson
from atypica.inference.cases import FEW_FIGURES, overall_interval

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rate:
    """AMF among the figures that count, with a 95 % interval; None where no figure counts."""

    amf: int
    figures: int
    interval: Interval | None

    @property
    def share(self) -> float | None:
        """The rate, 0 to 1."""
        return self.amf / self.figures if self.figures else None

    @property
    def few(self) -> bool:
        """Whether the rate is of too few figures to mean much."""
        return self.figures < FEW_FIGURES


@dataclass(frozen=True)
class CaseProgress:
    """One case: its number in the catalog, its figures, how many of them are labeled, its rate."""

    number: int
    case: str
    figures: int
    labeled: int
    rate: Rate


@dataclass(frozen=True)
class Progress:
    """All figures.

    Attributes:
        figures, labeled: how many there are, and how many the reader has called (unsure is a call).
        rate: by the reader's labels, completed by the model's calls; by the labels alone where `blinded`.
        labels: by the reader's labels alone.
        cases: each case, in the order of their names; rates as `rate`.
    """

    figures: int
    labeled: int
    rate: Rate
    labels: Rate
    cases: tuple[CaseProgress, ...]
    blinded: bool


def progress(catalog: Catalog, votes: Mapping[str, Vote], *, blinded: bool) -> Progress:
    """How far the owner of `votes` (as they stand, by figure id) is.

    A figure that is no mitosis counts in no rate. An unsure one counts as the model calls it, or not at all.
    """
    labels, labeled, calls = _calls(catalog, votes)
    if blinded:
        calls = labels
    return Progress(
        figures=len(catalog),
        labeled=int(labeled.sum()),
        rate=_overall(catalog, calls),
        labels=_overall(catalog, labels),
        cases=_cases(catalog, labeled, calls),
        blinded=blinded,
    )


def _calls(catalog: Catalog, votes: Mapping[str, Vote]) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """The reader's labels, which figures are labeled, and the labels completed by the model."""
    labels: Floats = np.full(len(catalog), np.nan)
    labeled = np.zeros(len(catalog), dtype=bool)
    calls = catalog.model_calls()
    for figure, vote in votes.items():
        row = catalog.row_of.get(figure)
        if row is None or vote.call is None:
            continue
        labeled[row] = True
        labels[row] = as_vote(vote.call)
        if vote.call is not Call.UNSURE:
            calls[row] = labels[row]
    return labels, labeled, calls


def _overall(catalog: Catalog, calls: Floats) -> Rate:
    known = ~np.isnan(calls)
    amf = calls == 1
    blank = NO_CASE in catalog.cases
    interval = overall_interval(catalog.case_codes, known, amf, blank=blank) if known.any() else None
    return Rate(int(amf.sum()), int(known.sum()), interval)


def _cases(catalog: Catalog, labeled: NDArray[np.bool_], calls: Floats) -> tuple[CaseProgress, ...]:
    codes, count = catalog.case_codes, len(catalog.cases)
    figures = np.bincount(codes, minlength=count)
    done = np.bincount(codes[labeled], minlength=count)
    known = np.bincount(codes[~np.isnan(calls)], minlength=count)
    amf = np.bincount(codes[calls == 1], minlength=count)
    return tuple(
        CaseProgress(
            number,
            catalog.cases[number],
            int(figures[number]),
            int(done[number]),
            Rate(int(amf[number]), int(known[number]), wilson(int(amf[number]), int(known[number]))),
        )
        for number in range(count)
    )
