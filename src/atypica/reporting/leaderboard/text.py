"""A leaderboard as Markdown, LaTeX (booktabs) and one long CSV."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from atypica.core.files import write_text
from atypica.evaluation.leaderboard import Leaderboard
from atypica.reporting.leaderboard.board import Board, Row, boards

OURS, PRINTED = 3, 4
"""Decimals of our numbers, and of published ones, which stand as they were printed."""
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "±": r"$\pm$", "–": "--", "−": "$-$", "µ": r"\textmu{}",
}  # fmt: skip
_MARKED = re.compile("|".join(map(re.escape, _LATEX)))


def markdown(found: Leaderboard) -> str:
    """The tables as GitHub's Markdown; published rows are in italics."""
    suite = found.suite
    parts = [f"# {suite['title']}", _sentence(suite["description"]), _protocol(suite)]
    parts += [_markdown_board(board) for board in boards(found)]
    if found.collapses:
        parts.append("## Collapsed\n\n" + "\n".join(f"- {line}" for line in found.collapses))
    if found.failures:
        parts.append("## Not run\n\n" + "\n".join(f"- {one.label}: {one.error}" for one in found.failures))
    broken = [f"- {test.name}: {test.error}" for test in found.tests if test.error]
    if broken:
        parts.append("## Not tested on\n\n" + "\n".join(broken))
    if found.commands:
        parts.append("## Commands\n\n```console\n" + "\n".join(found.commands) + "\n```")
    versions = ", ".join(f"{name} {version}" for name, version in (found.versions or {}).items())
    return "\n\n".join(filter(None, [*parts, versions])) + "\n"


def latex(found: Leaderboard) -> str:
    r"""The tables for `\input`, with `booktabs`; published rows are in italics."""
    head = f"% {found.suite['name']}: needs \\usepackage{{booktabs}}, and for wide tables \\usepackage{{graphicx}}\n"
    return head + "\n".join(_latex_board(board) for board in boards(found))


def escape(text: str) -> str:
    r"""Text that LaTeX sets as it stands.

    >>> escape("50 % of a_b & c")
    '50 \\% of a\\_b \\& c'
    """
    return _MARKED.sub(lambda match: _LATEX[match.group()], text)


def long_table(found: Leaderboard) -> pd.DataFrame:
    """One row a number: which board, test, row and metric; value; sd, min, max over folds; low, high of an interval."""
    tests = {test.name: test for test in found.tests}
    rows = [
        {
            "board": board.kind,
            "test": board.test,
            "name": row.name,
            "of": row.of,
            "published": row.published,
            "collapsed": None if row.published else row.collapsed,
            **_numbers(row, None if row.published or board.test not in tests else tests[board.test].figures),
            "metric": column,
            "value": cell.value,
            "sd": cell.sd,
            "min": cell.lowest,
            "max": cell.highest,
            "low": cell.low,
            "high": cell.high,
            "note": cell.note,
        }
        for board in boards(found)
        for row in board.rows
        for column, cell in row.cells.items()
    ]
    return pd.DataFrame(rows)


def _numbers(row: Row, whole: int | None) -> dict[str, int | None]:
    figures, amf, cases = row.counts or (whole, None, None)
    return {"figures": figures, "amf": amf or None, "cases": cases}


def write_texts(found: Leaderboard, folder: Path) -> list[Path]:
    """Write `leaderboard.md` and `leaderboard.tex`; gives the files."""
    formats: dict[str, Callable[[Leaderboard], str]] = {"leaderboard.md": markdown, "leaderboard.tex": latex}
    for name, render in formats.items():
        write_text(folder / name, render(found))
    return [folder / name for name in formats]


def _protocol(suite: dict[str, object]) -> str:
    return f"Protocol: {suite['protocol']}." if suite.get("protocol") else ""


def _sentence(text: str) -> str:
    return " ".join(text.split())


def cells_of(board: Board, row: Row, ranges: bool = True) -> list[str]:
    """The texts of a row: name, of, (figures,) and every column; `ranges` adds lowest and highest over folds."""
    counts = [f"{row.counts[0]:,}" if row.counts else ""] if board.counted else []
    known = [row.cells.get(key) for key in board.columns]
    digits = PRINTED if row.published else OURS
    return [row.name, row.of, *counts, *(cell.text(digits, ranges=ranges) if cell else "" for cell in known)]


def heads_of(board: Board) -> list[str]:
    """The heads of `cells_of`."""
    return [*board.heads, *(["figures"] if board.counted else []), *board.columns.values()]


def filled(board: Board) -> Board:
    """The board without columns that no row fills."""
    kept = {
        k: v for k, v in board.columns.items() if any(row.cells.get(k) and row.cells[k].text() for row in board.rows)
    }
    return Board(board.title, board.heads, kept, board.rows, board.notes, board.kind, board.test)


def _markdown_board(board: Board) -> str:
    board = filled(board)
    lines = [_markdown_row(heads_of(board)), _markdown_row(["---", "---", *["---:"] * (len(heads_of(board)) - 2)])]
    for row in board.rows:
        cells = [cell.replace("|", r"\|").replace("*", r"\*") for cell in cells_of(board, row)]
        lines.append(_markdown_row([f"*{cell}*" if cell and row.published else cell for cell in cells]))
    notes = "\n".join(f"- {note}" for note in board.notes)
    return "\n\n".join(filter(None, [f"## {board.title}", "\n".join(lines), notes]))


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _latex_board(board: Board) -> str:
    board = filled(board)
    heads = heads_of(board)
    body = [_latex_row([escape(cell) for cell in cells_of(board, row)], bool(row.published)) for row in board.rows]
    notes = escape(". ".join(board.notes))
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escape(board.title)}. {notes}}}",
            r"\resizebox{\linewidth}{!}{%",
            rf"\begin{{tabular}}{{ll{'r' * (len(heads) - 2)}}}",
            r"\toprule",
            _latex_row([escape(head) for head in heads], False),
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
            "",
        ]
    )


def _latex_row(cells: Sequence[str], italic: bool) -> str:
    return " & ".join(rf"\textit{{{cell}}}" if italic and cell else cell for cell in cells) + r" \\"
