"""What `atypica evaluate --grand-challenge` writes and shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from atypica.apps.cli.evaluation_input import Scored
from atypica.evaluation.challenge import challenge_metrics, number_domains

Metrics = dict[str, Any]


@dataclass(frozen=True)
class Challenge:
    """The content of `grand_challenge_metrics.json`, and what its domains mean.

    Attributes:
        metrics: in the challenge's schema, which has no room for more.
        by: the column of the domains; None where all figures are counted together only.
        domains: the number of a domain to its value in that column.
        blank: figures without a domain, which count overall only.
    """

    metrics: Metrics
    by: str | None
    domains: dict[int, str]
    blank: int

    def to_json(self) -> dict[str, Any]:
        """What `metrics.json` says of it."""
        named = {f"domain_{number}": name for number, name in self.domains.items()}
        return {"by": self.by, "domains": named, "figures_without_domain": self.blank}


def challenge_of(scored: Scored, by: Sequence[str] | None) -> Challenge:
    """The challenge's metrics by the predictions' own calls, with the domains of the one column of `by`."""
    column = by[0] if by else None
    numbers, names = number_domains(scored.domains[column]) if column else ([None] * len(scored.y), {})
    metrics = challenge_metrics(scored.y, scored.p, scored.called, numbers)
    return Challenge(metrics, column, names, sum(number is None for number in numbers) if column else 0)


def show_challenge(found: Challenge) -> None:
    """The overall figures, and which number is which domain."""
    screen = Console(highlight=False)
    aggregates = found.metrics["aggregates"]
    screen.print("\nMIDOG 2025 challenge, track 2", style="bold", markup=False)
    _line(screen, "overall", {key.removeprefix("overall_"): aggregates[key] for key in aggregates if "overall" in key})
    for number, name in found.domains.items():
        _line(screen, f"domain_{number} = {name}", aggregates[f"domain_{number}"])
    if found.blank:
        _say(screen, f"{found.blank} figures have no {found.by}: they count overall only")
    if not found.by:
        _say(screen, "no domains: --by COLUMN gives them")


def _line(screen: Console, name: str, metrics: Metrics) -> None:
    words = ", ".join(
        f"{key.replace('_', ' ')} {'n/a' if value is None else f'{value:.3f}'}" for key, value in metrics.items()
    )
    _say(screen, f"{name}: {words}")


def _say(screen: Console, text: str) -> None:
    screen.print(f"  {text}", markup=False, soft_wrap=True)
