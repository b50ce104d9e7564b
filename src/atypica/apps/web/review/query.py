"""Which figures the gallery shows, and in what order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self
from urllib.parse import urlencode

import numpy as np
from numpy.typing import NDArray

from atypica.apps.web.review.ballot import Call
from atypica.apps.web.review.catalog import Catalog
from atypica.apps.web.review.storage.votes import Vote
from atypica.core.errors import SettingsError
from atypica.core.vocabulary import Subtype

Rows = NDArray[np.int64]
SORTS = {
    "uncertainty": "most uncertain first",
    "confidence": "most confident first",
    "amf": "likeliest AMF first",
    "disagreement": "experts likely to disagree first",
    "unlike": "most unlike the training figures first",
    "case": "by case",
    "slide": "by slide",
    "source": "as in the source",
    "random": "shuffled",
}
"""The orders, and how they are called on the page."""
OPEN_SORTS = ("random", "case", "slide")
"""Those that tell nothing of the model's opinion, nor of labels (a source may list one class after the other); the
first is a blinded reader's usual one."""
LABELED = (
    {"no": "not yet", "yes": "all of them"}
    | {call.value: call.display for call in Call}
    | {"comment": "with a comment"}
)
"""The values of the filter by one's own votes."""
LONGEST_FIND = 200
"""Characters to find a figure by."""
LONGEST_FILTERS = 2000
"""What a vote keeps of the filters, as in an address."""
CHECK = {"abstain": "to be checked", "strange": "unlike the training figures"}


@dataclass(frozen=True)
class Query:
    """Sort and filters of the gallery; blank filters let everything pass.

    Attributes:
        sort: one of `SORTS`.
        case, slide: exact.
        prediction: AMF, NMF, or "error" for figures that could not be typed.
        subtype: as predicted.
        labeled: one of `LABELED`, by the reader's own votes.
        check: one of `CHECK`.
        find: a part of the figure's name.
    """

    sort: str = "uncertainty"
    case: str = ""
    slide: str = ""
    prediction: str = ""
    subtype: str = ""
    labeled: str = ""
    check: str = ""
    find: str = ""

    @classmethod
    def parse(cls, given: Mapping[str, str], *, blinded: bool) -> Self:
        """Read a query from an address.

        Args:
            given: names and values; others than of a query are passed over.
            blinded: the model's opinion must not show through: what would tell it is refused.

        Raises:
            SettingsError: an unknown value, one that a blinded reader may not use, or a text to find that is too long.
        """
        known = {name: given[name] for name in cls.__dataclass_fields__ if given.get(name)}
        query = cls(**({"sort": OPEN_SORTS[0] if blinded else cls.sort} | known))
        query._check(blinded)
        return query

    def _check(self, blinded: bool) -> None:
        if len(self.find) > LONGEST_FIND:
            raise SettingsError(f"find has {len(self.find)} characters", f"give {LONGEST_FIND} at most")
        allowed: dict[str, Any] = {
            "sort": OPEN_SORTS if blinded else SORTS,
            "prediction": ("error",) if blinded else ("AMF", "NMF", "error"),
            "subtype": () if blinded else [subtype.value for subtype in Subtype],
            "labeled": LABELED,
            "check": () if blinded else CHECK,
        }
        for name, values in allowed.items():
            value = getattr(self, name)
            if value and value not in values:
                why = " (the model's opinion is hidden)" if blinded else ""
                raise SettingsError(f"{name}={value} is not possible{why}", "choose from the lists on the page")

    def __str__(self) -> str:
        """As in an address; blank filters are left out."""
        return urlencode({name: value for name, value in asdict(self).items() if value})

    @property
    def filters(self) -> str:
        """The filters alone, as in an address; cut where names of cases or slides are longer than a vote keeps."""
        given = {name: value for name, value in asdict(self).items() if value and name != "sort"}
        return urlencode(given)[:LONGEST_FILTERS]


def select(catalog: Catalog, query: Query, votes: Mapping[str, Vote], seed: int) -> Rows:
    """The rows that a query shows, in its order.

    Args:
        catalog: the figures.
        query: what is asked for.
        votes: the reader's votes as they stand, by figure id.
        seed: of the shuffled order.
    """
    rows = _order(catalog, query.sort, seed)
    return rows[_passes(catalog, query, votes)[rows]]


def _passes(catalog: Catalog, query: Query, votes: Mapping[str, Vote]) -> NDArray[np.bool_]:
    keep = np.ones(len(catalog), dtype=bool)
    for name in ("case", "slide", "subtype"):
        if value := getattr(query, name):
            keep &= getattr(catalog, name) == value
    if query.prediction == "error":
        keep &= ~catalog.typed
    elif query.prediction:
        keep &= catalog.prediction == query.prediction
    if query.check:
        keep &= catalog.abstain if query.check == "abstain" else catalog.strange
    if query.find:
        wanted = query.find.lower()
        keep &= np.array([wanted in name.lower() for name in catalog.names], dtype=bool)
    if query.labeled:
        keep &= _voted(catalog, query.labeled, votes)
    return keep


def _voted(catalog: Catalog, wanted: str, votes: Mapping[str, Vote]) -> NDArray[np.bool_]:
    tests: dict[str, Callable[[Vote], bool]] = {
        "yes": lambda vote: vote.call is not None,
        "no": lambda vote: vote.call is not None,
        "comment": lambda vote: bool(vote.comment),
    }
    test = tests.get(wanted, lambda vote: vote.call == wanted)
    found = np.zeros(len(catalog), dtype=bool)
    found[[catalog.row_of[figure] for figure, vote in votes.items() if figure in catalog.row_of and test(vote)]] = True
    return ~found if wanted == "no" else found


def _order(catalog: Catalog, sort: str, seed: int) -> Rows:
    shuffled = np.random.default_rng(seed).permutation(len(catalog))
    if sort == "random":
        return shuffled
    if sort in {"case", "slide"}:
        names = catalog.slide if sort == "slide" else catalog.case
        places = {name: place for place, name in enumerate(sorted(set(names), key=_natural))}
        # Within a case the order of the source could tell a blinded reader the labels.
        rows = shuffled if catalog.blinded else np.arange(len(catalog))
        return rows[np.argsort(np.array([places[name] for name in names])[rows], kind="stable")]
    falling = {
        "uncertainty": catalog.uncertainty,
        "confidence": -catalog.uncertainty,
        "amf": catalog.p_amf,
        "disagreement": catalog.disagreement,
        "unlike": catalog.ood,
    }
    # NaN comes last in every order.
    return np.argsort(-falling[sort], kind="stable") if sort in falling else np.arange(len(catalog))


def _natural(name: str) -> list[tuple[int, int | str]]:
    """Case 2 before case 10."""
    parts = "".join(letter if letter.isdigit() else f" {letter} " for letter in name).split()
    return [(0, int(part)) if part.isascii() and part.isdigit() else (1, part) for part in parts]
