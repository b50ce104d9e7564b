"""How far the readers agree with each other and with the model, and where they do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atypica.apps.web.review.ballot import Call, as_vote
from atypica.apps.web.review.catalog import Catalog
from atypica.apps.web.review.storage.votes import Standing, Vote
from atypica.evaluation.agreement import agreement
from atypica.evaluation.agreement_intervals import agreement_estimates
from atypica.evaluation.bootstrap import BootstrapSettings
from atypica.evaluation.intervals import Estimate
from atypica.evaluation.resampling import plan_resampling

MODEL = "the model"
REPLICATES = 500
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """Two who read the same figures; `kappa` is Cohen's, with an interval by case where there can be one."""

    first: str
    second: str
    figures: int
    equal: float | None
    kappa: Estimate


@dataclass(frozen=True)
class Difference:
    """A figure on which not all say the same: its row, and who says what."""

    row: int
    calls: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Agreed:
    """What the page of agreement shows.

    Attributes:
        readers: who voted, with the number of their AMF, NMF, unsure and not-a-mitosis.
        pairs: every two readers, and each with the model.
        figures: read by two or more readers as AMF or NMF.
        fleiss, krippendorff: over the readers, without the model; None where undefined.
        differences: among the figures that the asking reader has called.
    """

    readers: tuple[tuple[str, Mapping[Call, int]], ...]
    pairs: tuple[Pair, ...]
    figures: int
    fleiss: float | None
    krippendorff: float | None
    differences: tuple[Difference, ...]


def agreed(
    catalog: Catalog, standing: Mapping[int, Standing], names: Mapping[int, str], reader: int, *, blinded: bool = False
) -> Agreed:
    """Compare the readers of a study.

    Args:
        catalog: the figures.
        standing: the votes of each reader as they stand.
        names: the readers' names.
        reader: who asks; where others disagree is told only of figures that this one has called.
        blinded: nothing at all is told of other figures, not even in sum.
    """
    votes = {names[who]: standing[who].labeled() for who in names if who in standing}
    own = votes.get(names.get(reader, ""), {})
    if blinded:
        votes = {name: {figure: cast[figure] for figure in cast if figure in own} for name, cast in votes.items()}
    votes = {name: cast for name, cast in votes.items() if cast}
    ratings = np.full((len(catalog), len(votes) + 1), np.nan)
    for column, cast in enumerate(votes.values()):
        for figure, vote in cast.items():
            if figure in catalog.row_of:
                ratings[catalog.row_of[figure], column] = as_vote(vote.call)
    ratings[:, -1] = catalog.model_calls()
    among = agreement(ratings[:, :-1])
    return Agreed(
        readers=tuple((name, _counts(cast)) for name, cast in votes.items()),
        pairs=_pairs(catalog, ratings, [*votes, MODEL]),
        figures=among.figures,
        fleiss=among.fleiss,
        krippendorff=among.krippendorff,
        differences=_differences(catalog, votes, own),
    )


def _counts(cast: Mapping[str, Vote]) -> dict[Call, int]:
    return {call: sum(vote.call is call for vote in cast.values()) for call in Call}


def _pairs(catalog: Catalog, ratings: Floats, names: list[str]) -> tuple[Pair, ...]:
    read = ~np.isnan(ratings[:, :-1]).all(axis=1)
    if not read.any():
        return ()
    ratings = ratings[read]
    mostly_amf = (np.nanmean(ratings[:, :-1], axis=1) >= 0.5).astype(np.int64)
    cases = catalog.case[read] if catalog.has_cases else None
    plan = plan_resampling(mostly_amf, ("NMF", "AMF"), [np.arange(len(ratings))], cases)
    kappas = agreement_estimates(ratings, plan, BootstrapSettings(replicates=REPLICATES))
    return tuple(
        Pair(
            names[pair.first],
            names[pair.second],
            pair.figures,
            pair.agreement,
            kappas[f"kappa.{pair.first}.{pair.second}"],
        )
        for pair in agreement(ratings).pairs
    )


def _differences(
    catalog: Catalog, votes: Mapping[str, Mapping[str, Vote]], own: Mapping[str, Vote]
) -> tuple[Difference, ...]:
    found: list[tuple[int, float, Difference]] = []
    for figure in own:
        row = catalog.row_of.get(figure)
        if row is None:
            continue
        calls = [(name, cast[figure].call) for name, cast in votes.items() if figure in cast]
        model = catalog.prediction[row]
        if model:
            calls.append((MODEL, Call(model)))
        sides = {call for _, call in calls if call is not Call.UNSURE}
        if len(sides) < 2:
            continue
        people = {call for name, call in calls if call is not Call.UNSURE and name != MODEL}
        said = tuple((name, call.display) for name, call in calls if call)
        # Where people differ comes first; then where the model was surest.
        found.append((-len(people), float(np.nan_to_num(catalog.uncertainty[row], nan=1)), Difference(row, said)))
    return tuple(difference for *_, difference in sorted(found, key=lambda entry: entry[:2]))
