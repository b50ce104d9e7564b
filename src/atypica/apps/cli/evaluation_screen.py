"""What `atypica evaluate` shows on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from atypica.apps.cli.evaluation_input import Scored
from atypica.core.progress import console
from atypica.core.vocabulary import Subtype
from atypica.evaluation.binary import METRICS
from atypica.evaluation.intervals import Estimate
from atypica.evaluation.subtypes import SUBTYPE_METRICS, SubtypeEvaluation
from atypica.evaluation.summary import Evaluation, Group

_BRIEF = ("balanced_accuracy", "auroc", "sensitivity", "specificity")
MOST_GROUPS = 12


def show_input(scored: Scored) -> None:
    """How many figures were matched, and by what; what was left out; where the threshold comes from."""
    counts = scored.counts
    _say(f"{counts['matched']} of {counts['predictions']} predictions matched to labels by {scored.matched_by}")
    for key, words in (
        ("failed", "predictions had failed and are left out"),
        ("predictions_without_label", "predictions have no label and are left out"),
        ("labels_without_prediction", "labeled figures have no prediction"),
    ):
        if counts[key]:
            _say(f"  {counts[key]} {words}", "yellow" if key == "failed" else "")
    _say(f"threshold {scored.threshold:g}: {scored.threshold_origin}")
    for note in scored.notes:
        _say(f"  {note}", "yellow")


def show_evaluation(found: Evaluation) -> None:
    """The metrics, the groups, and the subtypes, as tables on standard output."""
    screen = Console(highlight=False)
    _show(screen, _title(found.overall), _overall(found), _interval_notes(found.overall))
    for column, groups in found.domains.items():
        _show(screen, f"by {column}", _domain(column, groups))
    if found.subtypes:
        title = f"subtypes, each against the rest: {found.subtypes.figures} figures"
        _show(screen, title, _subtypes(found.subtypes), _binary_lines(found.subtypes))


_RULES = {"subtype": "side of the called subtype", "sum": "AMF subtypes' sum at 0.5"}


def _show(screen: Console, title: str, table: Table, notes: Sequence[str] = ()) -> None:
    screen.print(f"\n{title}", style="bold", markup=False, soft_wrap=True)
    screen.print(table)
    for note in notes:
        screen.print(f"  {note}", markup=False, soft_wrap=True)


def _title(group: Group) -> str:
    counts = group.confusion.counts
    cases = "" if group.cases is None else f" of {group.cases} cases"
    return f"{group.confusion.figures} figures{cases}: {counts['AMF']} AMF, {counts['NMF']} NMF"


def _binary_lines(found: SubtypeEvaluation) -> list[str]:
    lines: list[str] = []
    for result in found.binary:
        value = "n/a" if result.balanced_accuracy is None else f"{result.balanced_accuracy:.3f}"
        lines.append(f"BA {value}: AMF or NMF from the {_RULES[result.rule]}, against {result.truth}")
    return lines


def cell(estimate: Estimate) -> str:
    """An estimate as a table shows it: `0.812 [0.790, 0.833]`, or `n/a` with the reason."""
    if estimate.value is None:
        return f"n/a ({estimate.reason})"
    interval = estimate.interval
    return f"{estimate.value:.3f}" + (f" [{interval.low:.3f}, {interval.high:.3f}]" if interval else "")


def _overall(found: Evaluation) -> Table:
    group = found.overall
    table = Table(box=None, pad_edge=False)
    table.add_column("metric")
    table.add_column(f"value [{found.settings.level:.0%} interval]")
    for name, words in METRICS.items():
        table.add_row(words, cell(group.metrics[name]))
    return table


def _interval_notes(group: Group) -> list[str]:
    intervals = [estimate.interval for estimate in group.metrics.values() if estimate.interval]
    methods = dict.fromkeys(interval.method.split(",")[0] for interval in intervals)
    notes = dict.fromkeys(interval.note for interval in intervals if interval.note)
    reasons = dict.fromkeys(e.reason for e in group.metrics.values() if e.reason and e.value is not None)
    return [f"intervals: {', '.join(methods)}"] * bool(methods) + [*notes, *reasons]


def _domain(column: str, groups: tuple[Group, ...]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(column)
    for head in ("figures", "AMF", "cases"):
        table.add_column(head, justify="right")
    for name in _BRIEF:
        table.add_column({"balanced_accuracy": "BA"}.get(name, METRICS[name]))
    for group in groups[:MOST_GROUPS]:
        counts = group.confusion.counts
        cases = "" if group.cases is None else str(group.cases)
        cells = (cell(group.metrics[name]) for name in _BRIEF)
        table.add_row(group.name, str(group.confusion.figures), str(counts["AMF"]), cases, *cells)
    if len(groups) > MOST_GROUPS:
        table.add_row(f"... {len(groups) - MOST_GROUPS} more in metrics.json")
    return table


def _subtypes(found: SubtypeEvaluation) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("subtype")
    table.add_column("figures", justify="right")
    for words in SUBTYPE_METRICS.values():
        table.add_column(words)
    for name, metrics in found.per_class.items():
        values = (_plain(metrics[metric]) for metric in SUBTYPE_METRICS)
        table.add_row(Subtype(name).display, str(found.counts[name]), *values)
    table.add_row("mean", "", *(_plain(found.macro[metric]) for metric in SUBTYPE_METRICS), style="bold")
    return table


def _plain(estimate: Estimate) -> str:
    return "n/a" if estimate.value is None else f"{estimate.value:.3f}"


def _say(text: str, style: str = "") -> None:
    console.print(text, style=style, markup=False, soft_wrap=True)
