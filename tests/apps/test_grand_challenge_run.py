"""`atypica grand-challenge run`: the answers, their form, and input that is broken or hostile."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from challenge_input import ANSWERS, SLUG, p_of, pages, spoil_page, write_input, write_sockets
from tiny_model import tiny_card, tiny_graph

from atypica.apps.cli.main import run
from atypica.apps.grand_challenge.answers import neutral
from atypica.apps.grand_challenge.page_chain import MOST_PAGES, PageChain, count_pages, page_chain
from atypica.core.errors import SourceError
from atypica.inference.bundle import write_bundle
from atypica.inference.card import Calibration

LEVELS = [20, 200, 90, 160, 240]


@pytest.fixture
def entry(tiny_bundle, tmp_path, monkeypatch, capsys):
    """Run `run`; gives the exit code, what the screen said, and the answers (None if there is no file)."""
    weights, out = tmp_path / "weights", tmp_path / "out"
    weights.mkdir()

    def call(source: Path, *options: str):
        model = [] if {"--model", "--weights"} & {*options} else ["--model", str(tiny_bundle)]
        places = ["--input", str(source), "--output", str(out), *model]
        monkeypatch.setattr("sys.argv", ["atypica", "grand-challenge", "run", *places, *options])
        with pytest.raises(SystemExit) as left:
            run()
        file = out / ANSWERS
        said = " ".join(capsys.readouterr().err.split())
        return left.value.code, said, json.loads(file.read_text()) if file.is_file() else None

    return call


@pytest.fixture
def source(tmp_path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.mark.parametrize("key", ["interface", "socket"])
def test_a_stack_is_answered_in_page_order(entry, source, key):
    write_input(source, LEVELS, key=key)
    code, said, answers = entry(source)
    assert code == 0
    assert [answer["confidence"] for answer in answers] == pytest.approx([p_of(level) for level in LEVELS], abs=0.01)
    assert [answer["class"] for answer in answers] == ["atypical", "normal", "atypical", "normal", "normal"]
    assert [sorted(answer) for answer in answers] == [["class", "confidence"]] * 5
    assert "atypical from a confidence of 0.5 on" in said


def test_the_class_follows_the_threshold_and_the_confidence_does_not(entry, source):
    write_input(source, LEVELS)
    _, _, usual = entry(source)
    code, said, answers = entry(source, "--threshold", "sensitive")
    assert code == 0
    assert [answer["confidence"] for answer in answers] == [answer["confidence"] for answer in usual]
    assert [answer["class"] for answer in answers] == ["atypical" if p_of(x) >= 0.2 else "normal" for x in LEVELS]
    assert usual != answers
    assert "from a confidence of 0.2 on" in said


def test_certainty_is_written_as_a_float(entry, source, tmp_path):
    card = tiny_card().model_copy(update={"calibration": Calibration(temperature=0.01, bias=0.0)})
    sharp = write_bundle(tmp_path / "sharp", tiny_graph(), card).path
    write_input(source, [4, 250])
    code, _, answers = entry(source, "--model", str(sharp))
    assert code == 0
    assert [answer["confidence"] for answer in answers] == [1.0, 0.0]
    assert all(type(answer["confidence"]) is float for answer in answers)


def test_a_page_that_cannot_be_read_keeps_its_place(entry, source):
    stack = write_input(source, LEVELS, metadata=None)
    _, _, whole = entry(source)
    spoil_page(stack, 2)
    code, said, answers = entry(source)
    assert code == 3
    assert answers[2] == {"class": "normal", "confidence": 0.499999}
    assert answers[:2] + answers[3:] == whole[:2] + whole[3:]
    assert "1 of 5 pages could not be typed and are answered NEUTRALLY" in said
    assert "#page=2: stack_1.tiff, page 2, cannot be read" in said
    assert entry(source, "--lenient")[0] == 0


def test_all_pages_unreadable_still_give_answers(entry, source):
    stack = write_input(source, [20, 200], metadata=None)
    spoil_page(stack, 0)
    spoil_page(stack, 1)
    code, _, answers = entry(source)
    assert code == 3
    assert answers == [{"class": "normal", "confidence": 0.499999}] * 2


@pytest.mark.parametrize(
    ("threshold", "answer"),
    [(0.2474, ("normal", 0.247399)), (0.0, ("atypical", 0.0)), (5e-7, ("normal", 0.0)), (1.0, ("normal", 0.999999))],
)
def test_a_neutral_answer_agrees_with_the_threshold(threshold, answer):
    given = neutral(threshold)
    assert tuple(given.values()) == answer
    assert (given["confidence"] >= threshold) == (given["class"] == "atypical")


def test_a_cut_stack_that_knows_its_length_is_answered_in_full(entry, source):
    stack = write_input(source, LEVELS)
    _, _, whole = entry(source)
    stack.write_bytes(stack.read_bytes()[: stack.stat().st_size * 6 // 10])
    code, said, answers = entry(source)
    assert code == 3
    assert len(answers) == 5
    assert answers[0] == whole[0]
    assert answers[4] == {"class": "normal", "confidence": 0.499999}
    assert "NEUTRALLY" in said


def test_a_cut_stack_that_does_not_is_refused_and_old_answers_go(entry, source):
    stack = write_input(source, LEVELS, metadata=None)
    assert entry(source)[2] is not None
    stack.write_bytes(stack.read_bytes()[: stack.stat().st_size // 2])
    code, said, answers = entry(source)
    assert (code, answers) == (2, None)
    assert "damaged after" in said
    assert "does not say how many it had" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no inputs.json"),
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("{}", "is not a list"),
        ("[1]", "entry 1 of inputs.json has no interface.slug or socket.slug"),
        ('[{"interface": {"slug": 3}}]', "entry 1"),
        ("[]", f"lists (), not ('{SLUG}')"),
        (" " * 1_100_000, "larger than 1,000,000 bytes"),
        ("\xff", "is not JSON"),
    ],
)
def test_inputs_json_of_another_form(entry, source, content, said):
    write_input(source, LEVELS)
    (source / "inputs.json").unlink()
    if content is not None:
        (source / "inputs.json").write_text(content, encoding="latin-1")
    code, message, answers = entry(source)
    assert (code, answers) == (2, None)
    assert said in message
    assert "Traceback" not in message


@pytest.mark.parametrize("slugs", [["histopathology-roi"], [SLUG, "age"], [SLUG, SLUG]])
def test_other_inputs_are_refused_by_name(entry, source, slugs):
    write_input(source, LEVELS)
    write_sockets(source, slugs)
    code, said, _ = entry(source)
    assert code == 2
    assert all(f"'{slug}'" in said for slug in slugs)
    assert f"not ('{SLUG}')" in said


def stack_of(content: bytes):
    def write(source: Path) -> None:
        write_input(source, LEVELS).write_bytes(content)

    return write


def without_stack(source: Path) -> None:
    stack = write_input(source, LEVELS)
    stack.rename(stack.with_name("stack.mha"))


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (stack_of(b""), "is empty (0 bytes)"),
        (stack_of(b"II*\0\0\0\0\0"), "has no pages"),
        (stack_of(b"II*\0"), "damaged after 0 pages"),
        (stack_of(b"II+\0\x08\0\0\0" + b"\xff" * 8), "damaged after 0 pages"),
        (stack_of(b"no TIFF at all"), "is not a TIFF"),
        (without_stack, "there is no TIFF in"),
        (lambda source: write_sockets(source, [SLUG]), "cannot list"),
    ],
)
def test_a_stack_that_is_none(entry, source, write, said):
    write(source)
    code, message, answers = entry(source)
    assert (code, answers) == (2, None)
    assert said in message
    assert "Traceback" not in message


def chained(*offsets: int) -> bytes:
    """A TIFF whose directories, without a tag, name each other by `offsets`; the first lies at 8, each has 6 bytes."""
    return b"II*\0" + struct.pack("<I", 8) + b"".join(struct.pack("<HI", 0, offset) for offset in offsets)


@pytest.mark.parametrize(
    ("content", "chain"),
    [
        (chained(14, 20, 0), PageChain(3, True)),
        (chained(14, 8), PageChain(2, False)),
        (chained(14, 4_000_000_000), PageChain(2, False)),
        (chained(14, 20)[:-2], PageChain(1, False)),
    ],
)
def test_the_chain_of_pages(tmp_path, content, chain):
    (tmp_path / "chain.tif").write_bytes(content)
    assert page_chain(tmp_path / "chain.tif") == chain


def test_absurdly_many_pages_are_refused(tmp_path):
    many = chained(*range(14, 8 + 6 * (MOST_PAGES + 2), 6))
    (tmp_path / "many.tif").write_bytes(many)
    with pytest.raises(SourceError, match="more than 100,000 pages"):
        count_pages(tmp_path / "many.tif")


@pytest.mark.parametrize("options", [{"bigtiff": True}, {"byteorder": ">"}, {"bigtiff": True, "byteorder": ">"}])
def test_pages_of_every_kind_of_tiff(tmp_path, options):
    tifffile.imwrite(tmp_path / "a.tif", pages([1, 2, 3]), photometric="rgb", metadata=None, **options)
    assert count_pages(tmp_path / "a.tif") == 3


def test_of_several_stacks_the_named_one_is_typed_else_all(entry, source):
    stack = write_input(source, [20, 200])
    other = stack.with_name("a.TIF")
    tifffile.imwrite(other, pages([240]), photometric="rgb")
    code, said, answers = entry(source)
    assert (code, len(answers)) == (0, 2)
    assert "only stack_1.tiff is typed" in said
    stack.rename(stack.with_name("b.tif"))
    code, said, answers = entry(source)
    assert [answer["class"] for answer in answers] == ["normal", "atypical", "normal"]
    assert "in this order: a.TIF, b.tif" in said


def test_weights_of_the_platform(entry, source, tiny_bundle, tmp_path):
    write_input(source, LEVELS)
    weights = tmp_path / "weights"
    (weights / ".keep").touch()
    assert "comes with atypica" in entry(source, "--weights", str(weights), "--views", "1")[1]
    shutil.copytree(tiny_bundle, weights / "mine")
    assert "model tiny 1 (given)" in entry(source, "--weights", str(weights))[1]
    shutil.copytree(tiny_bundle, weights / "other")
    code, said, _ = entry(source, "--weights", str(weights))
    assert code == 2
    assert "has 2 model bundles (there is: mine, other)" in said
    shutil.rmtree(weights)
    weights.mkdir()
    (weights / "model.pth").touch()
    code, said, _ = entry(source, "--weights", str(weights))
    assert code == 2
    assert "has no model bundles (there is: model.pth)" in said


def test_another_resolution_than_the_tag(entry, source):
    write_input(source, LEVELS, resolution=(102_351, 102_351), resolutionunit="INCH")
    assert "0.2482 um/px from the TIFF's resolution tag" in entry(source)[1]
    assert "0.25 um/px as given" in entry(source, "--mpp", "0.25")[1]


@pytest.mark.real
def test_the_official_sample(entry, real_data):
    sample = real_data / "grand-challenge" / "input"
    if not sample.is_dir():
        pytest.skip(f"no official sample at {sample}")
    code, _, answers = entry(sample)
    assert code == 0
    assert len(answers) == 16
    assert np.ptp([answer["confidence"] for answer in answers]) > 0
