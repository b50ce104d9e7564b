"""The service: its paths, put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Annotated, Any, TypeVar

import numpy as np
from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

import atypica
from atypica.apps.web.bind import Bind
from atypica.apps.web.security import HEADERS, problem, protect
from atypica.apps.web.serve import texts
from atypica.apps.web.serve.batcher import Batcher
from atypica.apps.web.serve.gate import Gate
from atypica.apps.web.serve.limits import Limits
from atypica.apps.web.serve.metrics import CONTENT_TYPE_LATEST, Metrics
from atypica.apps.web.serve.refused import RefusedError
from atypica.apps.web.serve.schemas import Answer, FigureAnswer, HealthAnswer, ModelAnswer, ModelName
from atypica.apps.web.serve.swagger import add_docs
from atypica.apps.web.serve.typist import Job, Row, Typist
from atypica.apps.web.serve.uploads import MULTIPART, RAW, Upload, receive_upload
from atypica.core.errors import SettingsError
from atypica.core.machine import default_threads
from atypica.inference.model import Model
from atypica.inference.pipeline import BATCH
from atypica.inference.resolution import POSSIBLE_MPP, Origin, Resolution
from atypica.inference.resolution_tally import ResolutionTally

Done = TypeVar("Done")
HEALTH = "/health"


class Views(IntEnum):
    """How many views of each figure are averaged."""

    ONE = 1
    EIGHT = 8


@dataclass(frozen=True)
class Service:
    """What a server is made of.

    Attributes:
        model: the model.
        bind: where it listens, and its token.
        limits: of a request, and of all.
        threads: workers.
        batch: the most figures of a batch; 1 turns dynamic batching off.
        mpp: micrometers per pixel where the request does not say them; None takes a TIFF's tag, else 0.25.
        threshold: that of requests that do not say one; None for the card's default.
    """

    model: Model
    bind: Bind
    limits: Limits = field(default_factory=Limits)
    threads: int = field(default_factory=default_threads)
    batch: int = BATCH
    mpp: float | None = None
    threshold: float | str | None = None


def build_app(service: Service) -> ASGIApp:
    """The whole server, its guards before it.

    Raises:
        SettingsError: the service's threshold is none.
    """
    service.model.threshold(service.threshold)
    typist = Typist(service.model)
    metrics = Metrics(service.batch, lambda: batcher.depth)
    batcher: Batcher[Job, Row] = Batcher(
        typist, service.threads, service.batch, service.limits.queue, metrics.batch.observe
    )
    api = _Api(service, batcher, metrics)
    app = api.app()
    paths = frozenset(getattr(route, "path", "") for route in app.routes)
    gate = Gate(app, service.limits, metrics, lambda: batcher.retry_after() if batcher.full else None, paths)
    return protect(gate, service.bind, open_paths=[HEALTH], headers=HEADERS)


@dataclass
class _Api:
    """The handlers of one server."""

    service: Service
    batcher: Batcher[Job, Row]
    metrics: Metrics
    stopping: bool = False

    def app(self) -> FastAPI:
        app = FastAPI(
            title="atypica",
            version=atypica.__version__,
            summary="Types mitotic figures in H&E histology: normal (NMF) or atypical (AMF).",
            description=texts.DESCRIPTION,
            license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
            docs_url=None,
            redoc_url=None,
            lifespan=self._lifespan,
            responses=texts.EVERYWHERE,
        )
        for kind, handler in ((RefusedError, _refused), (SettingsError, _unusable), (HTTPException, _http)):
            app.add_exception_handler(kind, handler)
        app.add_exception_handler(RequestValidationError, _invalid)
        app.add_exception_handler(Exception, _fault)
        app.get("/", include_in_schema=False)(_to_docs)
        app.post("/classify", **texts.CLASSIFY, response_model=Answer, openapi_extra=_body())(self.classify)
        app.get("/model", **texts.MODEL)(self.model)
        app.get(HEALTH, **texts.HEALTH)(self.health)
        app.get("/metrics", **texts.METRICS, response_class=Response)(self.counted)
        add_docs(app)
        plain = app.openapi
        app.openapi = lambda: _tidy(plain(), demands_token=self.service.bind.token is not None)
        return app

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncGenerator[None]:
        yield
        self.stopping = True
        await self.batcher.close()

    async def classify(
        self,
        request: Request,
        mpp: Annotated[float | None, Query(ge=POSSIBLE_MPP[0], le=POSSIBLE_MPP[1], description=texts.MPP)] = None,
        views: Annotated[Views, Query(description=texts.VIEWS)] = Views.ONE,
        threshold: Annotated[str | None, Query(description=texts.THRESHOLD, examples=["0.5"])] = None,
    ) -> Response:
        service = self.service
        cut = service.model.threshold(service.threshold if threshold is None else threshold)
        async with receive_upload(request, service.limits) as upload:
            resolution = Resolution(upload.figures, service.mpp if mpp is None else mpp)
            jobs = [Job(upload.crops, row, resolution, cut) for row in range(len(upload.places))]
            rows = await _unless_gone(request, self.batcher.run(jobs, int(views)))
            answer = self._answer(upload, rows, int(views))
        self.metrics.figures.labels("failed").inc(answer.failed)
        self.metrics.figures.labels("typed").inc(len(rows) - answer.failed)
        return Response(answer.model_dump_json(), media_type="application/json")

    def _answer(self, upload: Upload, rows: list[Row], views: int) -> Answer:
        card = self.service.model.card
        return Answer(
            model=ModelName(name=card.name, version=card.version, sha256=card.onnx_sha256),
            views=views,
            figures=[
                FigureAnswer(name=place.name, page=place.page, **row)
                for place, row in zip(upload.places, rows, strict=True)
            ],
            failed=sum(row["error"] is not None for row in rows),
            notes=[*upload.notes, *_resolution_notes(rows)],
        )

    async def model(self) -> ModelAnswer:
        card = self.service.model.card
        return ModelAnswer(
            name=card.name,
            version=card.version,
            created=card.created,
            description=card.description,
            intended_use=card.intended_use,
            license=card.license,
            sha256=card.onnx_sha256,
            field_um=card.geometry.field_um,
            size_px=card.geometry.size_px,
            subtypes=card.heads.get("subtype", []),
            thresholds={"default": card.thresholds.default, **card.thresholds.others},
            threshold_chosen_by=card.thresholds.chosen_by,
            refer_band=[card.thresholds.refer_low, card.thresholds.refer_high],
            training_data=card.training_data,
            metrics=card.metrics,
        )

    async def health(self) -> HealthAnswer:
        status = "stopping" if self.stopping else "busy" if self.batcher.full else "ready"
        return HealthAnswer(status=status, version=atypica.__version__)

    async def counted(self) -> Response:
        return Response(self.metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _resolution_notes(rows: list[Row]) -> tuple[str, ...]:
    mpp = np.array([np.nan if row["error"] else row["mpp"] for row in rows], dtype=np.float64)
    return ResolutionTally.of(mpp, [None if row["error"] else Origin(row["mpp_origin"]) for row in rows]).notes


def _body() -> dict[str, Any]:
    """The request's body in the OpenAPI document; it is read by `receive_upload`, under limits of its own."""
    file = {"type": "string", "format": "binary"}
    form = {
        "type": "object",
        "required": ["files"],
        "additionalProperties": False,
        "properties": {"files": {"type": "array", "items": file, "minItems": 1, "description": texts.FILES}},
    }
    content = {MULTIPART: {"schema": form}, **{kind: {"schema": file} for kind in RAW}}
    return {"requestBody": {"required": True, "description": texts.BODY, "content": content}}


def _tidy(document: dict[str, Any], *, demands_token: bool) -> dict[str, Any]:
    """The OpenAPI document, which calls an optional parameter optional but not null, and names the token."""
    for parameter in document["paths"]["/classify"]["post"]["parameters"]:
        for kind in parameter["schema"].pop("anyOf", []):
            parameter["schema"].update(kind if kind != {"type": "null"} else {})
    if demands_token:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
        document["paths"][HEALTH]["get"]["security"] = []
    return document


async def _unless_gone(request: Request, work: Awaitable[Done]) -> Done:
    """`work`, given up where the caller leaves before it is done."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise RefusedError(499, "the caller has left")
        return task.result()
    finally:
        task.cancel()
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _to_docs() -> RedirectResponse:
    return RedirectResponse("/docs")


async def _refused(_: Request, error: Any) -> Response:
    return error.response()


async def _unusable(_: Request, error: Any) -> Response:
    return problem(422, error.message, error.fix)


async def _http(_: Request, error: Any) -> Response:
    answer = problem(error.status_code, str(error.detail), "GET /docs shows what there is")
    answer.headers.update(error.headers or {})
    return answer


async def _invalid(_: Request, error: Any) -> Response:
    parts = [f"{'.'.join(str(part) for part in found['loc'])}: {found['msg']}" for found in error.errors()[:3]]
    return problem(422, "; ".join(parts), "mend the request; GET /docs shows what is taken")


async def _fault(_: Request, __: Exception) -> Response:
    return problem(500, "a fault of atypica; see the server's log")
