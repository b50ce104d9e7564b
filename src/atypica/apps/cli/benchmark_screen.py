"""What `atypica benchmark` shows on the terminal."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from atypica.evaluation.leaderboard import Leaderboard
from atypica.reporting.leaderboard.board import Board, Row, boards
from atypica.reporting.leaderboard.text import cells_of, filled, heads_of

if TYPE_CHECKING:
    from atypica.benchmark.suite import Suite

_WIDTH = 150


def show_suites(suites: list[Suite]) -> None:
    """The shipped suites: what each compares, on what."""
    screen = _screen()
    for suite in suites:
        screen.print(f"{suite.name}", style="bold", end="")
        screen.print(f"  {suite.title}", markup=False)
        if suite.description:
            screen.print(f"  {' '.join(suite.description.split())}", markup=False)
        screen.print(f"  entries: {', '.join(entry.label for entry in suite.entries)}", markup=False)
        screen.print(f"  tests: {', '.join(test.name for test in suite.tests)}; seeds {suite.seeds}\n", markup=False)


def show_leaderboard(found: Leaderboard) -> None:
    """Every table, what failed, and what the reader must know, on standard output."""
    screen = _screen()
    for board in boards(found):
        _show(screen, _narrow(board))
    screen.print("\nranges over folds, calibrated ECE and the pairs are in the files", markup=False)
    for line in found.collapses:
        screen.print(f"collapsed: {line}", style="red", markup=False, soft_wrap=True)
    for failure in found.failures:
        screen.print(f"not run: {failure.label}: {failure.error}", style="red", markup=False, soft_wrap=True)
    for test in found.tests:
        if test.error:
            screen.print(f"not tested on {test.name}: {test.error}", style="red", markup=False, soft_wrap=True)


def _show(screen: Console, board: Board) -> None:
    screen.print(f"\n{board.title}", style="bold", markup=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    for place, head in enumerate(heads_of(board)):
        table.add_column(head, justify="left" if place < 2 else "right")
    for row in board.rows:
        table.add_row(*_texts(board, row), style=_style(row))
    screen.print(table)
    for note in board.notes:
        screen.print(f"  {note}", markup=False, soft_wrap=True)


def _style(row: Row) -> str | None:
    if row.published:
        return "italic yellow"
    return "red" if row.collapsed else None


def _texts(board: Board, row: Row) -> list[str]:
    return [text.replace("[", r"\[") for text in cells_of(board, row, ranges=False)]


def _narrow(board: Board) -> Board:
    """The columns that fit a screen: sensitivity and specificity at the first threshold alone."""
    first = next((key.partition("@")[2] for key in board.columns if "@" in key), "")
    kept = {
        key: title
        for key, title in board.columns.items()
        if key in {"auroc", "ece"} or ("@" not in key and board.kind != "models")
        or key.startswith("balanced_accuracy@") or key.endswith(f"@{first}")
    }  # fmt: skip
    return filled(replace(board, columns=kept))


def _screen() -> Console:
    """Standard output; a file or a pipe gets lines long enough for the tables."""
    screen = Console(highlight=False)
    if not screen.is_terminal:
        screen.width = max(screen.width, _WIDTH)
    return screen
