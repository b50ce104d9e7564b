"""What `atypica calibrate` shows on the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from atypica.apps.cli.screen import counted, say
from atypica.inference.recalibration import Recalibration

_METRICS = {
    "balanced_accuracy": "balanced accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "log_loss": "log loss",
    "brier": "Brier score",
    "ece": "calibration error (ECE)",
    "referred": "referred to a person",
    "balanced_accuracy_of_the_rest": "balanced accuracy of the rest",
}


def show_recalibration(found: Recalibration) -> None:
    """Settings and metrics before and after, how far the figures are from the training figures, the warnings."""
    report, screen = found.report, Console(highlight=False)
    cases = "no cases" if report["cases"] is None else counted(report["cases"], "case")
    say(f"{counted(report['figures'], 'labeled figure')} of {cases}: {report['amf']} AMF", "bold")
    for key, words in (("failed", "could not be read"), ("unlabeled", "without a label, left out")):
        if report[key]:
            say(f"  {counted(report[key], 'figure')} {words}", "yellow")
    for note in report["notes"]:
        say(f"  {note}", "yellow" if "assumed" in note else "")
    screen.print(_settings(report))
    screen.print()
    screen.print(_held_out(report["held_out"]))
    say("  [95 % interval by case]" if report["cases"] is not None else "  [95 % interval, figure-level]")
    say(_forms(report["calibrators"]))
    say(_distance(report["strangeness"]))
    for warning in found.warnings:
        say(f"warning: {warning}", "yellow")


def _settings(report: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    for head in ("setting", "model's own", "recalibrated"):
        table.add_column(head, justify="left" if head == "setting" else "right")
    sides = [report["settings"][side] for side in ("before", "after")]
    for name in ("temperature", "bias"):
        table.add_row(name, *(f"{side['calibration'][name]:.3f}" for side in sides))
    interval = report["threshold_interval"]
    before, after = (f"{side['thresholds']['default']:.3f}" for side in sides)
    table.add_row("threshold", before, f"{after} [{interval['low']:.3f}, {interval['high']:.3f}]")
    bands = (f"{side['thresholds']['refer_low']:.3f} to {side['thresholds']['refer_high']:.3f}" for side in sides)
    table.add_row("refer band", *bands)
    return table


def _held_out(measured: dict[str, dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("on these figures")
    for name in measured:
        table.add_column(name)
    for key, words in _METRICS.items():
        table.add_row(words, *(_cell(side[key]) for side in measured.values()))
    return table


def _cell(value: Any) -> str:
    if not isinstance(value, dict):
        return "n/a" if value is None else f"{value:.3f}"
    if value["value"] is None:
        return "n/a"
    ends = f" [{value['low']:.3f}, {value['high']:.3f}]" if "low" in value else ""
    return f"{value['value']:.3f}{ends}"


def _forms(scores: list[dict[str, Any]]) -> str:
    known = [f"{score['name']} {score['log_loss']:.3f}" for score in scores if score["log_loss"] is not None]
    return f"forms of calibration by cross-validated log loss: {', '.join(known)} (the bundle keeps Platt's)"


def _distance(far: dict[str, Any] | None) -> str:
    if far is None:
        return "how unlike the training figures: the model does not say"
    return (
        f"how unlike the training figures: the middle figure is beyond {far['median']:.0%} of them (expected 50%), "
        f"{far['beyond_limit']:.1%} of the figures are beyond the limit (expected {far['expected_beyond_limit']:.1%})"
    )
