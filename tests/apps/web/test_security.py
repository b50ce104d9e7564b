"""Where a server may listen, and what every answer and request must be like."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from atypica.apps.web.bind import check_bind, is_loopback, same_secret
from atypica.apps.web.security import HEADERS, protect
from atypica.core.errors import SettingsError

TOKEN = "a-token-of-many-characters"


def app() -> Starlette:
    async def page(_):
        return PlainTextResponse("secret")

    async def cached(_):
        return PlainTextResponse("picture", headers={"Cache-Control": "max-age=60"})

    async def broken(_):
        raise ValueError("inner matter")

    return Starlette(
        routes=[
            Route("/", page, methods=["GET", "POST"]),
            Route("/deep/page", page),
            Route("/health", page),
            Route("/cached", cached),
            Route("/broken", broken),
        ]
    )


def ask(
    method="GET", path="/", *, token=None, host="127.0.0.1", headers=None, cookies=None, base="http://127.0.0.1:80"
):
    guarded = protect(app(), check_bind(host, token), open_paths=["/health"])

    async def go():
        transport = httpx.ASGITransport(guarded, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=base, cookies=cookies) as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(go())


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "LOCALHOST"])
def test_loopback_needs_no_token(host):
    bind = check_bind(host)
    assert (bind.token, bind.generated, bind.loopback) == (None, False, True)
    assert "Only this machine" in bind.notes(80)[0]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "server.example", "localhost.evil.example", ""])
def test_any_other_address_gets_a_token_and_says_so(host):
    one, two = check_bind(host), check_bind(host)
    assert one.token
    assert two.token
    assert one.token != two.token
    assert len(one.token) >= 32
    said = " ".join(one.notes(8000))
    assert one.token in said
    assert "not encrypted" in said


def test_a_given_token_is_demanded_on_loopback_too_and_not_printed():
    bind = check_bind("127.0.0.1", TOKEN)
    assert bind.token == TOKEN
    assert TOKEN not in " ".join(bind.notes(80))
    assert TOKEN not in " ".join(check_bind("0.0.0.0", TOKEN).notes(80))


@pytest.mark.parametrize(
    "token", ["short", "with a blank in its midst", "newline-in-it-at-the-end\n", "schlüssel-schlüssel"]
)
def test_a_token_that_cannot_protect_is_refused(token):
    with pytest.raises(SettingsError, match="token is not usable") as caught:
        check_bind("127.0.0.1", token)
    assert token not in str(caught.value)


def test_secrets():
    assert same_secret("abc", "abc")
    assert not same_secret("abc", "abd")
    assert not same_secret("", "abc")
    assert not same_secret("\udcff\xfc", "abc")


def test_is_loopback_trusts_no_name_but_localhost():
    assert not is_loopback("127.0.0.1.evil.example")
    assert not is_loopback("0.0.0.0")


@pytest.mark.parametrize("path", ["/", "/nowhere", "/broken"])
def test_every_answer_has_the_strict_headers(path):
    answer = ask(path=path)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "inner matter" not in answer.text


def test_what_the_app_sets_itself_stands():
    assert ask(path="/cached").headers["Cache-Control"] == "max-age=60"


def test_the_token_is_demanded_of_everything_but_the_probe():
    for path in ("/", "/nowhere", "/deep/page"):
        refused = ask(path=path, token=TOKEN)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert refused.json()["fix"]
        assert {name: refused.headers[name] for name in HEADERS} == HEADERS
    assert ask(path="/health", token=TOKEN).status_code == 200


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer  {TOKEN}", 200),
        (f"Bearer {TOKEN}x", 401),
        (f"Bearer {TOKEN[:-1]}", 401),
        (f"Basic {TOKEN}", 401),
        (TOKEN, 401),
        ("Bearer", 401),
        ("Bearer ", 401),
        ("", 401),
    ],
)
def test_bearer(authorization, status):
    assert ask("POST", token=TOKEN, headers={"Authorization": authorization}).status_code == status


def test_a_link_with_the_token_sets_a_cookie_once():
    entry = ask(path=f"/deep/page?a=1&token={TOKEN}&b=%26", token=TOKEN)
    assert (entry.status_code, entry.headers["Location"]) == (303, "/deep/page?a=1&b=%26")
    cookie = entry.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert TOKEN not in cookie
    assert ask(token=TOKEN, cookies=dict(entry.cookies)).status_code == 200
    name = next(iter(entry.cookies))
    assert ask(token=TOKEN, cookies={name: "0" * 56}).status_code == 401
    assert ask(token=TOKEN + "2", cookies=dict(entry.cookies)).status_code == 401


def test_a_wrong_link_sets_none_and_a_post_never_enters_by_link():
    assert "Set-Cookie" not in ask(path="/?token=wrong", token=TOKEN).headers
    assert ask("POST", f"/?token={TOKEN}", token=TOKEN).status_code == 401


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example", "//\\/evil.example"])
def test_a_link_does_not_lead_elsewhere(path):
    url = httpx.URL("http://127.0.0.1").copy_with(raw_path=f"{path}?token={TOKEN}".encode())
    answer = ask(path=url, token=TOKEN)
    assert answer.status_code == 303
    assert answer.headers["Location"] in {"/evil.example", "/evil.example/"}


@pytest.mark.parametrize(
    ("base", "status"),
    [
        ("http://127.0.0.1:8000", 200),
        ("http://localhost:8000", 200),
        ("http://[::1]:8000", 200),
        ("http://evil.example:8000", 400),
        ("http://127.0.0.1.evil.example", 400),
    ],
)
def test_a_foreign_name_that_points_here_is_refused(base, status):
    assert ask(base=base).status_code == status


def test_with_a_token_the_host_may_have_any_name():
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert ask(base="http://lab.example", host="0.0.0.0", token=TOKEN, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("method", "origin", "status"),
    [
        ("POST", None, 200),
        ("POST", "http://127.0.0.1:8000", 200),
        ("POST", "http://127.0.0.1:9000", 403),
        ("POST", "http://evil.example", 403),
        ("POST", "null", 403),
        ("POST", "http://[", 403),
        ("GET", "http://evil.example", 200),
    ],
)
def test_a_page_of_another_origin_may_not_send(method, origin, status):
    headers = {} if origin is None else {"Origin": origin}
    assert ask(method, headers=headers, base="http://127.0.0.1:8000").status_code == status


@pytest.mark.parametrize(
    ("site", "mode", "status"),
    [
        ("cross-site", "no-cors", 403),
        ("cross-site", "cors", 403),
        ("cross-site", "navigate", 200),
        ("same-origin", "cors", 200),
        ("none", "navigate", 200),
    ],
)
def test_a_page_of_another_origin_may_not_load_into_itself(site, mode, status):
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}
    assert ask(headers=headers, base="http://127.0.0.1:8000").status_code == status


def test_websockets_are_refused():
    sent = []

    async def go():
        async def send(message):
            sent.append(message)

        await protect(app(), check_bind("127.0.0.1"))({"type": "websocket", "headers": []}, None, send)

    asyncio.run(go())
    assert sent == [{"type": "websocket.close", "code": 1008}]
