"""The review page in a real browser: Chromium without a window, by keyboard."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
SLOW_MS = 60_000
"""A busy machine is no failure."""


class Server:
    """`atypica review` as a process that can be killed."""

    def __init__(self, results: Path, home: Path, bundle: Path) -> None:
        self.command = ["review", str(results), "--model", str(bundle), "--database", str(home / "votes.sqlite")]
        self.port = 0
        self.process: subprocess.Popen[str] | None = None

    def start(self, *options: str) -> str:
        """Start it, on the same port as before; gives what it says."""
        run = [sys.executable, "-m", "atypica.apps.cli", *self.command, "--port", str(self.port), *options]
        self.process = subprocess.Popen(run, stderr=subprocess.PIPE, text=True)
        said = ""
        assert self.process.stderr is not None
        while "Ctrl-C" not in said:
            line = self.process.stderr.readline()
            assert line, said
            said += line
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", said)
        assert found
        self.port = int(found.group(1))
        return said

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it."""
        if self.process and self.process.poll() is None:
            os.kill(self.process.pid, how)
            self.process.wait(timeout=60)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


@pytest.fixture
def server(typed: Path, tmp_path: Path, tiny_bundle: Path) -> Iterator[Server]:
    server = Server(typed, tmp_path, tiny_bundle)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def window(chromium: Any) -> Iterator[Callable[[str], Any]]:
    """Open a window of its own; no script may complain."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def call(address: str) -> Any:
        context = chromium.new_context(viewport={"width": 1280, "height": 800})
        context.set_default_timeout(SLOW_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        page.wait_for_selector(".detail, #token")
        return page

    yield call
    for context in contexts:
        context.close()
    assert complaints == []


def until(page: Any, condition: str, wanted: Any = True) -> None:
    """Wait for an expression of the page; its own policy forbids the usual way."""
    end = time.monotonic() + SLOW_MS / 1000
    while (found := page.evaluate(condition)) != wanted:
        assert time.monotonic() < end, f"{condition} is {found}, not {wanted}"
        page.wait_for_timeout(50)


def labeled(page: Any, count: int) -> None:
    until(page, "document.getElementById('progress').dataset.labeled", str(count))


def focused(page: Any) -> str:
    return page.evaluate("document.querySelector('.tile.focus')?.dataset.index ?? ''")


def test_twenty_figures_by_keyboard(server, window):
    server.start()
    page = window(server.url + "?sort=source")
    page.keyboard.press("m")
    for key in "nanxu1234567" + "8nnaannxy"[:8]:
        page.keyboard.press(key)
    labeled(page, 20)
    assert focused(page) == "20"
    calls = page.evaluate("[...document.querySelectorAll('.tile .call')].map((mark) => mark.textContent).join(' ')")
    assert calls == "NMF AMF NMF ✕ ? NMF NMF NMF NMF AMF AMF AMF AMF NMF NMF AMF AMF NMF NMF ✕"
    rate = page.text_content("#own-rate")
    page.keyboard.press("z")
    labeled(page, 19)
    until(page, "document.querySelector('.tile.focus').dataset.index", "19")
    page.keyboard.press("a")
    labeled(page, 20)
    assert page.text_content("#own-rate") != rate

    # Select three by Shift, confirm them, and take the batch back.
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert page.text_content("#selected") == "3"
    page.keyboard.press("y")
    labeled(page, 23)
    page.keyboard.press("z")
    labeled(page, 20)

    # A comment, and the large view.
    page.keyboard.press("c")
    page.keyboard.type("three poles? n")
    page.keyboard.press("Enter")
    until(page, "document.querySelectorAll('.tile .note').length", 1)
    page.keyboard.press("Enter")
    assert page.evaluate("document.body.classList.contains('large')")
    page.keyboard.press("Escape")

    # The help, and filters.
    page.keyboard.press("?")
    assert page.is_visible("#help")
    page.keyboard.press("Escape")
    page.select_option("select[name=labeled]", "no")
    page.wait_for_url("**labeled=no**")
    page.wait_for_selector(".detail")
    assert page.text_content("#shown") == "16"

    # Stopped and started again: nothing is lost, and the export has it all.
    server.stop(signal.SIGINT)
    server.start()
    page.goto(server.url + "?labeled=yes")
    labeled(page, 20)
    page.goto(server.url + "export")
    with page.expect_download() as download:
        page.click("text=Figures with labels")
    table = pd.read_csv(download.value.path())
    assert table["label"].value_counts().to_dict() == {"NMF": 10, "AMF": 8}
    assert table["subtype"].notna().sum() == 8


def test_a_kill_amid_votes_loses_none_of_an_open_window(server, window):
    server.start()
    page = window(server.url + "?sort=source")
    for key in "nana":
        page.keyboard.press(key)
    labeled(page, 4)
    server.stop(signal.SIGKILL)
    for key in "nan":
        page.keyboard.press(key)
    page.wait_for_selector("#trouble:not([hidden])")
    assert "3 votes wait" in page.text_content("#trouble")
    server.start()
    labeled(page, 7)
    until(page, "document.getElementById('trouble').hidden")
    page.goto(server.url + "export")
    assert "7 rows" in page.text_content(".exports")


def test_two_blinded_readers(server, window):
    said = server.start("--reader", "ann", "--reader", "bob", "--blind")
    links = dict(re.findall(r"(ann|bob): (http\S+)", said))
    ann, bob = window(links["ann"]), window(links["bob"])
    for page in (ann, bob):
        page.goto(server.url + "?sort=source")
        page.wait_for_selector(".tile.focus")
    assert ann.locator(".tile .says, .inspector .says").count() == 0
    assert "shows when you have called" in ann.text_content(".inspector")
    for key in "nnnaa":
        ann.keyboard.press(key)
    labeled(ann, 5)
    assert ann.locator(".tile .says").count() == 5
    assert bob.locator(".tile .says").count() == 0
    for key in "naana":
        bob.keyboard.press(key)
    labeled(bob, 5)
    ann.goto(server.url + "agreement")
    assert "bob" in ann.text_content("main")
    assert ann.locator(".differences li").count() > 0
    # Another's link in the same browser changes who reads; the old page can vote no more.
    old = ann.context.new_page()
    old.goto(server.url + "?sort=source")
    old.wait_for_selector(".detail")
    ann.goto(links["bob"])
    old.bring_to_front()
    old.keyboard.press("a")
    old.wait_for_selector("#toast.bad:not([hidden])")
    assert "Not saved" in old.text_content("#toast")
