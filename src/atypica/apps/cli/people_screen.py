"""What `atypica evaluate` shows of the experts beside the model, and of folds."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from atypica.apps.cli.evaluation_screen import cell
from atypica.evaluation.fold_spread import FOLD_METRICS, FoldSpread
from atypica.evaluation.people import PEOPLE_METRICS, BesideExpert, Judged, Pair, People

_SHORT = {"balanced_accuracy": "BA", "kappa": "kappa"}


def show_people(found: People) -> None:
    """How far the experts agree; each expert and the model against the other experts; subtypes."""
    screen = Console(highlight=False)
    _title(screen, f"experts: {found.figures} figures with two or more votes")
    for line in _agreement_lines(found):
        _say(screen, line)
    _title(screen, "model beside the experts: both against the majority of the other experts, on the same figures")
    screen.print(_beside(found))
    if found.majority:
        _say(screen, _against_all(found.majority))
    for each in found.beside:
        if each.ties:
            _say(screen, f"{each.ties} figures left out for {each.name}: the others are tied or did not read them")
    if found.subtypes:
        _title(screen, f"eight subtypes: {found.subtypes[0].figures} figures named by all")
        screen.print(_pairs(found.subtypes))


def show_folds(found: FoldSpread) -> None:
    """The spread of each metric over the folds."""
    screen = Console(highlight=False)
    _title(screen, f"folds: {len(found.folds)}, each by itself (a spread, not an interval)")
    for metric, name in FOLD_METRICS.items():
        spread = found.spread[metric]
        if spread.mean is None:
            _say(screen, f"{name} n/a ({spread.reason})")
            continue
        sd = "n/a" if spread.sd is None else f"{spread.sd:.3f}"
        words = f"{name} mean {spread.mean:.3f}, SD {sd}, min {spread.min:.3f}, max {spread.max:.3f}"
        _say(screen, words + (f" over {spread.folds} folds ({spread.reason})" if spread.reason else ""))
    if found.blank:
        _say(screen, f"{found.blank} figures have no fold")


def _agreement_lines(found: People) -> list[str]:
    names = {
        "full": "figures on which all agree",
        "pairwise": "pairs of calls that agree",
        "fleiss": "Fleiss' kappa",
        "krippendorff": "Krippendorff's alpha",
    }
    lines = [f"{words}: {cell(found.agreement[name])}" for name, words in names.items()]
    return lines + [f"Cohen's kappa, {pair.first} and {pair.second}: {cell(pair.kappa)}" for pair in found.pairs]


def _beside(found: People) -> Table:
    table = Table(box=None, pad_edge=False)
    for head in ("", "expert", "model", "model - expert"):
        table.add_column(head)
    for each in found.beside:
        _add_expert(table, each)
    return table


def _add_expert(table: Table, each: BesideExpert) -> None:
    table.add_row(each.name, f"{each.figures} figures", style="bold")
    for metric, words in PEOPLE_METRICS.items():
        expert, model = cell(each.expert.metrics[metric]), cell(each.model.metrics[metric])
        table.add_row(_SHORT.get(metric, words), expert, model, _signed(cell(each.difference[metric])))


def _against_all(judged: Judged) -> str:
    words = ", ".join(f"{_SHORT.get(name, name)} {cell(judged.metrics[name])}" for name in PEOPLE_METRICS)
    return f"model against the majority of all, {judged.confusion.figures} figures: {words}"


def _signed(text: str) -> str:
    return text if text.startswith(("-", "n/a")) else f"+{text}"


def _pairs(pairs: Sequence[Pair]) -> Table:
    table = Table(box=None, pad_edge=False)
    for head in ("who", "agreement", "Cohen's kappa"):
        table.add_column(head)
    for pair in pairs:
        table.add_row(f"{pair.first} and {pair.second}", cell(pair.agreement), cell(pair.kappa))
    return table


def _title(screen: Console, text: str) -> None:
    screen.print(f"\n{text}", style="bold", markup=False, soft_wrap=True)


def _say(screen: Console, text: str) -> None:
    screen.print(f"  {text}", markup=False, soft_wrap=True)
