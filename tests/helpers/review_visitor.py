"""A reader's browser without a window: it keeps cookies, and sends the page's token with its votes."""

from __future__ import annotations

import re
import uuid
from typing import Any

from starlette.testclient import TestClient
from starlette.types import ASGIApp


class Visitor:
    """Visits the review page.

    Args:
        app: of `create_app`.
        token: to sign in with; None where none is needed.
    """

    def __init__(self, app: ASGIApp, token: str | None = None) -> None:
        self.client = TestClient(app, base_url="http://127.0.0.1:8765", follow_redirects=True)
        if token:
            self.client.get("/enter", params={"token": token})
        found = re.search(r'data-csrf="(\w+)"', self.page())
        self.csrf = found.group(1) if found else ""

    def page(self, **query: Any) -> str:
        """The HTML of the gallery's page."""
        return self.client.get("/", params=query, headers={"accept": "text/html"}).text

    def tiles(self, start: int = 0, count: int = 400, as_of: int = 0, **query: Any) -> str:
        """The HTML of some tiles."""
        answer = self.client.get("/tiles", params={"start": start, "count": count, "as_of": as_of, **query})
        assert answer.status_code == 200, answer.text
        return answer.text

    def keys(self, **query: Any) -> list[str]:
        """The keys of the figures in the order of the gallery."""
        return re.findall(r'data-key="(\w+)"', self.tiles(**query))

    def vote(self, *keys: str, request: str | None = None, **fields: Any) -> Any:
        """Cast a vote; gives the answer."""
        sent = {"figures": ",".join(keys), "request": request or uuid.uuid4().hex, "sort": "source", **fields}
        return self.client.post("/votes", data=sent, headers={"X-CSRF-Token": self.csrf})

    def undo(self) -> Any:
        """Take the last vote back; gives the answer."""
        return self.client.post("/undo", data={"request": uuid.uuid4().hex}, headers={"X-CSRF-Token": self.csrf})


def rates(html: str) -> list[str]:
    """The AMF rates that a page shows."""
    return re.findall(r'<b class="amf" id="[\w-]+">(.*?)</b>', html)


def labeled(html: str) -> int:
    """How many figures a page says are labeled."""
    found = re.search(r'data-labeled="(\d+)"', html)
    assert found
    return int(found.group(1))


def cells(html: str) -> list[str]:
    """The texts of all cells of a page's tables."""
    return re.findall(r"<t[hd][^>]*>([^<]+)<", html)
