"""Votes come in, and are taken back."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse

from atypica.apps.web.review.access import RefusedError, Visit, Voter
from atypica.apps.web.review.ballot import Ballot, Call
from atypica.apps.web.review.page import page
from atypica.apps.web.review.query import LONGEST_FILTERS, SORTS
from atypica.apps.web.review.routes.gallery import tile
from atypica.apps.web.review.storage.votes import Entry, Shown, Standing
from atypica.core.errors import FigureError, SettingsError
from atypica.core.vocabulary import parse_subtype

router = APIRouter()
MOST_AT_ONCE = 2000
REQUEST = re.compile(r"[\w-]{8,64}", re.ASCII)
VIEWS = ("gallery", "large", "selection", "list")
MOST_CASES = 12
"""Cases that an answer shows anew; a larger batch has the page load them all."""


def shown(
    view: Annotated[str, Form()] = "gallery",
    sort: Annotated[str, Form()] = "",
    filters: Annotated[str, Form(max_length=LONGEST_FILTERS)] = "",
    map: Annotated[bool, Form()] = False,
) -> Shown:
    """What the page says that the reader saw."""
    return Shown(view if view in VIEWS else "other", sort if sort in SORTS else "", filters, map)


@router.post("/votes")
def vote(
    voter: Voter,
    figures: Annotated[str, Form()],
    request: Annotated[str, Form()],
    call: Annotated[str, Form()] = "",
    subtype: Annotated[str, Form()] = "",
    comment: Annotated[str | None, Form()] = None,
    view: Annotated[str, Form()] = "gallery",
    sort: Annotated[str, Form()] = "",
    filters: Annotated[str, Form(max_length=LONGEST_FILTERS)] = "",
    map: Annotated[bool, Form()] = False,
) -> HTMLResponse:
    """Cast a vote on one figure or on several; `call` may be "confirm", which takes the model's calls over."""
    rows = _rows(voter, figures.split(","))
    standing = voter.standing()
    review, catalog = voter.review, voter.review.catalog
    opinions = review.opinions(voter.reader, standing, rows)
    entries = [
        Entry(
            catalog.ids[row],
            catalog.images[row],
            _ballot(voter, standing, row, call, subtype, comment),
            opinion,
        )
        for row, opinion in zip(rows, opinions, strict=True)
    ]
    review.votes.cast(voter.signed, entries, shown(view, sort, filters, map), _request(request))
    return _answer(voter, rows)


@router.post("/undo")
def undo(
    voter: Voter,
    request: Annotated[str, Form()],
    view: Annotated[str, Form()] = "gallery",
    sort: Annotated[str, Form()] = "",
    filters: Annotated[str, Form(max_length=LONGEST_FILTERS)] = "",
    map: Annotated[bool, Form()] = False,
) -> HTMLResponse:
    """Take the last vote, or batch, back."""
    taken = voter.review.votes.undo(voter.signed, shown(view, sort, filters, map), _request(request))
    catalog = voter.review.catalog
    return _answer(voter, [catalog.row_of[vote.figure] for vote in taken if vote.figure in catalog.row_of])


def _rows(voter: Visit, keys: Iterable[str]) -> list[int]:
    catalog = voter.review.catalog
    wanted = list(dict.fromkeys(key for key in keys if key))
    if not 0 < len(wanted) <= MOST_AT_ONCE:
        raise SettingsError(f"{len(wanted)} figures at once", f"choose 1 to {MOST_AT_ONCE}")
    lost = [key for key in wanted if key not in catalog.rows]
    if lost:
        raise FigureError(f"{len(lost)} of these figures are not in this study", "load the page again")
    return [catalog.rows[key] for key in wanted]


def _ballot(voter: Visit, standing: Standing, row: int, call: str, subtype: str, comment: str | None) -> Ballot:
    review, catalog = voter.review, voter.review.catalog
    before = standing.votes.get(catalog.ids[row])
    if call == "keep":
        return Ballot(before.call if before else None, before.subtype if before else None, comment)
    if call != "confirm":
        return Ballot.parse(call, subtype, comment)
    if not review.may_see(standing, row):
        raise RefusedError("the model's opinion is hidden until you vote", "call the figure yourself")
    if not catalog.typed[row]:
        raise SettingsError(f"{catalog.names[row]} was not typed, there is nothing to confirm", "call it yourself")
    named = parse_subtype(catalog.subtype[row]) if catalog.subtype[row] else None
    return Ballot(Call(catalog.prediction[row]), named, comment)


def _request(request: str) -> str:
    if not REQUEST.fullmatch(request):
        raise SettingsError("the request has no usable number", "load the page again")
    return request


def _answer(voter: Visit, rows: list[int]) -> HTMLResponse:
    """The tiles, the progress and the cases that changed, to be put in the place of the old ones."""
    review, standing = voter.review, voter.standing()
    progress = review.progress(voter.reader)
    touched = {int(review.catalog.case_codes[row]) for row in rows}
    few = len(touched) <= MOST_CASES
    answer = page(
        "_answer.html.j2",
        review=review,
        tiles=[tile(voter, standing, row, None) for row in rows],
        progress=progress,
        cases=[case for case in progress.cases if case.number in touched] if few else [],
    )
    return HTMLResponse(answer, headers={} if few else {"X-Cases": "reload"})
