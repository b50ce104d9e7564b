"""`atypica grand-challenge check`: each finding provoked once, and none where there is nothing to find."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from challenge_input import ANSWERS, p_of, write_input
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from atypica.apps.cli.main import run
from atypica.apps.grand_challenge.order import other_orders

LEVELS = [20, 200, 90, 160, 240, 60, 130, 220, 110, 40, 180, 75, 145, 35, 230, 100]
P = [round(p_of(level), 6) for level in LEVELS]
"""Of 16 pages; 8 of them above one half."""


def answers_of(p: list[float], threshold: float = 0.5) -> list[dict[str, Any]]:
    return [{"class": "atypical" if value >= threshold else "normal", "confidence": value} for value in p]


@pytest.fixture
def check(tiny_bundle, tmp_path, monkeypatch, capsys):
    """Run `check` on answers (or text, or a path); gives the exit code and the findings by name."""

    def call(answers: Any, *options: str):
        output = answers if isinstance(answers, Path) else tmp_path / "out" / ANSWERS
        if not isinstance(answers, Path):
            output.parent.mkdir(exist_ok=True)
            output.write_text(answers if isinstance(answers, str) else json.dumps(answers))
        arguments = ["grand-challenge", "check", str(output), "--json", "--model", str(tiny_bundle), *options]
        monkeypatch.setattr("sys.argv", ["atypica", *arguments])
        with pytest.raises(SystemExit) as left:
            run()
        said = capsys.readouterr()
        findings = json.loads(said.out)["findings"] if said.out else []
        return left.value.code, {found["name"]: found for found in findings} or " ".join(said.err.split())

    return call


@pytest.fixture
def source(tmp_path) -> str:
    write_input(tmp_path / "in", LEVELS)
    return str(tmp_path / "in")


def truth(tmp_path: Path, labels: list[int], name: str = "stack_1.tiff", *more: dict[str, Any]) -> str:
    words = ["atypical" if label else "normal" for label in labels]
    domains = [1 + number % 2 for number in range(len(labels))]
    entry = {"image": name, "labels": words, "tumordomains": domains}
    (tmp_path / "truth.json").write_text(json.dumps([entry, *more]))
    return str(tmp_path / "truth.json")


def failed(findings: dict[str, Any], status: str = "FAIL") -> set[str]:
    return {name for name, found in findings.items() if found["status"] == status}


def assert_found(result: tuple[int, dict[str, Any]], name: str, *words: str, beside: tuple[str, ...] = ()) -> None:
    """One failure (and what must come with it), with an explanation and a fix."""
    code, findings = result
    assert code == 3
    assert failed(findings) == {name, *beside}
    assert [word for word in words if word not in findings[name]["message"]] == []
    assert findings[name]["fix"]


def test_sound_answers_pass_every_check(check, source, tmp_path):
    labels = [int(p > 0.5) for p in P]
    code, findings = check(
        answers_of(P), "--input", source, "--ground-truth", truth(tmp_path, labels), "--threshold", "0.5"
    )
    assert code == 0
    assert {found["status"] for found in findings.values()} == {"PASS"}
    assert len(findings) == 14
    assert "16 answers, as the stack and the ground truth have" in findings["length"]["message"]


@pytest.mark.parametrize("change", [lambda a: a[:-1], lambda a: [*a, a[0]], lambda a: []])
def test_a_wrong_length(check, source, change):
    answers = change(answers_of(P))
    code, findings = check(answers, "--input", source)
    assert code == 3
    assert "length" in failed(findings)
    assert f"{len(answers)} answers, but the stack has 16" in findings["length"]["message"]


def test_the_length_is_held_against_the_ground_truth_too(check, tmp_path):
    assert_found(check(answers_of(P), "--ground-truth", truth(tmp_path, [0, 1])), "length", "the ground truth has 2")


@pytest.mark.parametrize(
    ("entry", "name", "words"),
    [
        ({"class": "normal"}, "keys", ("answer 3 lacks confidence",)),
        ({}, "keys", ("lacks class and confidence",)),
        (["normal", 0.1], "keys", ('answer 3 is ["normal", 0.1]',)),
        ({"class": "Atypical", "confidence": 0.5}, "class", ('answer 3 has "Atypical"', "lower case")),
        ({"class": ["normal"], "confidence": 0.5}, "class", ()),
        ({"class": "normal", "confidence": 0}, "float", ("answer 3 has 0", "whole numbers")),
        ({"class": "normal", "confidence": False}, "float", ("has false",)),
        ({"class": "normal", "confidence": "0.1"}, "float", ('has "0.1"',)),
        ({"class": "normal", "confidence": None}, "float", ("has null",)),
        ({"class": "normal", "confidence": float("nan")}, "finite", ("has nan", "no JSON")),
        ({"class": "atypical", "confidence": float("inf")}, "finite", ("has inf",)),
        ({"class": "atypical", "confidence": 1.5}, "range", ("has 1.5", "logit")),
        ({"class": "normal", "confidence": -0.1}, "range", ("has -0.1",)),
    ],
)
def test_an_answer_of_wrong_form(check, entry, name, words):
    answers = answers_of(P)
    answers[3] = entry
    assert_found(check(answers), name, *words)


def test_a_number_that_no_float_can_hold(check):
    text = json.dumps(answers_of(P)).replace(str(P[0]), "1" + "0" * 400)
    code, findings = check(text)
    assert code == 3
    assert {"float", "range"} <= failed(findings)


def test_many_wrong_answers_are_counted(check):
    result = check([{"class": "x", "confidence": 0.5}] * 9)
    assert "and 4 more (counted from 0)" in result[1]["class"]["message"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "it is not JSON"),
        ("[" * 200_000, "not JSON"),
        ('{"class": "normal"}', "wants a list"),
        ("", "not JSON"),
    ],
)
def test_a_file_that_is_no_list(check, text, words):
    assert_found(check(text), "JSON", words)


def test_classes_that_contradict_the_stated_threshold(check):
    answers = answers_of(P, 0.3)
    moved = [number for number, p in enumerate(P) if 0.3 <= p < 0.5]
    assert moved
    result = check(answers, "--threshold", "0.5")
    first = f"answer {moved[0]} is atypical at {P[moved[0]]:.4g}"
    assert_found(result, "class and confidence", f"{len(moved)} of 16 contradict the threshold 0.5", first)
    assert check(answers, "--threshold", "0.3")[0] == 0
    code, findings = check(answers)
    assert code == 0
    assert "it is not 0.5, which is allowed" in findings["class and confidence"]["message"]


def test_classes_that_no_threshold_explains(check):
    answers = answers_of(P)
    answers[LEVELS.index(20)]["class"] = "normal"
    result = check(answers)
    assert_found(result, "class and confidence", "no threshold explains the classes", "leaves 1 of 16")


@pytest.mark.parametrize("given_threshold", [(), ("--threshold", "0.5")])
def test_certainty_of_the_winner(check, given_threshold):
    answers = [{**answer, "confidence": max(p, 1 - p)} for answer, p in zip(answers_of(P), P, strict=True)]
    result = check(answers, *given_threshold)
    words = ("all 8 pages called normal", "once in 256 stacks")
    assert_found(result, "P(atypical)", *words, beside=("class and confidence",))


def test_certainty_of_the_winner_where_all_are_normal(check):
    answers = [{"class": "normal", "confidence": p} for p in (0.9, 0.8, 0.95, 0.7, 0.99)]
    assert_found(check(answers), "P(atypical)", "once in 32 stacks")
    assert failed(check(answers[:2])[1], "WARN") == {"length", "P(atypical)"}  # two pages prove nothing


def test_a_threshold_above_one_half_is_a_warning_only(check):
    code, findings = check(answers_of([0.6, 0.7, 0.9, 0.65, 0.62, 0.95], 0.8))
    assert code == 0
    assert findings["P(atypical)"]["status"] == "WARN"


def test_the_probability_of_normal(check):
    answers = [{**answer, "confidence": round(1 - p, 6)} for answer, p in zip(answers_of(P), P, strict=True)]
    assert_found(check(answers), "P(atypical)", "this is P(normal)", beside=("class and confidence",))


def text_order(p: list[float]) -> list[float]:
    return [p[page] for page in sorted(range(len(p)), key=lambda page: str(page + 1))]


@pytest.mark.parametrize(
    ("spoil", "order"),
    [
        (lambda p: p[::-1], "reversed"),
        (lambda p: [p[-1], *p[:-1]], "one page late"),
        (lambda p: [*p[1:], p[0]], "one page early"),
        (text_order, "sorted by the page's number as text (1, 10, 11, 12, ...)"),
    ],
)
def test_pages_out_of_order_by_a_second_opinion(check, source, spoil, order):
    result = check(answers_of(spoil(P)), "--input", source)
    assert_found(result, "order by model", f"the answers look {order}", "is 1.000")


def test_pages_out_of_order_by_the_truth(check, tmp_path):
    labels = [1] * 5 + [0] * 11
    p = [0.9, 0.8, 0.95, 0.7, 0.85, 0.1, 0.3, 0.2, 0.05, 0.4, 0.15, 0.25, 0.35, 0.12, 0.22, 0.45]
    result = check(answers_of(p[::-1]), "--ground-truth", truth(tmp_path, labels))
    assert_found(result, "order by truth", "reversed", "AUROC is 1.000", "in page order 0.")
    assert check(answers_of(p), "--ground-truth", truth(tmp_path, labels))[0] == 0


def test_answers_turned_around(check, tmp_path):
    labels = [int(p < 0.5) for p in P]
    result = check(answers_of(P), "--ground-truth", truth(tmp_path, labels))
    assert_found(result, "order by truth", "AUROC is 0.000, below one half by more than chance")


def test_answers_that_follow_nothing_cannot_be_judged(check, source):
    noise = np.random.default_rng(3).random(16).round(3).tolist()
    code, findings = check(answers_of(noise), "--input", source)
    assert code == 0
    assert findings["order by model"]["status"] == "WARN"
    assert "cannot be told" in findings["order by model"]["message"]


def test_few_pages_cannot_be_judged(check, tmp_path):
    write_input(tmp_path / "in", LEVELS[:4])
    code, findings = check(answers_of(P[3::-1]), "--input", str(tmp_path / "in"))
    assert code == 0
    assert "fewer than 8 pages" in findings["order by model"]["message"]


@pytest.mark.parametrize("reverse", [False, True])
def test_answers_sorted_by_size(check, reverse):
    result = check(answers_of(sorted(P, reverse=reverse)))
    assert_found(result, "sorted", "fall" if reverse else "rise", "once in 1e+13 stacks")


def test_the_score_is_that_of_scikit_learn(check, tmp_path):
    labels = [1, 0, 1, 1, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0]
    answers = answers_of(P, 0.4)
    _, findings = check(answers, "--ground-truth", truth(tmp_path, labels))
    balanced = balanced_accuracy_score(labels, [answer["class"] == "atypical" for answer in answers])
    message = findings["score"]["message"]
    assert f"balanced accuracy {balanced:.3f}, roc auc {roc_auc_score(labels, P):.3f}," in message


def test_a_truth_of_one_class(check, tmp_path):
    code, findings = check(answers_of(P), "--ground-truth", truth(tmp_path, [0] * 16))
    assert code == 0
    assert "roc auc n/a" in findings["score"]["message"]
    assert findings["order by truth"]["status"] == "WARN"


def test_of_several_stacks_the_input_says_which(check, source, tmp_path):
    other = {"image": "stack_2.tiff", "labels": ["normal"], "tumordomains": [1]}
    labels = [int(p > 0.5) for p in P]
    file = truth(tmp_path, labels, "stack_1.tiff", other)
    code, said = check(answers_of(P), "--ground-truth", file)
    assert code == 2
    assert "has 2 stacks (stack_1.tiff, stack_2.tiff)" in said
    assert check(answers_of(P), "--ground-truth", file, "--input", source)[0] == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a list of stacks"),
        ('[{"image": "a", "labels": ["odd"]}]', "'labels' is not a list of normal and atypical"),
        ('[{"image": "a", "labels": [["normal"]]}]', "'labels'"),
        ('[{"image": "a", "labels": ["normal"], "tumordomains": ["x"]}]', "'tumordomains' are not 1 whole numbers"),
        ("[3]", "'labels'"),
    ],
)
def test_a_ground_truth_of_another_form(check, tmp_path, content, said):
    (tmp_path / "truth.json").write_text(content)
    code, message = check(answers_of(P), "--ground-truth", str(tmp_path / "truth.json"))
    assert code == 2
    assert said in message


def test_several_files_and_another_name(check, tmp_path):
    check(answers_of(P))
    out = tmp_path / "out"
    (out / "more.json").write_text("[]")
    code, findings = check(out)
    assert code == 0
    assert findings["file"]["status"] == "WARN"
    assert "there is also more.json" in findings["file"]["message"]
    (out / "more.json").unlink()
    (out / ANSWERS).rename(out / "answers.json")
    assert_found(check(out), "file", "it is answers.json", f"takes only {ANSWERS}")
    (out / "more.json").write_text("[]")
    code, said = check(out)
    assert code == 2
    assert "but answers.json, more.json" in said
    assert check(tmp_path / "nowhere")[0] == 2


def test_an_impossible_threshold(check):
    assert check(answers_of(P), "--threshold", "1.5")[0] == 2
    assert check(answers_of(P), "--threshold", "nan")[0] == 2


@given(st.integers(8, 120))
def test_an_order_put_right_is_page_order(pages):
    p = np.arange(pages, dtype=float)
    spoiled = {
        "reversed": p[::-1],
        "one page late": np.array([p[-1], *p[:-1]]),
        "one page early": np.array([*p[1:], p[0]]),
        **{f"sorted {start}": p[sorted(range(pages), key=lambda n: str(n + start))] for start in (0, 1)},
    }
    for name, values in spoiled.items():
        if not np.array_equal(values, p):
            assert any(np.array_equal(put, p) for put in other_orders(values).values()), name
