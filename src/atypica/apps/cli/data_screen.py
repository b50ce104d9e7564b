"""What `atypica data` shows on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from atypica.apps.cli.screen import counted
from atypica.core.vocabulary import Subtype
from atypica.data.audit import Audit, Finding, Kind, Severity
from atypica.data.describe import Description, Part
from atypica.data.figures import Figures
from atypica.data.sources.dataset import Dataset

SHOWN = 3
"""Examples of each kind of finding."""
PARTS = ("train", "val", "test")
STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}


def say(text: str, style: str = "") -> None:
    """One line of a result, on standard output."""
    Console(highlight=False).print(text, style=style, markup=False, soft_wrap=True)


def show_table(table: Table) -> None:
    """A table as a result, on standard output."""
    Console(highlight=False).print(table)


def show_datasets(datasets: Sequence[Dataset], here: dict[str, Path | None], home: Path) -> None:
    """The public datasets."""
    for dataset in datasets:
        found = here.get(dataset.name) or (home / dataset.folders[0] if dataset.name not in here else None)
        counts = [
            f"{_number(dataset.figures)} figures",
            f"{_number(dataset.amf)} AMF",
            f"{_number(dataset.cases)} cases",
        ]
        line = Text.assemble((f"{dataset.name:15}", "bold"), *(f"{count:>16}" for count in counts), "   ")
        present = found is not None and found.exists()
        line.append(f"in {found.name}" if found and present else "not here", style="green" if present else "dim")
        Console(highlight=False).print(line, soft_wrap=True)
        say(f"  {dataset.about}")
        say(f"  {dataset.license}; {dataset.url}", "dim")
    say(f"Datasets lie in {home} (setting ATYPICA_DATA). Get one: atypica data fetch NAME")


def show_description(description: Description) -> None:
    """The dataset tables of one source."""
    everything = description.all
    say(f"{description.name}: {counted(everything.figures, 'figure')}", "bold")
    for note in description.notes:
        say(f"  {note}", "dim")
    _show_parts(description)
    if description.per_case:
        case = description.per_case
        say(
            f"figures a case: median {case.median:g} (from {case.least} to {case.most}); "
            f"{case.with_amf} of {everything.cases} cases have an AMF"
        )
    _show_votes(description)
    _show_subtypes(description)


def _show_parts(description: Description) -> None:
    table = _table("", ">figures", ">NMF", ">AMF", ">AMF rate", ">cases")
    table.add_row(*_part_cells(description.all), style="bold")
    for column, parts in description.domains.items():
        table.add_section()
        table.add_row(Text(column, style="italic cyan"))
        for part in parts:
            table.add_row(*_part_cells(part, "  "))
    show_table(table)


def _part_cells(part: Part, indent: str = "") -> tuple[str, ...]:
    labeled = part.amf + part.nmf
    return (
        indent + ("not known" if part.name is None else part.name),
        _number(part.figures),
        _number(part.nmf) if labeled else "-",
        _number(part.amf) if labeled else "-",
        _percent(part.rate),
        _number(part.cases),
    )


def _show_votes(description: Description) -> None:
    if not description.experts:
        return
    table = _table("votes", ">figures read", ">AMF", ">AMF rate", ">BA against the others")
    against = description.agreement.against_others if description.agreement else ()
    for index, expert in enumerate(description.experts):
        accuracy = against[index].balanced_accuracy if index < len(against) else None
        name = "expert " + expert.column.removeprefix("vote_")
        table.add_row(name, _number(expert.read), _number(expert.amf), _percent(expert.rate), _decimal(accuracy))
    show_table(table)
    _show_agreement(description)


def _show_agreement(description: Description) -> None:
    readers = ", ".join(f"{number} on {figures:,}" for number, figures in description.readers.items())
    say(f"experts a figure: {readers} figures")
    agreement = description.agreement
    if agreement and agreement.figures:
        pairs = ", ".join(f"{p.first + 1}-{p.second + 1} {_decimal(p.kappa)}" for p in agreement.pairs)
        say(f"unanimous: {_percent(agreement.full)} of the {agreement.figures:,} figures with two or more votes")
        say(f"kappa: Fleiss {_decimal(agreement.fleiss)}; Cohen {pairs}")
        say(f"Krippendorff's alpha: {_decimal(agreement.krippendorff)}")


def _show_subtypes(description: Description) -> None:
    if not description.subtypes:
        return
    columns = dict(description.subtypes)
    if columns.get("subtype") == columns.get("subtype_1"):
        columns.pop("subtype")  # taken from expert 1
    names = [name.replace("subtype_", "expert ") if "_" in name else "taken" for name in columns]
    table = _table("subtype", *(f">{name}" for name in names))
    for subtype in Subtype:
        counts = [_count_and_share(column, subtype.value) for column in columns.values()]
        table.add_row(f"{subtype.side.value} {subtype.display}", *counts)
    show_table(table)


def _count_and_share(counts: dict[str, int], name: str) -> str:
    return f"{counts[name]:,}  {counts[name] / sum(counts.values()):6.1%}"


def show_audit(outcome: Audit) -> None:
    """What was checked, what was found, and examples."""
    table = _table("checked", ">found", "")
    for kind in outcome.checked:
        if kind != Kind.UNCHECKED:
            table.add_row(kind.question, *_verdict(outcome.of(kind)))
    show_table(table)
    for kind in outcome.checked:
        _show_examples(kind, outcome.of(kind))
    total = counted(outcome.figures, "figure")
    if outcome.errors:
        say(f"{counted(outcome.errors, 'error')} in {total}", "bold red")
    else:
        warnings = sum(finding.severity == Severity.WARNING for finding in outcome.findings)
        say(f"no errors in {total}" + (f", {counted(warnings, 'warning')}" if warnings else ""), "bold green")


def _verdict(findings: tuple[Finding, ...]) -> tuple[str, Text]:
    if not findings:
        return "-", Text("ok", style="green")
    worst = findings[0].severity
    return f"{len(findings):,}", Text(worst.value, style=STYLES[worst])


def _show_examples(kind: Kind, findings: tuple[Finding, ...]) -> None:
    if not findings:
        return
    say(kind.question, STYLES[findings[0].severity])
    for finding in findings[:SHOWN]:
        say(f"  {finding.explanation}")
    if len(findings) > SHOWN:
        say(f"  ... and {len(findings) - SHOWN:,} more (all: --json)")
    say(f"  -> {findings[0].fix}")


def show_split(figures: Figures, parts: pd.DataFrame) -> None:
    """The parts of a split: how large, which rate, how many cases."""
    column = parts.columns[1]
    table = _table(column, ">figures", ">share", ">AMF", ">AMF rate", ">cases")
    names = parts[column].unique().tolist()
    for name in sorted(names, key=lambda name: (PARTS.index(name) if name in PARTS else 0, name)):
        part = figures.where(parts[column] == name)
        amf, labeled = int((part.labels == 1).sum()), int((part.labels >= 0).sum())
        cases = part.table["case"].nunique() if "case" in part.table else None
        rate = amf / labeled if labeled else None
        table.add_row(
            str(name), _number(len(part)), _percent(len(part) / len(figures)), _number(amf), _percent(rate),
            _number(cases),
        )  # fmt: skip
    show_table(table)


def show_packed(out: Path, figures: int, kept: int, shards: int, errors: dict[str, str]) -> None:
    """What was written, and what could not be read."""
    for figure, reason in list(errors.items())[:SHOWN]:
        say(f"  {figure}: {reason}", "red")
    if errors:
        say(f"{counted(len(errors), 'figure')} could not be read, and have no image", "bold red")
    before = f", {kept} of them by an earlier run" if kept else ""
    say(f"wrote {out}: {counted(figures, 'figure')} in {counted(shards, 'shard')}{before}")


def _table(*columns: str) -> Table:
    """A plain table; a heading that starts with '>' is of numbers, at the right."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left")
    return table


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _decimal(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
