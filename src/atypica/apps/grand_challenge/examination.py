"""All checks of one file of answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atypica.apps.doctor.finding import Finding, Status
from atypica.apps.grand_challenge.form import Answered, check_form, find_file, read_answers
from atypica.apps.grand_challenge.ground_truth import GroundTruth, read_truth
from atypica.apps.grand_challenge.interface import read_sockets
from atypica.apps.grand_challenge.meaning import check_conflict, check_meaning
from atypica.apps.grand_challenge.order import check_against_model, check_against_truth, check_sorted
from atypica.apps.grand_challenge.stacks import open_input
from atypica.core.errors import SettingsError
from atypica.data.figures import Figures

Typed = Callable[[Figures], NDArray[np.float64]]
"""A model's P(atypical) of every figure."""


def examine(
    output: Path, source: Path | None, truth_file: Path | None, threshold: float | None, typed: Typed
) -> list[Finding]:
    """What is right and wrong with a file of answers.

    Args:
        output: the file, or the folder that it is in.
        source: the input folder of the job; None where it is not at hand.
        truth_file: the challenge's ground truth; None where it is not at hand.
        threshold: P(atypical) from which the classes were called; None if that is not stated.
        typed: asked for a second opinion on the stack, to tell the order of the pages.

    Raises:
        SettingsError: no possible threshold.
        AtypicaError: a file is missing or cannot be used.
    """
    if threshold is not None and not 0 <= threshold <= 1:
        raise SettingsError(f"{threshold:g} is no threshold", "give a number from 0 to 1")
    figures = open_input(source) if source else None
    truth = read_truth(truth_file, _names(source, figures)) if truth_file else None
    file, findings = find_file(output)
    entries, more = read_answers(file)
    findings += more
    if entries is None:
        return findings
    answers, more = check_form(entries, _expected(figures, truth))
    findings += more
    if answers is None:
        said = "not looked at: mend the form first"
        return [*findings, Finding("meaning and order", Status.WARN, said)]
    return [*findings, *_content(answers, figures, truth, threshold, typed)]


def _names(source: Path | None, figures: Figures | None) -> set[str]:
    """What the stack may be called in the ground truth."""
    if source is None or figures is None:
        return set()
    announced = {socket.image for socket in read_sockets(source) if socket.image}
    return announced | {Path(image).name for image in figures.table["image"].unique()}


def _expected(figures: Figures | None, truth: GroundTruth | None) -> dict[str, int]:
    found: dict[str, int] = {}
    if figures is not None:
        found["the stack"] = len(figures)
    if truth is not None:
        found["the ground truth"] = len(truth.labels)
    return found


def _content(
    answers: Answered, figures: Figures | None, truth: GroundTruth | None, threshold: float | None, typed: Typed
) -> list[Finding]:
    findings = [check_conflict(answers, threshold), check_meaning(answers), check_sorted(answers)]
    if truth and len(truth.labels) == len(answers):
        findings += check_against_truth(answers, truth)
    if figures is not None and len(figures) == len(answers):
        findings.append(check_against_model(answers, typed(figures)))
    return findings
