"""The pictures of figures."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response

from atypica.apps.web.review.access import Guest, RefusedError
from atypica.apps.web.review.pictures import KINDS
from atypica.core.errors import FigureError

router = APIRouter()


@router.get("/pictures/{key}/{kind}")
def picture(guest: Guest, key: str, kind: str) -> Response:
    """One picture; the map is part of the model's opinion."""
    review = guest.review
    row = review.catalog.rows.get(key)
    if row is None or kind not in KINDS:
        raise FigureError("there is no such picture", "load the page again")
    if kind == "map":
        if not review.may_see(guest.standing(), row):
            raise RefusedError("the model's opinion is hidden until you vote", "vote first")
        if not review.pictures.maps or not review.catalog.typed[row]:
            raise FigureError("there is no map of this figure", "give the model that typed it with --model")
        review.note_shown(guest.reader, [row])
    with review.unnamed():
        response = FileResponse(review.pictures.path(row, kind))
    response.headers["Cache-Control"] = "no-store" if kind == "map" else "private, max-age=3600"
    return response
