"""What a benchmark found, independent of who ran it and of how it is shown."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from atypica.evaluation.bootstrap import BootstrapSettings
from atypica.evaluation.calibration import ReliabilityBin
from atypica.evaluation.comparison import ModelComparison
from atypica.evaluation.fold_comparison import NO_INTERVAL, FoldComparison
from atypica.evaluation.intervals import Estimate
from atypica.evaluation.published import Published
from atypica.evaluation.referral import Referral
from atypica.evaluation.significance import FoldSummary
from atypica.evaluation.summary import Evaluation

FORMAT = {"name": "atypica-leaderboard", "version": 1}
FOLD_METRICS = ("balanced_accuracy", "auroc", "sensitivity", "specificity")
Kind = Literal["ensemble", "distilled", "left-out"]
KINDS: dict[str, str] = {
    "ensemble": "mean logit of the folds' networks",
    "distilled": "the one network that the folds were distilled into",
    "left-out": "each figure by the one network that has not seen its fold",
}


@dataclass(frozen=True)
class TestSet:
    """Figures to test on.

    Attributes:
        name: as the suite calls it.
        source: where the figures are from.
        figures, amf: after duplicates and figures without label or image are left out.
        cases: how many; None where cases are unknown.
        duplicates: figures with the same pixels as another one of the set.
        duplicates_kept: whether they were scored all the same.
        unusable: figures without a label, or that cannot be read.
        note: what the reader must know ("sample: 60 of 746").
        published_as: its name in published tables.
        error: why it could not be used at all; "" where it could.
    """

    __test__ = False

    name: str
    source: str
    figures: int = 0
    amf: int = 0
    cases: int | None = None
    duplicates: int = 0
    duplicates_kept: bool = False
    unusable: int = 0
    note: str = ""
    published_as: str = ""
    error: str = ""


@dataclass(frozen=True)
class Calibrated:
    """Probabilities after a calibration fitted on out-of-fold predictions, so without these figures."""

    temperature: float
    bias: float
    ece: Estimate
    reliability: tuple[ReliabilityBin, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        bins = [part.to_json() for part in self.reliability]
        return {"temperature": self.temperature, "bias": self.bias, "ece": self.ece.to_json(), "reliability": bins}


@dataclass(frozen=True)
class Scored:
    """One entry on one test set.

    Attributes:
        entry, seed, label: `label` is what tables show.
        kind: a key of `KINDS`.
        test: the set's name.
        leaked: test figures that the entry has trained on; `leaks` says what was done with them.
        shared_cases: cases of the test set that also train (other figures of the same patients).
        thresholds: name ("0.5", "own") to value.
        folds: threshold's name to metric (`FOLD_METRICS`) to how the folds' networks scatter; empty if distilled.
        evaluations: threshold's name to the whole evaluation.
        referrals: threshold's name to doubt (a key of `DOUBTS`) to what it is worth to refer by it.
        calibrated: None where nothing could be fitted without these figures, and `calibration_note` says why.
        subtype_folds: mean AUROC of the subtypes over the folds' networks; None where the target is AMF alone.
        collapses: folds of the training that collapsed, and why; their networks count like any others.
    """

    entry: str
    seed: int
    label: str
    kind: Kind
    test: str
    leaked: int
    leaks: str
    shared_cases: int
    thresholds: dict[str, float]
    folds: dict[str, dict[str, FoldSummary]]
    evaluations: dict[str, Evaluation]
    referrals: dict[str, dict[str, Referral]]
    calibrated: Calibrated | None
    calibration_note: str = ""
    subtype_folds: FoldSummary | None = None
    collapses: dict[int, str] = field(default_factory=dict[int, str])

    @property
    def first(self) -> Evaluation:
        """At the suite's first threshold."""
        return next(iter(self.evaluations.values()))

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        folds = {name: {m: one.to_json() for m, one in found.items()} for name, found in self.folds.items()}
        return {
            "entry": self.entry,
            "seed": self.seed,
            "label": self.label,
            "kind": self.kind,
            "test": self.test,
            "leaked": self.leaked,
            "leaks": self.leaks,
            "shared_cases": self.shared_cases,
            "thresholds": self.thresholds,
            "folds": {"about": NO_INTERVAL, "by_threshold": folds},
            "evaluations": {name: found.to_json() for name, found in self.evaluations.items()},
            "referrals": {
                name: {doubt: one.to_json() for doubt, one in found.items()} for name, found in self.referrals.items()
            },
            "calibrated": self.calibrated.to_json() if self.calibrated else None,
            "calibration_note": self.calibration_note,
            "subtype_auroc_mean_of_folds": self.subtype_folds.to_json() if self.subtype_folds else None,
            "collapses": {str(fold): why for fold, why in self.collapses.items()},
        }


@dataclass(frozen=True)
class Failure:
    """A run that ended in an error; the rest went on."""

    entry: str
    seed: int
    label: str
    error: str


@dataclass(frozen=True)
class Leaderboard:
    """Everything that a benchmark found.

    Attributes:
        suite: the resolved suite, as plain values.
        tests: in the order of the suite.
        scored: by test set, then in the order of the entries.
        failures: entries that could not be run.
        comparisons: test set to all pairs of models on the figures that all of them scored.
        folds: metric to the comparison of the entries' fold results.
        published: tables to stand beside ours.
        settings: how the intervals were made.
        commands: what was typed.
        versions: of the packages that the numbers depend on.
        notes: what was understood and assumed.
    """

    suite: dict[str, Any]
    tests: tuple[TestSet, ...]
    scored: tuple[Scored, ...]
    failures: tuple[Failure, ...]
    comparisons: dict[str, ModelComparison]
    folds: dict[str, FoldComparison]
    published: tuple[Published, ...]
    settings: BootstrapSettings
    commands: tuple[str, ...] = ()
    versions: dict[str, str] | None = None
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every entry ran and every test set could be used."""
        return not self.failures and not any(test.error for test in self.tests)

    @property
    def collapses(self) -> tuple[str, ...]:
        """Every fold that collapsed, and why, in a line each."""
        lines = [f"{one.label}, fold {fold}: {why}" for one in self.scored for fold, why in one.collapses.items()]
        return tuple(dict.fromkeys(lines))

    def on(self, test: str) -> tuple[Scored, ...]:
        """What was scored on one test set."""
        return tuple(one for one in self.scored if one.test == test)

    def to_json(self) -> dict[str, Any]:
        """The content of `leaderboard.json`: plain values, None for what is undefined."""
        return {
            "format": FORMAT,
            "positive": "AMF",
            "suite": self.suite,
            "bootstrap": asdict(self.settings),
            "tests": [asdict(test) for test in self.tests],
            "scored": [one.to_json() for one in self.scored],
            "failures": [asdict(failure) for failure in self.failures],
            "comparisons": {test: found.to_json() for test, found in self.comparisons.items()},
            "fold_comparisons": {metric: found.to_json() for metric, found in self.folds.items()},
            "published": [table.model_dump(mode="json") for table in self.published],
            "commands": list(self.commands),
            "versions": self.versions or {},
            "notes": list(self.notes),
        }
