"""`atypica serve`: the model over HTTP."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

from atypica.apps.cli.screen import say
from atypica.core.errors import ExitCode, MissingExtraError
from atypica.core.machine import default_threads
from atypica.inference.model import load_model
from atypica.inference.pipeline import BATCH

HOST, PORT = "127.0.0.1", 8080


def serve(
    *,
    model: Path | None = None,
    host: str = HOST,
    port: int = PORT,
    mpp: float | None = None,
    threshold: str | None = None,
    threads: int | None = None,
    batch: int = BATCH,
    max_upload_mb: int = 64,
    max_pixels: int = 4_194_304,
    max_figures: int = 1000,
    max_seconds: float = 120,
    max_requests: int = 64,
    queue: int = 1000,
) -> int:
    """Answer POST /classify, GET /model, /health and /metrics; GET /docs explains them. Research use only.

    Listens on this machine only. For any other --host every request must show a token: the one in the environment
    variable ATYPICA_TOKEN, else one that is made and printed. Concurrent requests share batches; one too many is
    answered with 429 and Retry-After. SIGTERM or Ctrl-C: what is under way is finished.

    Parameters
    ----------
    model
        A model bundle (folder or zip); the one that comes with atypica if not given.
    host
        The address to listen on; 0.0.0.0 for all.
    port
        The port; 0 takes a free one.
    mpp
        Micrometers per pixel of requests that do not say them. Without it, a TIFF's tag or 0.25 is taken, and the
        answer says that.
    threshold
        That of requests that do not say one: a number, or a name from the model's card. The card's default if not
        given.
    threads
        Worker threads; one a core if not given.
    batch
        The most figures a batch; 1 turns sharing off.
    max_upload_mb
        The largest body of a request, in MiB; archives may not unpack to more either.
    max_pixels
        Refuse larger images undecoded.
    max_figures
        The most figures of a request.
    max_seconds
        Give a request up after so long.
    max_requests
        Requests to classify that may be under way; further ones are turned away unread.
    queue
        Crops that may wait (a figure counts once for each view) before requests are turned away.
    """
    try:
        import_module("python_multipart")  # Starlette asks for it only when a form arrives
        from atypica.apps.web.bind import TOKEN, check_bind
        from atypica.apps.web.serve.app import Service, build_app
        from atypica.apps.web.serve.limits import Limits
        from atypica.apps.web.server import answer, listen
    except ImportError as error:
        raise MissingExtraError("serve", "web") from error
    limits = Limits(
        upload_mb=max_upload_mb,
        pixels=max_pixels,
        figures=max_figures,
        seconds=max_seconds,
        queue=queue,
        requests=max_requests,
        uploads_mb=max(4 * max_upload_mb, 256),
    )
    bind = check_bind(host, os.environ.get(TOKEN))
    loaded = load_model(model)
    workers = default_threads() if threads is None else threads
    app = build_app(Service(loaded, bind, limits, workers, batch, mpp, threshold))
    socket = listen(host, port)
    port = int(socket.getsockname()[1])
    say(f"model {loaded.card.name} {loaded.card.version}, {workers} worker threads, batches of up to {batch}")
    say(f"listening on {bind.url(port)} (API: {bind.url(port)}docs)", "bold")
    for note in bind.notes(port):
        say(f"  {note}", "" if bind.token is None else "yellow")
    answer(app, socket, patience_s=int(max_seconds) + 1)
    say("stopped")
    return ExitCode.OK
