"""The slides that figures lie on, in tiles."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Response

from atypica.apps.web.review.access import Guest

router = APIRouter()
AT_ONCE = CapacityLimiter(4)
"""Tiles decoded at the same time; further ones wait without a thread, so that votes never wait for them."""


@router.get("/slides/{key}")
def slide(guest: Guest, key: str) -> dict[str, int]:
    """Size and levels of one slide."""
    with guest.review.unnamed():
        return asdict(guest.review.slides.info(key))


@router.get("/slides/{key}/{level}/{column}_{row}.jpg")
async def tile(guest: Guest, key: str, level: int, column: int, row: int) -> Response:
    """One tile; it tells nothing of the model's opinion."""
    with guest.review.unnamed():
        content = await to_thread.run_sync(partial(guest.review.slides.tile, key, level, column, row), limiter=AT_ONCE)
    return Response(content, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})
