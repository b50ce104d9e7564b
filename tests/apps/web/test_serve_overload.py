"""More callers than can be served: batches are shared, one too many is told to wait, nobody waits forever."""

from __future__ import annotations

import asyncio
import re
import tempfile
import threading
import time

import httpx
import pytest
from service_calls import classify, png, service, with_client

from atypica.apps.web.serve import uploads
from atypica.apps.web.serve.typist import Typist

SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/classify",
    "raw_path": b"/classify",
    "query_string": b"",
    "headers": [(b"host", b"127.0.0.1"), (b"content-type", b"image/png")],
    "scheme": "http",
    "http_version": "1.1",
    "server": ("127.0.0.1", 80),
    "root_path": "",
    "client": ("127.0.0.1", 9),
    "asgi": {"version": "3.0"},
}
FILES = [("files", ("a.png", png()))]


class Brake:
    """Holds every batch until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go, self.begun = threading.Event(), threading.Event()
        self.sizes: list[int] = []
        work = Typist.__call__

        def held(typist, jobs, views):
            self.sizes.append(len(jobs))
            self.begun.set()
            assert self.go.wait(60)
            return work(typist, jobs, views)

        monkeypatch.setattr(Typist, "__call__", held)


@pytest.fixture
def brake(monkeypatch):
    found = Brake(monkeypatch)
    yield found
    found.go.set()


async def send(client: httpx.AsyncClient, count: int = 1, **query) -> httpx.Response:
    files = [("files", (f"{n}.png", png(20 + 10 * n))) for n in range(count)]
    return await client.post("/classify", params={"mpp": 0.25, **query}, files=files)


async def queued(client: httpx.AsyncClient, crops: int) -> None:
    """Wait until so many crops wait."""
    while True:
        text = (await client.get("/metrics")).text
        if re.search(rf"^atypica_queue_crops {crops}\.0$", text, re.M):
            return
        await asyncio.sleep(0.01)


async def under_way(client: httpx.AsyncClient, requests: int) -> None:
    while f"atypica_requests_under_way {requests}.0\n" not in (await client.get("/metrics")).text:
        await asyncio.sleep(0.01)


def test_concurrent_requests_share_batches_and_each_gets_its_own_numbers(tiny_bundle, brake):
    app = service(tiny_bundle, threads=1)
    contents = [png(20 + 10 * n) for n in range(8)]

    async def use(client):
        first = asyncio.create_task(send(client))
        await asyncio.to_thread(brake.begun.wait, 60)
        tasks = [
            asyncio.create_task(client.post("/classify?mpp=0.25", files=[("files", (f"{n}.png", content))]))
            for n, content in enumerate(contents)
        ]
        await queued(client, 8)
        brake.go.set()
        await first
        return [await task for task in tasks], (await client.get("/metrics")).text

    answers, metrics = with_client(app, use)
    assert brake.sizes == [1, 8]
    assert 'atypica_batch_figures_bucket{le="7.0"} 1.0' in metrics
    assert "atypica_batch_figures_sum 9.0" in metrics
    alone = [classify(service(tiny_bundle), ("x", content), mpp=0.25).json()["figures"][0] for content in contents]
    found = [answer.json()["figures"][0]["p_amf"] for answer in answers]
    assert found == [row["p_amf"] for row in alone]
    assert len(set(found)) == 8


def test_a_full_queue_turns_callers_away_with_a_time_and_recovers(tiny_bundle, brake):
    app = service(tiny_bundle, threads=1, limits={"queue": 4})

    async def use(client):
        tasks = [asyncio.create_task(send(client))]
        await asyncio.to_thread(brake.begun.wait, 60)
        tasks.append(asyncio.create_task(send(client, 5)))
        await queued(client, 5)
        refused = [await send(client) for _ in range(20)]
        health = (await client.get("/health")).json()["status"]
        brake.go.set()
        served = [await task for task in tasks]
        return refused, health, served, await send(client)

    refused, health, served, after = with_client(app, use)
    assert {answer.status_code for answer in refused} == {429}
    assert all(1 <= int(answer.headers["Retry-After"]) <= 60 for answer in refused)
    assert refused[0].json() == {"error": "the server is busy", "fix": "send it again after 1 s"}
    assert health == "busy"
    assert [answer.status_code for answer in (*served, after)] == [200, 200, 200]


def test_too_many_requests_under_way_are_turned_away_unread(tiny_bundle, brake):
    app = service(tiny_bundle, threads=1, limits={"requests": 2})
    read = []

    async def body():
        read.append(1)
        yield png()

    async def use(client):
        tasks = [asyncio.create_task(send(client)) for _ in range(2)]
        await under_way(client, 2)
        refused = await client.post("/classify", content=body(), headers={"Content-Type": "image/png"})
        model = await client.get("/model")
        brake.go.set()
        return refused, model, [await task for task in tasks]

    refused, model, served = with_client(app, use)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert read == []
    assert [answer.status_code for answer in (model, *served)] == [200, 200, 200]


def test_bodies_under_way_are_bounded_together(tiny_bundle, brake):
    app = service(tiny_bundle, threads=1, limits={"upload_mb": 1, "uploads_mb": 1})
    noise = bytes(700_000)

    async def use(client):
        first = asyncio.create_task(client.post("/classify", files=[("files", ("a", noise)), *FILES]))
        await under_way(client, 1)
        refused = await client.post("/classify", files=[("files", ("a", noise))])
        brake.go.set()
        return refused, await first

    refused, first = with_client(app, use)
    assert (refused.status_code, first.status_code) == (429, 200)


def test_bodies_of_unknown_length_are_counted_as_they_arrive(tiny_bundle, brake):
    app = service(tiny_bundle, threads=1, limits={"upload_mb": 1, "uploads_mb": 1})
    kind = {"Content-Type": "image/png"}

    async def pieces(count):
        yield png()
        for _ in range(count):
            yield bytes(100_000)

    async def use(client):
        first = asyncio.create_task(client.post("/classify", content=pieces(6), headers=kind))
        await asyncio.to_thread(brake.begun.wait, 60)
        refused = await client.post("/classify", content=pieces(6), headers=kind)
        small = asyncio.create_task(client.post("/classify", content=pieces(1), headers=kind))
        await under_way(client, 2)
        brake.go.set()
        return refused, await first, await small

    assert [answer.status_code for answer in with_client(app, use)] == [429, 200, 200]


def test_a_caller_who_reads_too_slowly_is_cut_off(tiny_bundle):
    app = service(tiny_bundle, limits={"seconds": 0.5})
    sent: list[str] = []

    async def go():
        messages = [{"type": "http.request", "body": png(), "more_body": False}]

        async def receive():
            if not messages:
                await asyncio.sleep(30)
            return messages.pop(0)

        async def stuck(message):
            sent.append(message["type"])
            await asyncio.sleep(30)

        await app(SCOPE, receive, stuck)

    asyncio.run(go())
    assert sent == ["http.response.start"]


def test_a_request_that_takes_too_long_is_given_up(tiny_bundle, brake):
    app = service(tiny_bundle, threads=1, limits={"seconds": 0.5})

    async def use(client):
        late = [await send(client), await send(client)]
        brake.go.set()
        return late, (await client.get("/metrics")).text

    late, metrics = with_client(app, use)
    assert [answer.status_code for answer in late] == [503, 503]
    assert late[0].headers["Retry-After"] == "1"
    assert late[0].headers["X-Content-Type-Options"] == "nosniff"
    assert "atypica_queue_crops 0.0" in metrics  # what nobody waits for is dropped
    assert "atypica_requests_under_way 0.0" in metrics


def test_a_body_that_comes_too_slowly_is_given_up(tiny_bundle):
    app = service(tiny_bundle, limits={"seconds": 0.3})

    async def trickle():
        yield b"\x89PNG"
        await asyncio.sleep(30)

    async def use(client):
        return await client.post("/classify", content=trickle(), headers={"Content-Type": "image/png"})

    assert with_client(app, use).status_code == 408


def test_who_leaves_is_not_worked_for(tiny_bundle, brake):
    app = service(tiny_bundle, threads=1)

    async def use(client):
        first = asyncio.create_task(send(client))
        await asyncio.to_thread(brake.begun.wait, 60)
        status = await leave(app)
        await queued(client, 0)
        brake.go.set()
        assert (await first).status_code == 200
        return status

    assert with_client(app, use) is None
    assert brake.sizes == [1]


async def leave(app) -> int | None:
    """Send an image and hang up; the status of an answer, if there was one."""
    messages = [{"type": "http.request", "body": png(), "more_body": False}, {"type": "http.disconnect"}]
    sent: list[int] = []

    async def receive():
        return messages.pop(0)

    async def take(message):
        if message["type"] == "http.response.start" and message["status"] != 499:
            sent.append(message["status"])

    await app(SCOPE, receive, take)
    return sent[0] if sent else None


def test_a_fault_of_ours_is_told_without_its_inside(tiny_bundle, monkeypatch):
    def broken(*_):
        raise ValueError("inner matter")

    monkeypatch.setattr(Typist, "__call__", broken)
    answer = classify(service(tiny_bundle), ("a.png", png()))
    assert answer.status_code == 500
    assert "inner matter" not in answer.text
    assert answer.json()["error"]


def test_a_request_given_up_while_it_is_stored_leaves_no_file(tiny_bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    store = uploads._store

    def slow(files, root):
        time.sleep(1)
        return store(files, root)

    monkeypatch.setattr(uploads, "_store", slow)
    app = service(tiny_bundle, limits={"seconds": 0.3})
    assert classify(app, ("a.png", png())).status_code == 503
    assert list(tmp_path.iterdir()) == []
