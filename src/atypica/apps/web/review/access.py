"""Who is asking: the reader of a cookie, and the proof that a change was meant."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Form, Header, Request, Response

from atypica.apps.web.bind import same_secret
from atypica.apps.web.review.storage.readers import Signed
from atypica.apps.web.review.storage.votes import Standing
from atypica.apps.web.review.study import Review
from atypica.core.errors import AtypicaError


class NotSignedIn(Exception):  # noqa: N818 - no error, a way to the entrance
    """Nobody who is known asks."""


class RefusedError(AtypicaError):
    """A request that may not be served; answered with 403."""


def review_of(request: Request) -> Review:
    """The study that the server serves."""
    return request.app.state.review


Study = Annotated[Review, Depends(review_of)]


@dataclass(frozen=True)
class Visit:
    """A reader with a browser, and the token that its forms must carry."""

    review: Review
    signed: Signed
    csrf: str

    @property
    def reader(self) -> int:
        """The reader's id."""
        return self.signed.reader

    def standing(self) -> Standing:
        """The reader's votes as they stand."""
        return self.review.votes.standing(self.reader)


def visit(request: Request, response: Response, review: Study) -> Visit:
    """Who asks. Where no reader has a token, whoever sits at this machine is let in at once.

    Raises:
        NotSignedIn: the cookie is nobody's, and a token is demanded.
    """
    name = cookie_name(review)
    secret = request.cookies.get(name, "")
    signed = review.readers.find(secret) if secret else None
    if signed is None:
        if request.method != "GET" or (entered := review.readers.local()) is None:
            raise NotSignedIn
        signed, secret = entered
        set_cookie(response, name, secret, secure=request.url.scheme == "https")
    return Visit(review, signed, csrf_token(secret))


Guest = Annotated[Visit, Depends(visit)]


def meant(guest: Guest, x_csrf_token: Annotated[str, Header()] = "", csrf: Annotated[str, Form()] = "") -> Visit:
    """A visit that changes something, and comes from our own page.

    Raises:
        RefusedError: the page's token is missing or wrong.
    """
    if not same_secret(x_csrf_token or csrf, guest.csrf):
        raise RefusedError("this request does not come from the page", "load the page again")
    return guest


Voter = Annotated[Visit, Depends(meant)]


def cookie_name(review: Review) -> str:
    """Two servers on one machine do not overwrite each other's cookie, and a restart keeps it."""
    place = f"{review.readers.place} {review.name}"
    return f"atypica_review_{hashlib.sha256(place.encode()).hexdigest()[:8]}"


def set_cookie(response: Response, name: str, secret: str, *, secure: bool) -> None:
    """Give the browser its secret; scripts cannot read it, other sites cannot send it with a change."""
    response.set_cookie(name, secret, max_age=60 * 60 * 24 * 90, httponly=True, samesite="lax", secure=secure, path="/")


def csrf_token(secret: str) -> str:
    """Made from the cookie's secret, from which it tells nothing."""
    return hmac.new(secret.encode(), b"atypica form", hashlib.sha256).hexdigest()
