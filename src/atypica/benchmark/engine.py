"""A whole benchmark: every entry and seed trained, every test set typed, everything scored. A stopped one goes on."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from atypica.benchmark.predict import Predicted
from atypica.benchmark.rounds import Rounds
from atypica.benchmark.runs import Say, Work
from atypica.benchmark.scoring import compare_fold_results, compare_on, score
from atypica.benchmark.suite import OWN, Suite
from atypica.benchmark.testset import TestFigures, case_count
from atypica.core.errors import AtypicaError
from atypica.core.executor import Executor, Serial
from atypica.data.figures import Figures
from atypica.data.leaks import Pixels
from atypica.data.sources import open_source
from atypica.evaluation.bootstrap import BootstrapSettings
from atypica.evaluation.leaderboard import Failure, Leaderboard, Scored, TestSet
from atypica.evaluation.published import load_published

PACKAGES = ("atypica", "torch", "timm", "lightning", "numpy", "scipy", "scikit-learn", "pandas")


@dataclass(frozen=True)
class Options:
    """What a person may choose beside the suite.

    Attributes:
        keep_duplicates: score figures with the same pixels each time they stand in a test set.
        folds_only: train these folds alone and score nothing; all of them if empty.
        bootstrap: how intervals are made.
        command: what was typed, for the page.
    """

    keep_duplicates: bool = False
    folds_only: tuple[int, ...] = ()
    bootstrap: BootstrapSettings = field(default_factory=BootstrapSettings)
    command: str = ""


def run_suite(
    suite: Suite, out: Path, options: Options, say: Say = lambda _: None, executor: Executor | None = None
) -> Leaderboard | None:
    """Run a suite in a folder, or go on with it; None where only some folds were to be trained.

    A run that fails becomes a `Failure` and the rest goes on; its traceback is kept under `OUT/errors/`.

    Args:
        suite: what to run.
        out: `runs/` and `predictions/` in it are taken up as they are.
        options: see there.
        say: called with a line about every finished step.
        executor: what trains and predicts; one after the other, here, if None.

    Raises:
        SourceError: the training source cannot be opened.
        OutputError: the disk is full, or the place is not writable.
    """
    source = open_source(suite.data)
    say(f"{source.name}: {len(source)} figures")
    work, tests = _open(suite, source, out, options, say)
    rounds = Rounds(work, executor or Serial(), options.folds_only)
    rounds.train()
    if options.folds_only:
        return None
    predicted = rounds.predict()
    sources = [source, *(test.figures for test in work.tests)]
    of_sources = [f"{figures.name}: {note}" for figures in sources for note in figures.notes]
    notes = tuple(dict.fromkeys([*of_sources, *work.notes]))
    return _leaderboard(suite, tests, predicted, work.failures, options, notes, say)


def _open(suite: Suite, source: Figures, out: Path, options: Options, say: Say) -> tuple[Work, list[TestSet]]:
    pixels = Pixels.of(source)
    opened: list[TestFigures] = []
    described: list[TestSet] = []
    for spec in suite.tests:
        if spec.left_out:
            described.append(_left_out_set(spec.name, spec.note, source))
            continue
        try:
            test = TestFigures.open(spec, source, pixels, options.keep_duplicates)
        except AtypicaError as error:
            described.append(TestSet(spec.name, spec.source or source.name, note=spec.note, error=error.message))
            say(f"test set {spec.name} left out: {error.message}")
            continue
        opened.append(test)
        described.append(test.describe())
    digests = dict(zip(source.table["figure_id"].tolist(), pixels.digests, strict=True))
    return Work(suite, source, digests, opened, out, say), described


def _left_out_set(name: str, note: str, source: Figures) -> TestSet:
    labels = source.labels
    words = "; ".join(filter(None, [note, "each figure by the network that has not seen it"]))
    return TestSet(name, source.name, len(source), int(np.nansum(labels)), case_count(source), note=words)


def _leaderboard(
    suite: Suite,
    tests: list[TestSet],
    predicted: list[Predicted],
    failures: list[Failure],
    options: Options,
    notes: tuple[str, ...],
    say: Say,
) -> Leaderboard:
    found: list[tuple[Scored, Predicted]] = []
    for place, test in enumerate(tests):
        for one in (one for one in predicted if one.test == test.name):
            try:
                found.append((score(one, suite, suite.label(one.entry, one.seed), options.bootstrap), one))
            except AtypicaError as error:
                label = suite.label(one.entry, one.seed)
                failures.append(Failure(one.entry, one.seed, label, f"{test.name}: {error.message}"))
        tests[place] = _only_scored(test, [scored for scored, _ in found if scored.test == test.name])
    say("comparing")
    names = [test.name for test in tests]
    compared = {name: compare_on([pair for pair in found if pair[0].test == name], options.bootstrap) for name in names}
    return Leaderboard(
        suite=_plain(suite),
        tests=tuple(tests),
        scored=tuple(scored for scored, _ in found),
        failures=tuple(failures),
        comparisons={name: comparison for name, comparison in compared.items() if comparison},
        folds=compare_fold_results(found),
        published=tuple(load_published(name) for name in suite.published),
        settings=options.bootstrap,
        commands=(options.command,) if options.command else (),
        versions={"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        notes=(*notes, *_own_notes(suite, predicted)),
    )


def _plain(suite: Suite) -> dict[str, Any]:
    """The suite as plain values, without the folders of this machine."""
    values = suite.model_dump(mode="json")
    values["data"] = Path(suite.data).name
    for entry in values["entries"]:
        entry["recipe"] = Path(entry["recipe"]).name
    for test in values["tests"]:
        test["source"] = Path(test["source"]).name
    return values


def _only_scored(test: TestSet, scored: list[Scored]) -> TestSet:
    """Of a set that entries leave out themselves, say as many figures as the largest of them had."""
    if not scored or scored[0].kind != "left-out":
        return test
    most = max(scored, key=lambda one: one.first.overall.confusion.figures).first.overall
    return replace(test, figures=most.confusion.figures, amf=most.confusion.counts["AMF"], cases=most.cases)


def _own_notes(suite: Suite, predicted: list[Predicted]) -> list[str]:
    if OWN not in suite.thresholds:
        return []
    without = {one.test: one.operating.note for one in predicted if one.operating.logit is None}
    return [f"{test}: no threshold of its own, because {why}" for test, why in without.items()]
