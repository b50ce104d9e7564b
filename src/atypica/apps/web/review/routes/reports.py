"""Agreement, and what leaves the page."""

from __future__ import annotations

import re
from collections.abc import Callable

import pandas as pd
from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from atypica.apps.web.review.access import Guest, Refused, Visit
from atypica.apps.web.review.agreement import agreed
from atypica.apps.web.review.export import figure_table, vote_table
from atypica.apps.web.review.page import page

router = APIRouter()
MOST_DIFFERENCES = 200


@router.get("/agreement")
def agreement(guest: Guest) -> HTMLResponse:
    """How far the readers agree with each other and with the model."""
    review = guest.review
    found = agreed(review.catalog, review.votes.all_standing(), review.readers.names(), guest.reader)
    shown = found.differences[:MOST_DIFFERENCES]
    return HTMLResponse(
        page("agreement.html.j2", review=review, visit=guest, agreed=found, shown=shown, catalog=review.catalog)
    )


@router.get("/export")
def export(guest: Guest) -> HTMLResponse:
    """What can be taken away."""
    review = guest.review
    return HTMLResponse(
        page(
            "export.html.j2",
            review=review,
            visit=guest,
            labeled=len(_figures(guest, every=False)),
            every=len(review.catalog),
            votes=len(_votes(guest)),
            geojson=False,
        )
    )


@router.get("/export/figures.csv")
def figures(guest: Guest, every: bool = False) -> Response:
    """The figure table with votes."""
    if every and guest.review.blinded:
        raise Refused("this review is blinded", "ask whoever runs it")
    return _csv(guest, "figures", _figures(guest, every=every))


@router.get("/export/votes.csv")
def votes(guest: Guest) -> Response:
    """Every row ever added; of a blinded review, one's own."""
    return _csv(guest, "votes", _votes(guest))


def _figures(guest: Visit, *, every: bool) -> pd.DataFrame:
    review = guest.review
    standing, names = review.votes.all_standing(), review.readers.names()
    readers = {
        who: name
        for who, name in names.items()
        if who in standing and standing[who].votes and (who == guest.reader or not review.blinded)
    }
    return figure_table(review.catalog, review.result.figures, standing, readers, every=every)


def _votes(guest: Visit) -> pd.DataFrame:
    if not guest.review.blinded:
        return vote_table(guest.review.votes.raw())
    seen = guest.standing().seen
    rows = guest.review.votes.raw(guest.reader)
    hidden = dict.fromkeys(("model_sha256", "model_prediction", "model_p_amf"))
    return vote_table([row if row["figure"] in seen else row | hidden for row in rows])


def _csv(guest: Visit, what: str, table: pd.DataFrame) -> Response:
    write: Callable[..., str] = table.to_csv
    name = re.sub(r"[^A-Za-z0-9-]+", "-", guest.review.name).strip("-") or "review"
    return Response(
        write(index=False),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}-{what}.csv"'},
    )
