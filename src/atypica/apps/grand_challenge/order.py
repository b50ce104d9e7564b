"""Whether the answers are in page order, as far as that can be told."""

from __future__ import annotations

from collections.abc import Callable
from math import factorial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu, spearmanr

from atypica.apps.doctor.finding import Finding, Status
from atypica.apps.grand_challenge.form import Answered
from atypica.apps.grand_challenge.ground_truth import GroundTruth
from atypica.evaluation.challenge import challenge_metrics

Floats = NDArray[np.float64]
Fit = Callable[[Floats], tuple[float, float]]
"""How well answers fit something known, and the one-sided p of fitting that well by chance."""
ENOUGH = 8
"""Pages below which no order can be told from another."""
CERTAIN = 0.01
CLEARLY = 0.2
"""How much better another order must fit to be named: AUROC, or rank correlation."""
FIX = "answer the pages in the order in which they lie in the stack: the numbers' order, not that of file names as text"


def other_orders(p: Floats) -> dict[str, Floats]:
    """The answers put right, for each of the usual mistakes that would have brought them out of order."""
    pages = len(p)
    found = {
        "reversed": p[::-1],
        "one page late": np.roll(p, -1),
        "one page early": np.roll(p, 1),
    }
    for start in (0, 1):
        text = sorted(range(pages), key=lambda page: str(page + start))
        if text != list(range(pages)):
            name = f"sorted by the page's number as text ({', '.join(str(page + start) for page in text[:4])}, ...)"
            found[name] = np.empty_like(p)
            found[name][text] = p
    return found


def check_sorted(answers: Answered) -> Finding:
    """Whether the confidences are in order of size, which pages of a stack are not."""
    steps = np.diff(answers.p)
    falling, rising = bool((steps < 0).all()), bool((steps > 0).all())
    if len(answers) < ENOUGH or not (falling or rising):
        said = "confidences go up and down" if len(answers) >= ENOUGH else f"fewer than {ENOUGH} pages: cannot be told"
        return Finding("sorted", Status.PASS, said)
    said = (
        f"the confidences only {'fall' if falling else 'rise'} from page to page: they were sorted; by chance that "
        f"happens once in {factorial(len(answers)) / 2:.2g} stacks"
    )
    return Finding("sorted", Status.FAIL, said, FIX)


def check_against_truth(answers: Answered, truth: GroundTruth) -> list[Finding]:
    """The evaluator's figures, whether AUROC is far below one half, and whether another order fits better."""
    aggregates = challenge_metrics(truth.labels, np.clip(answers.p, 0, 1), answers.atypical, truth.domains)[
        "aggregates"
    ]
    shown = ("balanced_accuracy", "roc_auc", "sensitivity", "specificity")
    words = ", ".join(f"{name.replace('_', ' ')} {_figure(aggregates[f'overall_{name}'])}" for name in shown)
    scores = Finding("score", Status.PASS, f"{words} ({len(answers)} pages of {truth.image})")
    if len(set(truth.labels.tolist())) < 2:
        said = "the ground truth has one class only: AUROC is undefined, and the order cannot be told from it"
        return [scores, Finding("order by truth", Status.WARN, said)]
    return [scores, _by_truth(answers.p, truth.labels)]


def _figure(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "n/a"


def _by_truth(p: Floats, labels: Floats) -> Finding:
    def fit(values: Floats) -> tuple[float, float]:
        return _auroc(values, labels)

    finding = _compare("order by truth", "AUROC", fit, p)
    turned, below = _auroc(-p, labels)
    others = [fit(values)[0] for values in other_orders(p).values()]
    if below >= CERTAIN or (finding.status is Status.FAIL and turned < max(others)):
        return finding
    said = f"AUROC is {1 - turned:.3f}, below one half by more than chance (p = {below:.2g}): better turned around"
    return Finding(
        "order by truth", Status.FAIL, said, "check which class the confidence is of, and the order of the pages"
    )


def _auroc(values: Floats, labels: Floats) -> tuple[float, float]:
    atypical, normal = values[labels == 1], values[labels == 0]
    test = mannwhitneyu(atypical, normal, alternative="greater")
    return float(test.statistic) / (len(atypical) * len(normal)), float(test.pvalue)


def check_against_model(answers: Answered, own: Floats) -> Finding:
    """Whether the answers follow a model's own in page order, or rather in another.

    Args:
        answers: those of the file.
        own: the model's P(atypical), (pages,); NaN where it could not read the page.
    """

    def fit(values: Floats) -> tuple[float, float]:
        return _correlation(values, own)

    if len(answers) < ENOUGH:
        return Finding("order by model", Status.PASS, f"fewer than {ENOUGH} pages: cannot be told")
    return _compare("order by model", "rank correlation with the model's own answers", fit, answers.p)


def _correlation(values: Floats, own: Floats) -> tuple[float, float]:
    known = np.isfinite(own)
    if len(set(values[known].tolist())) < 2 or len(set(own[known].tolist())) < 2:
        return 0.0, 1.0
    test = cast("Any", spearmanr(values[known], own[known], alternative="greater"))
    return float(test.statistic), float(test.pvalue)


def _compare(name: str, measure: str, fit: Fit, p: Floats) -> Finding:
    """Name another order where page order does not fit, but it does: clearly, and by more than chance."""
    as_is, chance = fit(p)
    others = {order: fit(values) for order, values in other_orders(p).items()} if len(p) >= ENOUGH else {}
    order, (best, by_chance) = max(others.items(), key=lambda item: item[1][0], default=("", (0.0, 1.0)))
    if by_chance * len(others) < CERTAIN <= chance and best - as_is > CLEARLY:
        said = (
            f"the answers look {order}: put right, {measure} is {best:.3f} (p = {by_chance:.2g}, {len(others)} orders "
            f"tried), in page order {as_is:.3f}"
        )
        return Finding(name, Status.FAIL, said, FIX)
    if chance < CERTAIN:
        return Finding(name, Status.PASS, f"{measure} in page order is {as_is:.3f} (p = {chance:.2g})")
    said = f"{measure} in page order is {as_is:.3f} (p = {chance:.2g}): no order stands out, so this cannot be told"
    return Finding(name, Status.WARN, said)
