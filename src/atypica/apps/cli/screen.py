"""What the verbs that type figures show on the screen."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from rich.table import Table

from atypica.core.progress import console
from atypica.data.figures import Figures
from atypica.inference.cases import FEW_FIGURES
from atypica.inference.counting import counted as counts
from atypica.inference.predictions import flags
from atypica.inference.result import Result
from atypica.inference.trained_on import flattery

MOST_CASES = 12
MOST_ERRORS = 5


def say(text: str, style: str = "") -> None:
    """One line, as it is."""
    console.print(text, style=style, markup=False, soft_wrap=True)


def show_source(figures: Figures) -> None:
    """What was understood of a source."""
    cases = figures.table["case"].nunique() if "case" in figures.table else 0
    say(f"{figures.name}: {counted(len(figures), 'figure')}" + (f", {counted(cases, 'case')}" if cases else ""), "bold")
    for note in figures.notes:
        say(f"  {note}")


def show_result(result: Result) -> None:
    """The resolution that was taken, what failed, and the rates."""
    show_notes(result.notes[len(result.figures.notes) :])
    typed = len(result.predictions) - result.failed
    show_training(int(flags(result.predictions, "in_training").sum()), typed)
    errors = result.predictions.loc[result.predictions["p_amf"].isna(), ["figure_id", "error"]]
    show_failed(result.failed, len(result.predictions), errors.head(MOST_ERRORS).itertuples(index=False))
    if typed:
        referred = int((flags(result.predictions, "abstain") & counts(result.predictions)).sum())
        show_cases(result.cases(), float(result.predictions["threshold"].dropna().iloc[0]), referred)


def show_notes(notes: Iterable[str]) -> None:
    """What was understood, an assumption standing out."""
    for note in notes:
        say(f"  {note}", "yellow" if "assumed" in note else "")


def show_training(number: int, figures: int) -> None:
    """That `number` of the typed figures trained the model, where some did."""
    if trained := flattery(number, figures):
        say(f"  {trained}", "bold yellow")


def show_failed(number: int, figures: int, first: Iterable[tuple[str, str]]) -> None:
    """How many figures failed, and the first of them with their errors."""
    if not number:
        return
    say(f"{number} of {counted(figures, 'figure')} failed:", "bold red")
    for figure, error in first:
        say(f"  {figure}: {error}", "red")
    if number > MOST_ERRORS:
        say(f"  ... and {number - MOST_ERRORS} more, see the column 'error'", "red")


def show_cases(cases: pd.DataFrame, threshold: float, referred: int) -> None:
    """The AMF rate of cases, and how many figures a person should look at."""
    table = Table(title=f"AMF rate at threshold {threshold:.2f}", title_justify="left", box=None, pad_edge=False)
    table.add_column("case")
    for column in ("figures", "AMF", "AMF rate", "95 % interval"):
        table.add_column(column, justify="right")
    table.add_column("")
    every, total = cases.iloc[:-1], cases.iloc[-1]
    for _, row in every.head(MOST_CASES).iterrows():
        table.add_row(*_cells(row))
    if len(every) > MOST_CASES:
        table.add_row("...")
    table.add_row(*_cells(total), style="bold")
    console.print(table)
    if len(every) > MOST_CASES:
        say(f"  {counted(len(every) - MOST_CASES, 'more case')} in the table of cases")
    if cases["few_figures"].any():
        say(f"  few: fewer than {FEW_FIGURES} counted figures, the rate means little")
    say(f"  interval of 'all': {total['interval']}")
    if referred:
        say(f"  {counted(referred, 'figure')} to be looked at by a person (column 'abstain')")


def _cells(row: pd.Series) -> tuple[str, ...]:
    number = row["figures"] - row["failed"] - row["left_out"]
    name = "(no case)" if pd.isna(row["case"]) else str(row["case"])
    if not number:
        return name, "0", "", "", "", "none typed" if not row["left_out"] else "all left out"
    rate, low, high = (f"{row[column]:.1%}" for column in ("amf_rate", "low", "high"))
    return name, f"{number:,}", f"{row['amf']:,}", rate, f"{low} to {high}", "few" if row["few_figures"] else ""


def show_files(files: list[Path]) -> None:
    """Where the outputs are."""
    for file in files:
        say(f"wrote {file}")
    say("Research use only, not a medical device.", "dim")


def counted(number: int, noun: str) -> str:
    """3,720 figures; 1 figure."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
