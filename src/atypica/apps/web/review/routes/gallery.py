"""The gallery: the page, its tiles, and one figure at large."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse

from atypica.apps.web.review.access import Guest, Visit
from atypica.apps.web.review.catalog import Catalog, Opinion
from atypica.apps.web.review.page import page
from atypica.apps.web.review.query import CHECK, LABELED, LONGEST_FIND, OPEN_SORTS, SORTS, Query
from atypica.apps.web.review.storage.votes import Standing, Vote
from atypica.core.errors import FigureError
from atypica.core.vocabulary import Subtype

router = APIRouter()
MOST_TILES = 400
MOST_CHOICES = 2000
"""A list of more slides is too long to choose from; where each case has one, the list of cases is enough."""


@dataclass(frozen=True)
class Tile:
    """A figure in the gallery; `opinion` is None where it must not be known, `index` its place in the order."""

    key: str
    index: int | None
    name: str
    case: str
    error: str
    vote: Vote | None
    opinion: Opinion | None


def tile(visitor: Visit, standing: Standing, row: int, index: int | None) -> Tile:
    """One figure as its reader may see it."""
    review, catalog = visitor.review, visitor.review.catalog
    return Tile(
        key=catalog.keys[row],
        index=index,
        name=catalog.names[row],
        case=catalog.case[row] if catalog.has_cases else "",
        error=catalog.error[row],
        vote=standing.votes.get(catalog.ids[row]),
        opinion=catalog.opinion(row) if review.may_see(standing, row) else None,
    )


def asked(guest: Guest, request: Request) -> Query:
    """The query of an address."""
    return Query.parse(dict(request.query_params), blinded=guest.review.blinded)


Asked = Annotated[Query, Depends(asked)]


@router.get("/")
def home(guest: Guest, query: Asked, response: Response) -> HTMLResponse:
    """The page."""
    review = guest.review
    as_of = review.votes.last_id()
    found = HTMLResponse(
        page(
            "gallery.html.j2",
            review=review,
            visit=guest,
            query=query,
            as_of=as_of,
            shown=len(review.order(guest.reader, query, as_of)),
            progress=review.progress(guest.reader),
            longest_find=LONGEST_FIND,
            **_choices(review.catalog, blinded=review.blinded),
        )
    )
    # A cookie set on the way in must leave with the page.
    found.raw_headers += [(name, value) for name, value in response.raw_headers if name == b"set-cookie"]
    return found


def _choices(catalog: Catalog, *, blinded: bool) -> dict[str, Any]:
    slides = catalog.values("slide")
    return {
        "sorts": {name: text for name, text in SORTS.items() if not blinded or name in OPEN_SORTS},
        "labeled": LABELED.items(),
        "checks": CHECK.items(),
        "subtypes": [(subtype.value, subtype.display) for subtype in Subtype],
        "slides": [(slide, slide) for slide in slides] if len(catalog.cases) < len(slides) <= MOST_CHOICES else [],
        "errors": not bool(catalog.typed.all()),
    }


@router.get("/cases")
def cases(guest: Guest) -> HTMLResponse:
    """The list of cases."""
    return HTMLResponse(page("_cases.html.j2", progress=guest.review.progress(guest.reader)))


@router.get("/tiles")
def tiles(guest: Guest, query: Asked, start: int, count: int, as_of: int) -> HTMLResponse:
    """A stretch of the gallery."""
    rows = guest.review.order(guest.reader, query, as_of)
    start, count = max(start, 0), min(max(count, 0), MOST_TILES)
    standing = guest.standing()
    wanted = rows[start : start + count].tolist()
    shown = [tile(guest, standing, row, start + place) for place, row in enumerate(wanted)]
    guest.review.note_shown(guest.reader, [row for row, made in zip(wanted, shown, strict=True) if made.opinion])
    return HTMLResponse(page("_tiles.html.j2", tiles=shown, review=guest.review))


@router.get("/next")
def next_open(guest: Guest, query: Asked, as_of: int, after: int) -> dict[str, int | None]:
    """The place of the next figure without the reader's label, from the beginning again after the last."""
    review = guest.review
    rows = review.order(guest.reader, query, as_of)
    labeled = guest.standing().labeled()
    begin = min(max(after + 1, 0), len(rows))
    open_places = (
        place
        for place in chain(range(begin, len(rows)), range(begin))
        if review.catalog.ids[rows[place]] not in labeled
    )
    return {"index": next(open_places, None)}


@router.get("/figures/{key}")
def figure(guest: Guest, key: str) -> HTMLResponse:
    """One figure at large."""
    review = guest.review
    row = review.catalog.rows.get(key)
    if row is None:
        raise FigureError("there is no such figure", "load the page again")
    return HTMLResponse(detail(guest, row))


def detail(visitor: Visit, row: int) -> str:
    """The HTML of one figure at large."""
    review, standing = visitor.review, visitor.standing()
    catalog = review.catalog
    try:
        with review.unnamed():
            field, error, place = review.pictures.field(row), "", review.pictures.place(row)
    except FigureError as found:
        field, error, place = None, found.message, None
    shown = tile(visitor, standing, row, None)
    if shown.opinion:
        review.note_shown(visitor.reader, [row])
    return page(
        "_detail.html.j2",
        review=review,
        tile=shown,
        slide=catalog.slide[row],
        field=field,
        place=place,
        unreadable=error,
        history=review.votes.history(visitor.reader, catalog.ids[row]),
    )
