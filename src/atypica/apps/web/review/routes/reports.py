"""Agreement, and what leaves the page."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from atypica.apps.web.review.access import Guest, RefusedError, Visit
from atypica.apps.web.review.agreement import agreed
from atypica.apps.web.review.export import figure_table, slide_predictions, vote_table, without_formulas
from atypica.apps.web.review.page import page
from atypica.apps.web.review.query import LONGEST_FIND
from atypica.apps.web.review.slides import slides_of
from atypica.core.errors import FigureError
from atypica.inference.geojson import write_geojson

router = APIRouter()
MOST_DIFFERENCES = 200
MOST_SLIDES = 500


@router.get("/agreement")
def agreement(guest: Guest) -> HTMLResponse:
    """How far the readers agree with each other and with the model."""
    review = guest.review
    found = agreed(
        review.catalog, review.votes.all_standing(), review.readers.names(), guest.reader, blinded=review.blinded
    )
    shown = found.differences[:MOST_DIFFERENCES]
    return HTMLResponse(
        page(
            "agreement.html.j2",
            review=review,
            visit=guest,
            agreed=found,
            shown=shown,
            catalog=review.catalog,
            longest_find=LONGEST_FIND,
        )
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
            slides=_slides(guest),
        )
    )


@router.get("/export/figures.csv")
def figures(guest: Guest, every: bool = False) -> Response:
    """The figure table with votes."""
    if every and guest.review.blinded:
        raise RefusedError("this review is blinded", "ask whoever runs it")
    return _csv(guest, "figures", _figures(guest, every=every))


@router.get("/export/figures.geojson")
def geojson(guest: Guest, slide: int) -> Response:
    """The labeled figures of one slide, for QuPath."""
    review = guest.review
    slides = _slides(guest)
    if not 0 <= slide < len(slides):
        raise FigureError("there is no such slide", "load the page again")
    figures = review.result.figures
    table = slide_predictions(_figures(guest, every=False), review.result.predictions, figures, slides[slide])
    review.note_shown(guest.reader, [review.catalog.row_of[figure] for figure in table["figure_id"]])
    first = int((figures.table["image"].astype(str) == slides[slide]).to_numpy().argmax())
    with TemporaryDirectory() as folder:
        path = Path(folder) / "figures.geojson"
        write_geojson(path, table, review.pictures.mpp(first))
        content = path.read_bytes()
    return _download(guest, Path(slides[slide]).stem, "geojson", "application/geo+json", content)


def _slides(guest: Visit) -> list[str]:
    return slides_of(guest.review.result.figures)[:MOST_SLIDES]


@router.get("/export/votes.csv")
def votes(guest: Guest) -> Response:
    """Every row ever added; of a blinded review, one's own."""
    table, review = _votes(guest), guest.review
    if not review.blinded and len(table):
        known = review.catalog.row_of
        review.note_shown(guest.reader, [known[figure] for figure in set(table["figure"]) if figure in known])
    return _csv(guest, "votes", table)


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
    seen, catalog = guest.standing().seen, guest.review.catalog
    rows = guest.review.votes.raw(guest.reader)
    hidden = dict.fromkeys(("model_sha256", "model_prediction", "model_p_amf", "image"))
    names = {figure: name for figure, name in zip(catalog.ids, catalog.names, strict=True) if figure not in seen}
    return vote_table(
        [row if row["figure"] in seen else row | hidden | {"figure": names.get(row["figure"])} for row in rows]
    )


def _csv(guest: Visit, what: str, table: pd.DataFrame) -> Response:
    write: Callable[..., str] = without_formulas(table).to_csv
    return _download(guest, what, "csv", "text/csv; charset=utf-8", write(index=False).encode())


def _download(guest: Visit, what: str, suffix: str, media_type: str, content: bytes) -> Response:
    name = re.sub(r"[^A-Za-z0-9-]+", "-", f"{guest.review.name}-{what}").strip("-")
    disposition = f'attachment; filename="{name}.{suffix}"'
    return Response(content, media_type=media_type, headers={"Content-Disposition": disposition})
