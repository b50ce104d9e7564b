"""The leaderboard as one HTML file that fetches nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from markupsafe import Markup
from matplotlib.figure import Figure

from atypica.core.files import write_text
from atypica.evaluation.comparison import ModelComparison, PairComparison
from atypica.evaluation.fold_comparison import FoldComparison, GroupPair
from atypica.evaluation.intervals import Estimate
from atypica.evaluation.leaderboard import Leaderboard, Scored, TestSet
from atypica.evaluation.referral import SHARE
from atypica.evaluation.significance import Significance
from atypica.reporting.leaderboard import plots
from atypica.reporting.leaderboard.board import SHORT, Board, boards
from atypica.reporting.leaderboard.text import cells_of, filled, heads_of
from atypica.reporting.pages import environment, template_text
from atypica.reporting.plots import inline_svg

ALPHA = 0.05
_MATRIX = {"balanced_accuracy": "mcnemar", "auroc": "delong"}


@dataclass(frozen=True)
class Square:
    """One cell of a matrix of pairs: row's model less column's.

    Attributes:
        effect: the difference with its interval.
        test: the test and p, raw and after Holm.
        side: "higher" or "lower" where Holm's p is below `ALPHA`, else "".
    """

    effect: str
    test: str
    side: str


@dataclass(frozen=True)
class Matrix:
    """All pairs of models by one metric."""

    title: str
    names: tuple[str, ...]
    squares: tuple[tuple[Square | None, ...], ...]


@dataclass(frozen=True)
class Plot:
    """A picture with its caption."""

    svg: Markup
    caption: str


@dataclass(frozen=True)
class Part:
    """What the page shows of one test set."""

    anchor: str
    test: TestSet
    boards: tuple[Board, ...]
    plots: tuple[Plot, ...]
    matrices: tuple[Matrix, ...]
    common: str


def write_page(found: Leaderboard, path: Path) -> None:
    """Write a leaderboard as one page: tables, plots and styles are inside.

    Raises:
        OutputError: the file cannot be written.
    """
    write_text(path, render_page(found))


def render_page(found: Leaderboard) -> str:
    """The HTML that `write_page` writes."""
    every = boards(found)
    return (
        environment()
        .get_template("leaderboard.html.j2")
        .render(
            found=found,
            suite=found.suite,
            parts=[_part(found, test, place, every) for place, test in enumerate(found.tests) if found.on(test.name)],
            context=[board for board in every if board.kind == "context"],
            broken=[test for test in found.tests if test.error],
            folds=[row for metric, one in found.folds.items() for row in _fold_rows(metric, one)],
            created=datetime.now().astimezone(),
            version=version("atypica"),
            style=Markup(template_text("report.css") + template_text("leaderboard.css")),
            filled=filled,
            heads_of=heads_of,
            cells_of=cells_of,
        )
    )


def _part(found: Leaderboard, test: TestSet, place: int, every: list[Board]) -> Part:
    own = tuple(board for board in every if board.test == test.name)
    comparison = found.comparisons.get(test.name)
    return Part(
        anchor=f"test-{place}",
        test=test,
        boards=own,
        plots=tuple(_plots(found.on(test.name), own, place)),
        matrices=tuple(_matrices(comparison)) if comparison else (),
        common=_common(comparison) if comparison else "",
    )


def _plots(scored: tuple[Scored, ...], own: tuple[Board, ...], place: int) -> Iterator[Plot]:
    kind = "cases" if scored[0].first.overall.cases is not None else "figures (likely too narrow)"
    band = f"Bands: pointwise {scored[0].first.settings.level:.0%}, {kind} drawn again"
    more = len(scored) - plots.MOST_CURVES
    rest = f"; {more} more models stand in the table" if more > 0 else ""
    models = next((board for board in own if board.kind == "models"), None)
    drawn: list[tuple[str, Figure | None, str]] = [
        ("overview", plots.overview_plot(models) if models else None, _OVERVIEW),
        ("roc", plots.roc_plot(scored), f"ROC. {band}{rest}."),
        ("pr", plots.pr_plot(scored), f"Precision and recall. {band}{rest}."),
        ("reliability", plots.reliability_plot(scored), _RELIABILITY),
        ("coverage", plots.coverage_plot(scored), _coverage_words(scored)),
    ]
    for name, figure, caption in drawn:
        if figure is not None:
            yield Plot(Markup(inline_svg(figure, f"{name}-{place}", caption.replace('"', ""))), caption)


_OVERVIEW = (
    "Every row of the table. Squares: mean of the folds, dotted line one SD to either side (no interval). Dots: with "
    "interval. Hollow diamonds, in italics: published."
)
_RELIABILITY = (
    "Reliability: how often figures with a given p(AMF) are AMF. Grey squares: plain sigmoid of the mean logit. Blue "
    "dots: calibrated on out-of-fold predictions, with Wilson's 95 % interval of each bin. ECE of each, in its color."
)


def _coverage_words(scored: tuple[Scored, ...]) -> str:
    names = dict.fromkeys(plots.referred_at(one) for one in scored if one.referrals)
    return (
        f"Balanced accuracy of what the model answers when the most doubtful figures go to a person, by each doubt; "
        f"threshold: {', '.join(names)}. Grey line: {SHARE:.0%}, as in the table."
    )


def _common(found: ModelComparison) -> str:
    cases = "" if found.cases is None else f" of {found.cases} cases"
    return f"On the {found.figures:,} figures{cases} that every model scored ({found.amf:,} AMF)."


def _matrices(found: ModelComparison) -> Iterator[Matrix]:
    names = tuple(found.models)
    for metric, test in _MATRIX.items():
        squares: dict[tuple[str, str], Square] = {}
        words = ""
        for pair in found.pairs:
            significance = pair.tests.get(f"{test}_by_case") or pair.tests[test]
            words = words or significance.test
            squares[pair.first, pair.second] = _square(pair, metric, significance, 1)
            squares[pair.second, pair.first] = _square(pair, metric, significance, -1)
        title = f"{SHORT[metric]}: row less column; {words.split(',')[0]}"
        yield Matrix(title, names, tuple(tuple(squares.get((row, column)) for column in names) for row in names))


def _square(pair: PairComparison, metric: str, test: Significance, sign: int) -> Square:
    difference = pair.differences[metric]
    p = f"p {p_text(test.p)}, Holm {p_text(test.p_holm)}" if test.p is not None else f"n/a: {test.reason}"
    side = ""
    if test.p_holm is not None and test.p_holm < ALPHA and difference.value:
        side = "higher" if difference.value * sign > 0 else "lower"
    return Square(_signed(difference, sign), p, side)


def _signed(estimate: Estimate, sign: int = 1) -> str:
    if estimate.value is None:
        return "n/a"
    interval = estimate.interval
    if interval is None:
        return f"{sign * estimate.value:+.3f}"
    low, high = sorted((sign * interval.low, sign * interval.high))
    return f"{sign * estimate.value:+.3f} [{low:+.3f}, {high:+.3f}]"


def p_text(p: float | None) -> str:
    """A p as tables show it: four decimals, two digits below 0.001."""
    if p is None:
        return "n/a"
    return f"{p:.4f}" if p >= 0.001 else f"{p:.1e}"


def _fold_rows(metric: str, found: FoldComparison) -> Iterator[list[str]]:
    for family in found.families:
        for pair in family.pairs:
            yield [family.dataset, SHORT[metric], f"{pair.first} − {pair.second}", *_fold_cells(pair)]


def _fold_cells(pair: GroupPair) -> list[str]:
    test = pair.test
    difference = test.effects.get("mean_difference")
    used = f"{pair.used[0]} pairs" if pair.paired_by else f"{pair.used[0]} and {pair.used[1]}"
    smallest = "" if test.smallest_p is None else p_text(test.smallest_p)
    effect = _signed(difference) if difference else ""
    return [f"{test.test}, {used}", effect, p_text(test.p), p_text(test.p_holm), smallest]
