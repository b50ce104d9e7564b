"""The page that shows the OpenAPI document: Swagger UI from this package, nothing fetched from outside."""

from __future__ import annotations

from importlib.resources import files

from fastapi import FastAPI
from fastapi.responses import Response

PACKAGE, FOLDER = "atypica.apps.web.serve", "swagger"
KINDS = {".js": "text/javascript", ".css": "text/css", ".html": "text/html"}
PAGE, ASSETS = "page.html", ("swagger-ui-bundle.js", "swagger-ui.css", "start.js", "page.css")
CACHED = "private, max-age=86400"


def add_docs(app: FastAPI) -> None:
    """Add `/docs` and its files."""
    app.get("/docs", include_in_schema=False)(_page)
    app.get("/docs/{name}", include_in_schema=False)(_asset)


async def _page() -> Response:
    return _file(PAGE)


async def _asset(name: str) -> Response:
    if name not in ASSETS:
        return Response(status_code=404)
    answer = _file(name)
    answer.headers["Cache-Control"] = CACHED
    return answer


def _file(name: str) -> Response:
    content = files(PACKAGE).joinpath(FOLDER, name).read_bytes()
    return Response(content, media_type=KINDS[name[name.rindex(".") :]])
