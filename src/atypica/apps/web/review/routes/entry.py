"""Signing in and out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from atypica.apps.web.review.access import Study, Voter, cookie_name, set_cookie
from atypica.apps.web.review.page import page
from atypica.apps.web.review.study import Review

router = APIRouter()


@router.get("/health")
def health() -> dict[str, str]:
    """Whether the server answers."""
    return {"status": "ok"}


@router.get("/enter")
def entrance(request: Request, review: Study, token: str = "") -> Response:
    """The door: asks for a token, or takes the one of the link that the reader was given."""
    if token:
        return _enter(request, review, token)
    return HTMLResponse(page("enter.html.j2", review=review, wrong=False))


@router.post("/enter")
def enter(request: Request, review: Study, token: Annotated[str, Form()] = "") -> Response:
    """Sign in with a token."""
    return _enter(request, review, token.strip())


def _enter(request: Request, review: Review, token: str) -> Response:
    entered = review.readers.enter(token)
    if entered is None:
        return HTMLResponse(page("enter.html.j2", review=review, wrong=True), 403)
    response = RedirectResponse("/", status_code=303)
    set_cookie(response, cookie_name(review), entered[1], secure=request.url.scheme == "https")
    return response


@router.post("/leave")
def leave(visitor: Voter) -> Response:
    """Sign out."""
    visitor.review.readers.leave(visitor.signed.sitting)
    response = RedirectResponse("/enter", status_code=303)
    response.delete_cookie(cookie_name(visitor.review), path="/")
    return response
