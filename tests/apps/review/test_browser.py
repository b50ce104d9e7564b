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
from pyramid import with_figures, write_slide

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

    # A label that follows an undo at once, before its answer, meets the same figure.
    page.evaluate("for (const key of 'za') document.dispatchEvent(new KeyboardEvent('keydown', { key }))")
    until(page, "document.querySelector('.tile[data-index=\"19\"] .call')?.textContent", "AMF")
    labeled(page, 20)
    assert focused(page) == "20"

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


def test_a_vote_whose_answer_does_not_come_is_sent_again_and_counts_once(server, window):
    server.start()
    page = window(server.url + "?sort=source")
    held = []
    page.route("**/votes", lambda route: held.append(route) if not held else route.continue_())
    page.keyboard.press("n")
    page.wait_for_selector("#trouble:not([hidden])")
    assert "1 vote waits" in page.text_content("#trouble")
    labeled(page, 1)
    until(page, "document.getElementById('trouble').hidden")
    first = held[0].request.post_data
    sent = page.evaluate(
        "body => fetch('/votes', {method: 'POST', body, headers: {'X-CSRF-Token': document.body.dataset.csrf,"
        " 'Content-Type': 'application/x-www-form-urlencoded'}}).then(answer => answer.status)",
        first,
    )
    assert sent == 200
    page.goto(server.url + "export")
    assert "1 rows" in page.text_content(".exports")


DRAWN = """(() => {
  const canvas = document.querySelector("#slide canvas");
  const at = [canvas?.width >> 1, canvas?.height >> 1, 1, 1];
  return canvas?.width > 0 && canvas.getContext("2d").getImageData(...at).data[3] === 255;
})()"""
IN_THE_MIDDLE = """(() => {
  const [slide, field] = ["#slide", ".on-slide"].map((name) => document.querySelector(name).getBoundingClientRect());
  return field.width > 8 && Math.abs(slide.x + slide.width / 2 - field.x - field.width / 2) < 3;
})()"""


@pytest.fixture
def on_slide(tmp_path: Path, tiny_bundle: Path) -> Path:
    """Results of three drawn figures on a drawn slide."""
    from atypica.data.sources import open_source
    from atypica.inference.model import load_model

    home = tmp_path / "slides"
    home.mkdir()
    points = [(400, 500), (900, 700), (1500, 1200)]
    write_slide(home / "one.tif", with_figures(2000, 1600, points))
    table = pd.DataFrame({"image": "one.tif", "x": [x for x, _ in points], "y": [y for _, y in points], "case": "A"})
    table.to_csv(home / "figures.csv", index=False)
    load_model(tiny_bundle).classify(open_source(home / "figures.csv"), threads=1).write(home / "results")
    return home / "results"


def test_the_slide_around_a_figure(on_slide, tmp_path, tiny_bundle, window):
    server = Server(on_slide, tmp_path, tiny_bundle)
    try:
        server.start()
        page = window(server.url + "?sort=source")
        refused = []
        page.on("console", lambda message: refused.append(message.text) if message.type == "error" else None)
        page.keyboard.press("w")
        until(page, DRAWN)
        # The field of the network is marked in the middle, where the figure is.
        until(page, IN_THE_MIDDLE)
        assert page.text_content(".scale") == "100 µm"
        # The next figure on the same slide; keys still label.
        page.keyboard.press("ArrowRight")
        until(page, "document.querySelector('#wider')?.dataset.x", "900.0")
        until(page, IN_THE_MIDDLE)
        page.mouse.move(*center(page, "#slide"))
        bar = "document.querySelector('.scale').style.width"
        before = page.evaluate(bar)
        page.mouse.wheel(0, -400)
        until(page, f"{bar} !== '{before}'")
        page.keyboard.press("0")
        until(page, bar, before)
        page.mouse.click(*center(page, "#slide"))
        page.keyboard.press("a")
        labeled(page, 1)
        page.keyboard.press("w")
        assert page.is_hidden("#slide")
        assert refused == []
    finally:
        server.stop()


def center(page: Any, selector: str) -> tuple[float, float]:
    box = page.locator(selector).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_two_blinded_readers(server, window):
    said = server.start("--reader", "ann", "--reader", "bob", "--blind")
    links = dict(re.findall(r"(ann|bob): (http\S+)", said))
    ann, bob = window(links["ann"]), window(links["bob"])
    for page in (ann, bob):
        page.goto(server.url + "?sort=case")
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
    old.goto(server.url + "?sort=case")
    old.wait_for_selector(".detail")
    ann.goto(links["bob"])
    old.bring_to_front()
    old.keyboard.press("a")
    old.wait_for_selector("#toast.bad:not([hidden])")
    assert "Not saved" in old.text_content("#toast")
