"""One thing that an audit found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    """Labels or evaluations built on this are wrong."""
    WARNING = "warning"
    """Worth a look; may be meant so."""
    NOTE = "note"
    """Something that could not be checked, or that is good to know."""


class Kind(StrEnum):
    """What an audit looks for; the value is what reports and `--json` call it."""

    UNREADABLE = "unreadable"
    ODD_SIZE = "odd-size"
    BLANK = "blank"
    REPEATED_ROW = "repeated-row"
    IDENTICAL = "identical-crops"
    NEAR_IDENTICAL = "near-identical-crops"
    SAME_PLACE = "same-place"
    CONTRADICTION = "duplicates-contradict"
    TWO_CASES = "duplicates-in-two-cases"
    VOTES = "label-contradicts-votes"
    SUBTYPES = "subtype-contradicts-vote"
    CASE_IN_TWO_SPLITS = "case-in-two-splits"
    LEAK = "test-figure-in-training"
    UNCHECKED = "unchecked"

    @property
    def question(self) -> str:
        """What was checked, for a person."""
        return _QUESTIONS[self]


_QUESTIONS = {
    Kind.UNREADABLE: "images that cannot be read",
    Kind.ODD_SIZE: "images of another size than the rest",
    Kind.BLANK: "images with nothing on them",
    Kind.REPEATED_ROW: "one image in several rows",
    Kind.IDENTICAL: "crops with the same pixels",
    Kind.NEAR_IDENTICAL: "crops that are nearly the same",
    Kind.SAME_PLACE: "figures at the same place of a slide",
    Kind.CONTRADICTION: "duplicates with different labels",
    Kind.TWO_CASES: "duplicates in different cases",
    Kind.VOTES: "labels that contradict the votes",
    Kind.SUBTYPES: "subtypes that contradict the expert's vote",
    Kind.CASE_IN_TWO_SPLITS: "cases in two splits",
    Kind.LEAK: "test figures in training, or a figure in two folds",
    Kind.UNCHECKED: "what could not be checked",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        kind: what.
        severity: how much it matters.
        figures: the figures concerned, by `figure_id` ("source: figure_id" where several sources are audited).
        explanation: what is wrong with these figures.
        fix: what to do about it.
    """

    kind: Kind
    severity: Severity
    figures: tuple[str, ...]
    explanation: str
    fix: str

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "kind": self.kind.value, "severity": self.severity.value}


@dataclass(frozen=True)
class Audit:
    """The outcome of an audit.

    Attributes:
        sources: their names.
        figures: how many were looked at.
        checked: what was looked for.
        findings: errors first.
    """

    sources: tuple[str, ...]
    figures: int
    checked: tuple[Kind, ...]
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(finding.severity == Severity.ERROR for finding in self.findings)

    def of(self, kind: Kind) -> tuple[Finding, ...]:
        """The findings of one kind."""
        return tuple(finding for finding in self.findings if finding.kind == kind)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "sources": list(self.sources),
            "figures": self.figures,
            "errors": self.errors,
            "counts": {kind.value: len(self.of(kind)) for kind in self.checked},
            "findings": [finding.to_json() for finding in self.findings],
        }
