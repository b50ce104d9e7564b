"""Who may vote, as whom, and from where."""

from __future__ import annotations

import pytest
from review_visitor import labeled
from starlette.testclient import TestClient

from atypica.apps.web.bind import Bind
from atypica.apps.web.review.app import create_app
from atypica.apps.web.review.serve import check_access
from atypica.core.errors import SettingsError


def test_labels_of_one_reader_cannot_be_cast_as_anothers(visitor, review):
    study = review()
    tokens = {name: study.readers.admit(name) for name in ("ann", "bob")}
    stranger = visitor(study)
    assert "Your token" in stranger.page()
    assert stranger.client.get("/tiles?start=0&count=1&as_of=0").status_code == 401
    assert stranger.vote("0" * 20, call="AMF").status_code == 401
    assert stranger.client.post("/enter", data={"token": "guess"}).status_code == 403
    ann, bob = (visitor(study, tokens[name]) for name in ("ann", "bob"))
    key = ann.keys(sort="source")[0]
    ann.vote(key, call="AMF")
    bob.vote(key, call="NMF")
    assert [(row["reader"], row["call"]) for row in study.votes.raw()] == [("ann", "AMF"), ("bob", "NMF")]
    # Bob's page with Ann's cookie: the page's token does not fit.
    bob.client.cookies = ann.client.cookies
    assert bob.vote(key, call="NMF").status_code == 403
    assert [row["call"] for row in study.votes.raw()] == ["AMF", "NMF"]


def test_signing_out(visitor, review):
    study = review()
    ann = visitor(study, study.readers.admit("ann"))
    cookies = dict(ann.client.cookies)
    assert "Your token" in ann.client.post("/leave", data={"csrf": ann.csrf}, headers={"accept": "text/html"}).text
    ann.client.cookies.update(cookies)
    assert "Your token" in ann.page()


def test_a_change_that_no_page_of_ours_sent_is_refused(ann):
    key = ann.keys()[0]
    fields = {"figures": key, "call": "AMF", "request": "request-1"}
    for path in ("/votes", "/undo", "/leave"):
        assert ann.client.post(path, data=fields).status_code == 403
        assert ann.client.post(path, data=fields, headers={"X-CSRF-Token": "0" * 64}).status_code == 403
    token = {"X-CSRF-Token": ann.csrf}
    assert ann.client.post("/votes", data=fields, headers=token | {"Origin": "http://evil.example"}).status_code == 403
    assert ann.client.get("/", headers={"Host": "evil.example"}).status_code == 400
    assert labeled(ann.page()) == 0


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=B"])
def test_a_stranger_cannot_send_much(visitor, review, kind):
    study = review()
    study.readers.admit("ann")
    head = b'--B\r\nContent-Disposition: form-data; name="figures"; filename="x"\r\n\r\n'

    def body():
        yield head
        for _ in range(64):
            yield b"a" * 65536
        yield b"\r\n--B--\r\n"

    answer = visitor(study).client.post("/votes", content=body(), headers={"content-type": kind})
    assert answer.status_code == 413
    assert answer.headers["x-frame-options"] == "DENY"


def test_only_this_machine_without_tokens(review):
    study = review()
    assert check_access(study, "127.0.0.1") == Bind("127.0.0.1", None)
    with pytest.raises(SettingsError, match="others could reach"):
        check_access(study, "0.0.0.0")
    study.readers.admit("ann")
    for host in ("0.0.0.0", "127.0.0.1"):
        assert check_access(study, host) == Bind(host, None, own_tokens=True)


def test_with_tokens_a_proxy_on_this_machine_may_pass_its_name_on(review):
    study = review()
    named = {"Host": "review.example"}
    open_page = TestClient(create_app(study, check_access(study, "127.0.0.1")), base_url="http://127.0.0.1")
    assert open_page.get("/", headers=named).status_code == 400
    token = study.readers.admit("ann")
    guarded = TestClient(create_app(study, check_access(study, "127.0.0.1")), base_url="http://127.0.0.1")
    assert guarded.get("/", headers=named).status_code == 401
    assert guarded.get("/", headers=named | {"Authorization": "Bearer each reader's own"}).status_code == 401
    assert guarded.get(f"/enter?token={token}", headers=named, follow_redirects=False).status_code == 303
