"""Calls of the classification service without a network."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from atypica.apps.web.bind import check_bind
from atypica.apps.web.serve.app import Service, build_app
from atypica.apps.web.serve.limits import Limits
from atypica.inference.model import load_model


def service(bundle: Path, *, token: str | None = None, limits: dict[str, Any] | None = None, **settings: Any) -> Any:
    """The whole app around a tiny model."""
    bind = check_bind("127.0.0.1", token)
    return build_app(Service(load_model(bundle), bind, Limits(**limits or {}), **({"threads": 2} | settings)))


def with_client(app: Any, use: Callable[[httpx.AsyncClient], Awaitable[Any]]) -> Any:
    """What `use` gives, with a client of the app."""

    async def go() -> Any:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=60) as client:
            return await use(client)

    return asyncio.run(go())


def ask(app: Any, method: str, path: str, **request: Any) -> httpx.Response:
    """One answer."""
    return with_client(app, lambda client: client.request(method, path, **request))


def classify(app: Any, *files: tuple[str, bytes], **query: Any) -> httpx.Response:
    """The answer to files sent as a form."""
    return ask(app, "POST", "/classify", params=query, files=[("files", file) for file in files])


def crop(brightness: int = 100, side: int = 80) -> np.ndarray:
    """A crop with a gradient, so that no two rotations of it are the same."""
    ramp = np.linspace(-40, 40, side)
    grey = np.clip(brightness + ramp[:, None] + ramp[None] / 2, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def png(brightness: int = 100, side: int = 80) -> bytes:
    """The crop as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(crop(brightness, side)).save(buffer, "PNG")
    return buffer.getvalue()


def zipped(members: dict[str, bytes], **options: Any) -> bytes:
    """A zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()
