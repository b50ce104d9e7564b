"""What `atypica compare` shows on the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from atypica.apps.cli.comparison_input import Compared
from atypica.apps.cli.evaluation_screen import cell
from atypica.apps.cli.screen import counted, say
from atypica.evaluation.binary import METRICS
from atypica.evaluation.comparison import ModelComparison, PairComparison
from atypica.evaluation.fold_comparison import DEPENDENT, NO_INTERVAL, FoldComparison, FoldFamily, GroupPair
from atypica.evaluation.intervals import Estimate
from atypica.evaluation.significance import Significance

SHOWN = ("balanced_accuracy", "auroc", "sensitivity", "specificity")
MOST_PAIRS = 20
EFFECTS = {
    "rank_biserial": "rank-biserial",
    "cliffs_delta": "Cliff's delta",
}
"""The effects that stand beside a p, by the name a person reads; the others are in the JSON."""
_ALPHA = 0.05
_WIDTH = 132
_WORDS = {name: {"balanced_accuracy": "BA"}.get(name, METRICS[name]) for name in SHOWN}


def show_common(compared: Compared) -> None:
    """What was read for each model, and how many figures all of them scored."""
    for name, scored in compared.sources.items():
        counts = scored.counts
        failed = f", {counts['failed']} failed and left out" if counts["failed"] else ""
        say(
            f"{name}: {counts['matched']} of {counts['predictions']} predictions matched by {scored.matched_by}"
            f"{failed}; "
            f"threshold {scored.threshold:g} ({scored.threshold_origin})",
            "yellow" if failed else "",
        )
    if compared.left_out:
        say(f"  {counted(compared.left_out, 'figure')} not scored by all are left out", "yellow")
    notes = [note for scored in compared.sources.values() for note in scored.notes]
    for note in dict.fromkeys([*notes, *(compared.once.notes if compared.once else ())]):
        say(f"  {note}", "yellow")


def show_models(found: ModelComparison) -> None:
    """Each model, the differences, and the tests, as tables on standard output."""
    screen = _screen()
    cases = "" if found.cases is None else f" of {counted(found.cases, 'case')}"
    title = f"{counted(found.figures, 'figure')}{cases}: {found.amf} AMF, {found.figures - found.amf} NMF"
    _show(screen, title, _metrics(found.models))
    for pair in found.pairs[:MOST_PAIRS]:
        _show(screen, _versus(pair), _model_pair(pair))
        _lines(screen, [f"{test.test}: n/a, {test.reason}" for test in pair.tests.values() if test.p is None])
    screen.print()
    every = [value for pair in found.pairs for value in pair.differences.values()]
    methods = dict.fromkeys(value.interval.method for value in every if value.interval)
    marks = dict.fromkeys(value.interval.note for value in every if value.interval and value.interval.note)
    notes = dict.fromkeys(test.note for pair in found.pairs for test in pair.tests.values() if test.note)
    _lines(screen, [f"intervals: {', '.join(methods)}"] * bool(methods))
    reasons = dict.fromkeys(value.reason for value in every if value.value is not None and value.reason)
    _lines(screen, [f"intervals: {mark}" for mark in marks] + [*reasons])
    _lines(screen, [f"by figure: {note}" for note in notes])
    _lines(
        screen, [f"Holm: over {counted(len(found.pairs), 'pair')} of models, for each test", *_more(len(found.pairs))]
    )


def show_folds(found: FoldComparison, metric: str, notes: tuple[str, ...]) -> None:
    """The groups and the tests of each dataset, as tables on standard output."""
    screen = _screen()
    _lines(screen, notes)
    for family in found.families:
        title = METRICS.get(metric, metric) + (f" on {family.dataset}" if family.dataset else "")
        _show(screen, title, _groups(family, found.by))
        if not family.pairs:
            _lines(screen, [f"no test: only one {found.by} here"])
            continue
        screen.print(_fold_tests(family))
        _lines(screen, [*_pairings(family), *_unreachable(family), *_more(len(family.pairs))])
    screen.print()
    _lines(screen, [NO_INTERVAL, DEPENDENT, "Holm: over the pairs of a dataset"])


def signed(estimate: Estimate) -> str:
    """A difference as a table shows it: `+0.012 [-0.003, +0.027]`, or `n/a` with the reason."""
    if estimate.value is None:
        return f"n/a ({estimate.reason})"
    interval = estimate.interval
    return f"{estimate.value:+.3f}" + (f" [{interval.low:+.3f}, {interval.high:+.3f}]" if interval else "")


def p_text(p: float | None) -> str:
    """A p as a table shows it: four decimals, two digits below 0.001."""
    if p is None:
        return "n/a"
    return f"{p:.4f}" if p >= 0.001 else f"{p:.1e}"


def _versus(pair: PairComparison | GroupPair) -> str:
    return f"{pair.first} - {pair.second}"


def _metrics(models: dict[str, dict[str, Estimate]]) -> Table:
    table = _table(["model"], [_WORDS[name] for name in SHOWN])
    for name, metrics in models.items():
        table.add_row(name, *(cell(metrics[metric]) for metric in SHOWN))
    return table


def _model_pair(pair: PairComparison) -> Table:
    """The differences, and beside AUROC and the odds ratio of decisions their tests."""
    table = _table([""], ["difference"], ["test"], ["p", "Holm p", "smallest p"])
    for metric in SHOWN:
        tests = [pair.tests[name] for name in ("delong_by_case", "delong") if name in pair.tests and metric == "auroc"]
        _with_tests(table, _WORDS[metric], signed(pair.differences[metric]), tests)
    tests = [pair.tests[name] for name in ("mcnemar_by_case", "mcnemar") if name in pair.tests]
    _with_tests(table, "odds ratio", cell(pair.tests["mcnemar"].effects["odds_ratio"]), tests)
    return table


def _with_tests(table: Table, name: str, effect: str, tests: list[Significance]) -> None:
    first, *more = tests or [None]
    table.add_row(name, effect, *(("", "", "", "") if first is None else (first.test, *_numbers(first))))
    for test in more:
        table.add_row("", "", test.test if test else "", *(_numbers(test) if test else ()), style="dim")


def _groups(family: FoldFamily, by: str) -> Table:
    table = _table([by], ["runs", "mean", "SD", "range"])
    for name, group in family.groups.items():
        sd = "n/a (one run)" if group.sd is None else f"{group.sd:.4f}"
        table.add_row(name, str(group.count), f"{group.mean:.4f}", sd, f"{group.lowest:.4f} to {group.highest:.4f}")
    return table


def _fold_tests(family: FoldFamily) -> Table:
    table = _table(["groups", "test"], ["difference"], ["effect"], ["p", "Holm p", "smallest p"])
    for pair in family.pairs[:MOST_PAIRS]:
        used = f"{pair.used[0]} pairs" if pair.paired_by else f"{pair.used[0]} and {pair.used[1]}"
        table.add_row(_versus(pair), f"{pair.test.test}, {used}", *_fold_row(pair.test))
        if pair.averaged.smallest_p != 1:
            table.add_row("", "  folds averaged", *_fold_row(pair.averaged), style="dim")
    return table


def _fold_row(test: Significance) -> tuple[str, ...]:
    effects = [f"{EFFECTS[name]} {signed(effect)}" for name, effect in test.effects.items() if name in EFFECTS]
    difference = test.effects.get("mean_difference")
    return signed(difference) if difference else "", ", ".join(effects), *_numbers(test)


def _numbers(test: Significance) -> tuple[str, str, str]:
    return p_text(test.p), p_text(test.p_holm), "" if test.smallest_p is None else p_text(test.smallest_p)


def _pairings(family: FoldFamily) -> list[str]:
    paired = [pair for pair in family.pairs if pair.paired_by]
    lines = [f"paired by {' and '.join(keys)}" for keys in dict.fromkeys(pair.paired_by for pair in paired)]
    lines += [
        f"{_versus(pair)}: {pair.left_out} runs have no partner and are left out" for pair in paired if pair.left_out
    ]
    lines += [f"{_versus(pair)}: n/a, {pair.test.reason}" for pair in family.pairs if pair.test.p is None]
    return lines + [f"{_versus(pair)}: {pair.test.note}" for pair in family.pairs if pair.test.note]


def _unreachable(family: FoldFamily) -> list[str]:
    """Says where not even the clearest result could be significant after Holm's adjustment."""
    tests = [pair.test for pair in family.pairs if pair.test.p is not None]
    best = min((test.smallest_p * len(tests) for test in tests if test.smallest_p is not None), default=0.0)
    if best <= _ALPHA:
        return []
    return [
        f"no Holm p here can fall below {p_text(min(best, 1.0))}, whatever the data say: too few runs for so many tests"
    ]


def _more(pairs: int) -> list[str]:
    return [f"... {pairs - MOST_PAIRS} more pairs with --json"] if pairs > MOST_PAIRS else []


def _table(*heads: list[str]) -> Table:
    """A table whose columns are texts and numbers by turns."""
    table = Table(box=None, pad_edge=False)
    for place, group in enumerate(heads):
        for head in group:
            table.add_column(head, justify="right" if place % 2 else "left")
    return table


def _screen() -> Console:
    """Standard output; a file or a pipe gets lines long enough for the tables."""
    screen = Console(highlight=False)
    if not screen.is_terminal:
        screen.width = max(screen.width, _WIDTH)
    return screen


def _show(screen: Console, title: str, table: Table) -> None:
    screen.print(f"\n{title}", style="bold", markup=False, soft_wrap=True)
    screen.print(table)


def _lines(screen: Console, lines: Iterable[str]) -> None:
    for line in lines:
        screen.print(f"  {line}", markup=False, soft_wrap=True)
