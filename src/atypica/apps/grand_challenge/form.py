"""The form of a file of answers: what the challenge's evaluator rejects, and what it should."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from atypica.apps.doctor.finding import Finding, Status
from atypica.apps.grand_challenge.interface import ANSWERS, CLASSES
from atypica.core.errors import SourceError

MOST_BYTES = 100_000_000
MOST_SHOWN = 5
KEYS = ("class", "confidence")


@dataclass(frozen=True)
class Answered:
    """Answers of sound form.

    Attributes:
        p: (pages,): what is said to be P(atypical); finite.
        atypical: (pages,): the class.
    """

    p: NDArray[np.float64]
    atypical: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.p)


def find_file(output: Path) -> tuple[Path, list[Finding]]:
    """The file of answers in a folder (or the file itself), and what is odd about the place.

    Raises:
        SourceError: there is none, or one of several would have to be guessed.
    """
    if output.is_file():
        return output, _named(output)
    if not output.is_dir():
        raise SourceError(f"there is no file or folder {output}", "give the output folder, or the file in it")
    inside = sorted(path for path in output.rglob("*") if path.is_file())
    others = [path for path in inside if path != output / ANSWERS]
    if (output / ANSWERS) in inside:
        return output / ANSWERS, _beside(output, others)
    candidates = [path for path in others if path.suffix.lower() == ".json"]
    if len(candidates) != 1:
        raise SourceError(f"{output} has no {ANSWERS}, but {_list(output, inside)}", "name the file of answers")
    return candidates[0], _named(candidates[0], output)


def _named(file: Path, folder: Path | None = None) -> list[Finding]:
    if file.name == ANSWERS and folder in {None, file.parent}:
        return [Finding("file", Status.PASS, f"it is named {ANSWERS}")]
    return [
        Finding(
            "file",
            Status.FAIL if folder else Status.WARN,
            f"it is {file.relative_to(folder) if folder else file.name}; the platform takes only {ANSWERS}",
            f"write /output/{ANSWERS}",
        )
    ]


def _beside(folder: Path, others: list[Path]) -> list[Finding]:
    if not others:
        return [Finding("file", Status.PASS, f"it is named {ANSWERS}, and alone")]
    said = f"{ANSWERS} is not alone, there is also {_list(folder, others)}; the platform takes the former only"
    return [Finding("file", Status.WARN, said, "write one file a job, all its pages in it; remove the others")]


def _list(folder: Path, files: list[Path]) -> str:
    shown = ", ".join(str(path.relative_to(folder)) for path in files[:MOST_SHOWN]) or "nothing"
    return shown + (f" and {len(files) - MOST_SHOWN} more" if len(files) > MOST_SHOWN else "")


def read_answers(path: Path) -> tuple[list[Any] | None, list[Finding]]:
    """The list in the file; None, with the finding, where it holds none.

    Raises:
        SourceError: the file cannot be read, or is larger than `MOST_BYTES`.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise SourceError(f"{path} is larger than {MOST_BYTES:,} bytes", "check that it is a file of answers")
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}", "check its permissions") from error
    except (ValueError, RecursionError) as error:
        return None, [Finding("JSON", Status.FAIL, f"it is not JSON: {error}", "write it with a JSON library")]
    if not isinstance(content, list):
        said = f"it is a JSON {type(content).__name__}; the evaluator wants a list of one object a page"
        return None, [Finding("JSON", Status.FAIL, said, "write a list, even for a single page")]
    return cast("list[Any]", content), [Finding("JSON", Status.PASS, "it is a list")]


def check_form(entries: list[Any], expected: Mapping[str, int]) -> tuple[Answered | None, list[Finding]]:
    """Every check that looks at one answer at a time, and the length.

    Args:
        entries: the list in the file.
        expected: who says how many pages there are, to how many.

    Returns:
        The answers, None where some are beyond use; a finding for each check.
    """
    checks = [_length(entries, expected), *(_each(entries, rule) for rule in RULES)]
    return _answered(entries), checks


def _length(entries: list[Any], expected: Mapping[str, int]) -> Finding:
    wrong = [f"{name} has {pages}" for name, pages in expected.items() if pages != len(entries)]
    if wrong:
        said = f"{len(entries)} answers, but {' and '.join(wrong)}; the evaluator rejects another length"
        return Finding("length", Status.FAIL, said, "answer every page once, in order; one that fails too")
    if not entries:
        return Finding("length", Status.FAIL, "there are no answers", "answer every page")
    has = "has" if len(expected) == 1 else "have"
    against = f"as {' and '.join(expected)} {has}" if expected else "nothing to hold that against: give --input"
    return Finding("length", Status.PASS if expected else Status.WARN, f"{len(entries)} answers, {against}")


@dataclass(frozen=True)
class Rule:
    """What must hold of every answer: `wrong` gives what is amiss, None where nothing is or another rule says it."""

    name: str
    wrong: Callable[[Any], str | None]
    why: str
    fix: str
    passed: str


def _lacking(entry: Any) -> str | None:
    if not isinstance(entry, dict):
        return f"is {_value(entry)}"
    lacking = [key for key in KEYS if key not in entry]
    return f"lacks {' and '.join(lacking)}" if lacking else None


def _unknown_class(entry: Any) -> str | None:
    if _lacking(entry) or entry["class"] in CLASSES:
        return None
    return f"has {_value(entry['class'])}"


def _no_float(entry: Any) -> str | None:
    return None if _lacking(entry) or isinstance(entry["confidence"], float) else f"has {_value(entry['confidence'])}"


def _not_finite(entry: Any) -> str | None:
    p = None if _lacking(entry) else entry["confidence"]
    return None if not isinstance(p, float) or math.isfinite(p) else f"has {p}"


def _outside(entry: Any) -> str | None:
    p = None if _lacking(entry) else entry["confidence"]
    if not isinstance(p, (int, float)) or isinstance(p, bool) or _not_finite(entry):
        return None
    return None if 0 <= p <= 1 else f"has {_value(p)}"


def _value(value: object) -> str:
    """A value as JSON, shortened: it may be anything."""
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


RULES = (
    Rule(
        "keys",
        _lacking,
        "the evaluator rejects an answer without class or confidence",
        'write {"class": ..., "confidence": ...} for every page',
        "every answer has class and confidence",
    ),
    Rule(
        "class",
        _unknown_class,
        "the evaluator knows normal and atypical only, in lower case",
        "write normal or atypical",
        "every class is normal or atypical",
    ),
    Rule(
        "float",
        _no_float,
        "the evaluator rejects a confidence that is not a float, and JSON reads 0 and 1 as whole numbers",
        "write float(confidence): 0.0 and 1.0, no text, no null",
        "every confidence is a float",
    ),
    Rule(
        "finite",
        _not_finite,
        "NaN and Infinity are no JSON, and the evaluator ranks them anyhow",
        "find the page whose model output is not finite; answer it with a neutral value",
        "every confidence is finite",
    ),
    Rule(
        "range",
        _outside,
        "a probability lies from 0 to 1; a logit or a percentage does not",
        "send sigmoid(logit), not the logit; divide percentages by 100",
        "every confidence lies from 0 to 1",
    ),
)


def _each(entries: list[Any], rule: Rule) -> Finding:
    found = [f"answer {number} {wrong}" for number, wrong in _wrong(entries, rule)]
    if not found:
        return Finding(rule.name, Status.PASS, rule.passed)
    more = f" and {len(found) - MOST_SHOWN} more" if len(found) > MOST_SHOWN else ""
    said = f"{', '.join(found[:MOST_SHOWN])}{more} (counted from 0); {rule.why}"
    return Finding(rule.name, Status.FAIL, said, rule.fix)


def _wrong(entries: list[Any], rule: Rule) -> Iterator[tuple[int, str]]:
    for number, entry in enumerate(entries):
        if wrong := rule.wrong(entry):
            yield number, wrong


def _answered(entries: list[Any]) -> Answered | None:
    """The answers as arrays where every one has a class and a finite number, be it a whole one."""
    usable = all(
        not _lacking(entry) and entry["class"] in CLASSES and _number(entry["confidence"]) for entry in entries
    )
    if not usable or not entries:
        return None
    p = np.array([float(entry["confidence"]) for entry in entries])
    return Answered(p, np.array([entry["class"] == CLASSES[1] for entry in entries]))


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300
