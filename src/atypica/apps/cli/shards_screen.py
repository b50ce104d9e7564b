"""What `atypica classify` shows and writes of figures in shards."""

from __future__ import annotations

from pathlib import Path

from atypica.apps.cli.screen import counted, say, show_cases, show_failed, show_notes, show_training
from atypica.core.outputs import OutputFolder
from atypica.core.tables import write_table
from atypica.data.shards import Shards
from atypica.inference.parts.shards import ShardsResult
from atypica.inference.result import TableFormat

MOST_FAILED = 5


def show_shards(shards: Shards) -> None:
    """What there is to type."""
    say(f"{shards.name}: {counted(len(shards.shards), 'shard')}", "bold")


def deliver_shards(result: ShardsResult, out: Path, table_format: TableFormat) -> int:
    """Show what became of figures in shards, and write their cases; gives the exit status.

    Raises:
        OutputError: a file cannot be written.
    """
    summary, typed = result.summary, result.summary.figures - result.summary.failed
    kept = f", {counted(result.kept_parts, 'part')} of an earlier run" if result.kept_parts else ""
    say(f"{counted(summary.figures, 'figure')}{kept}", "bold")
    show_notes(result.notes)
    show_training(summary.in_training, typed)
    show_failed(summary.failed, summary.figures, summary.errors)
    _show_not_done("shard", "not read to its end", result.failed_shards)
    _show_not_done("part", "not done; the same command tries again", result.failed_parts)
    cases = result.cases()
    if typed:
        show_cases(cases, next(iter(summary.counts.thresholds)), summary.referred)
    folder = OutputFolder(out)
    table = write_table(cases, out / f"cases.{table_format}")
    folder.add([table, *result.files])
    for changed in folder.remove_earlier():
        say(f"{changed} is of an earlier run and was changed since: it stays, look after it yourself", "yellow")
    say(f"wrote {result.predictions} ({counted(len(result.files) - 1, 'part')}, one table) and {table}")
    say("There is no report of figures in shards: classify a table of some of them for one.")
    say("Research use only, not a medical device.", "dim")
    return int(result.exit_code)


def _show_not_done(noun: str, what: str, failed: dict[str, str]) -> None:
    if failed:
        say(f"{counted(len(failed), noun)} {what}:", "bold red")
    for name, reason in list(failed.items())[:MOST_FAILED]:
        say(f"  {name}: {reason}", "red")
    if len(failed) > MOST_FAILED:
        say(f"  ... and {len(failed) - MOST_FAILED} more", "red")
