"""The review page as a web application."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from atypica.apps.web.bind import Bind
from atypica.apps.web.review.access import NotSignedIn, RefusedError
from atypica.apps.web.review.page import page
from atypica.apps.web.review.routes import entry, gallery, pictures, reports, slides, voting
from atypica.apps.web.review.study import Review
from atypica.apps.web.security import OriginGate, SmallBodies, StrictHeaders, problem
from atypica.core.errors import AtypicaError, FigureError

STATIC = Path(__file__).parent / "static"


def create_app(review: Review, bind: Bind) -> ASGIApp:
    """The page behind strict headers, the check of host and origin, and a bound on what may be sent.

    Args:
        review: what is served.
        bind: where it listens.
    """
    app = FastAPI(title="atypica review", openapi_url=None, docs_url=None, redoc_url=None)
    app.state.review = review
    for routes in (entry, gallery, pictures, slides, voting, reports):
        app.include_router(routes.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_exception_handler(NotSignedIn, _to_the_entrance)
    app.add_exception_handler(AtypicaError, _mistake)
    app.add_exception_handler(RequestValidationError, _misunderstood)
    app.add_exception_handler(HTTPException, _missing)
    return StrictHeaders(OriginGate(SmallBodies(app), bind))


def _to_the_entrance(request: Request, _: Exception) -> Response:
    if request.method == "GET" and _wants_page(request):
        return RedirectResponse("/enter", status_code=303)
    return problem(401, "you are not signed in", "load the page and give your token")


def _mistake(request: Request, error: Exception) -> Response:
    assert isinstance(error, AtypicaError)
    status = 403 if isinstance(error, RefusedError) else 404 if isinstance(error, FigureError) else 400
    return _tell(request, status, error.message, error.fix)


def _misunderstood(request: Request, _: Exception) -> Response:
    return _tell(request, 422, "the request is not understood", "load the page again")


def _missing(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _tell(request, error.status_code, str(error.detail), "")


def _tell(request: Request, status: int, message: str, fix: str) -> Response:
    if not _wants_page(request):
        return problem(status, message, fix)
    return HTMLResponse(page("problem.html.j2", review=request.app.state.review, message=message, fix=fix), status)


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "") and "hx-request" not in request.headers
