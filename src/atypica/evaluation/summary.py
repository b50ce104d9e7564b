"""One evaluation, whole: overall, per domain, per case, and per subtype."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atypica.core.errors import EvaluationError
from atypica.evaluation.arrays import Floats, case_codes, checked_pair
from atypica.evaluation.binary import METRICS, Confusion, binary_estimates
from atypica.evaluation.bootstrap import REPLICATES, BootstrapSettings, Method
from atypica.evaluation.calibration import ReliabilityBin, reliability
from atypica.evaluation.curves import Curve, roc_and_pr
from atypica.evaluation.intervals import LEVEL, Estimate
from atypica.evaluation.subtypes import SubtypeEvaluation, evaluate_subtypes

FORMAT = {"name": "atypica-metrics", "version": 1}
BLANK = "(blank)"
"""The name of the group of figures for which a domain's column says nothing."""

Cases = Sequence[object] | NDArray[np.object_]


@dataclass(frozen=True)
class Group:
    """Some figures and how well they were typed.

    Attributes:
        name: the domain's value, or "all".
        cases: how many cases; None where cases are unknown.
        confusion: counts at the threshold, AMF positive.
        metrics: every key of `METRICS`, each an estimate; undefined ones carry the reason.
    """

    name: str
    cases: int | None
    confusion: Confusion
    metrics: dict[str, Estimate]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        counts = self.confusion.counts
        return {
            "name": self.name,
            "figures": self.confusion.figures,
            "amf": counts["AMF"],
            "nmf": counts["NMF"],
            "cases": self.cases,
            "confusion": asdict(self.confusion),
            "metrics": {name: estimate.to_json() for name, estimate in self.metrics.items()},
        }


@dataclass(frozen=True)
class CaseCounts:
    """One case: its counts, and its AMF rate as labeled and as called."""

    case: str
    confusion: Confusion

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        counts, figures = self.confusion.counts, self.confusion.figures
        rates = {"amf_rate": counts["AMF"] / figures, "called_amf_rate": counts["called AMF"] / figures}
        return {"case": self.case, "figures": figures, **asdict(self.confusion), **rates}


@dataclass(frozen=True)
class SubtypeInput:
    """What `evaluate` needs for the eight classes, in the order of the figures.

    Attributes:
        truth: the index in `Subtype`, shape (figures,); NaN where no subtype is known.
        probabilities: shape (figures, 8); a row of NaN where none was predicted.
        called: the index of the called subtype, shape (figures,), NaN where none; the most probable if None.
    """

    truth: Floats
    probabilities: Floats
    called: Floats | None = None


@dataclass(frozen=True)
class Evaluation:
    """Everything that `evaluate` found.

    Attributes:
        threshold: p at or above it was called AMF.
        overall: all figures.
        domains: column to its groups, by falling number of figures.
        cases: one entry a case, by name; empty where cases are unknown.
        roc, pr: curves with bands; None where a class is absent.
        reliability: bins of p.
        subtypes: the eight classes; None where they were not given.
        settings: how the intervals were made.
    """

    threshold: float
    overall: Group
    domains: dict[str, tuple[Group, ...]]
    cases: tuple[CaseCounts, ...]
    roc: Curve | None
    pr: Curve | None
    reliability: tuple[ReliabilityBin, ...]
    subtypes: SubtypeEvaluation | None
    settings: BootstrapSettings

    def to_json(self) -> dict[str, Any]:
        """The content of `metrics.json`: plain values, None for what is undefined."""
        return {
            "format": FORMAT,
            "positive": "AMF",
            "threshold": self.threshold,
            "bootstrap": asdict(self.settings),
            "overall": self.overall.to_json(),
            "domains": {column: [group.to_json() for group in groups] for column, groups in self.domains.items()},
            "cases": [case.to_json() for case in self.cases],
            "subtypes": self.subtypes.to_json() if self.subtypes else None,
            "reliability": [part.to_json() for part in self.reliability],
            "roc": self.roc.to_json() if self.roc else None,
            "pr": self.pr.to_json() if self.pr else None,
        }


def evaluate(
    y: ArrayLike,
    p: ArrayLike,
    threshold: float,
    *,
    cases: Cases | None = None,
    domains: Mapping[str, Sequence[object]] | None = None,
    subtypes: SubtypeInput | None = None,
    seed: int = 0,
    replicates: int = REPLICATES,
    level: float = LEVEL,
    method: Method = "percentile",
) -> Evaluation:
    """Evaluate probabilities of AMF against labels, with intervals that keep the figures of a case together.

    Args:
        y: labels, shape (figures,): 1 AMF, 0 NMF.
        p: p_amf, shape (figures,).
        threshold: p at or above it is called AMF.
        cases: the case of each figure. None: single figures are resampled, and every interval is marked.
        domains: column name to its value for each figure; every value becomes a group, blanks the group `BLANK`.
        subtypes: truth and prediction of the eight classes.
        seed: of the resamples; the same seed gives the same intervals, in whatever order the figures come.
        replicates: how many resamples; 0 leaves the intervals out.
        level: nominal coverage of the intervals.
        method: "percentile" (expanded, the default) or "bca".

    Raises:
        EvaluationError: no figures, NaN, labels other than 0 and 1, scores or threshold outside 0 to 1, columns of
            another length, a blank case.
    """
    labels, scores = checked_pair(y, p)
    _check(labels, threshold, domains or {})
    names = None if cases is None else np.array([str(case) for case in cases], dtype=object)
    if cases is not None:
        case_codes(cases, len(labels))
    if replicates < 0 or seed < 0 or not 0 < level < 1:
        raise EvaluationError(
            f"{replicates} resamples, seed {seed}, level {level:g} is not possible",
            "give numbers from 0, and a level between 0 and 1",
        )
    settings = BootstrapSettings(replicates, seed, level, method)
    work = _Work(labels, scores, threshold, names, settings)
    curves = roc_and_pr(labels, scores, names, settings)
    return Evaluation(
        threshold=threshold,
        overall=work.group("all", np.ones(len(labels), dtype=bool)),
        domains={column: work.groups(values) for column, values in (domains or {}).items()},
        cases=work.case_counts(),
        roc=curves[0] if curves else None,
        pr=curves[1] if curves else None,
        reliability=tuple(reliability(labels, scores)),
        subtypes=work.subtypes(subtypes) if subtypes else None,
        settings=settings,
    )


@dataclass(frozen=True)
class _Work:
    y: Floats
    p: Floats
    threshold: float
    cases: NDArray[np.object_] | None
    settings: BootstrapSettings

    def group(self, name: str, mask: NDArray[np.bool_]) -> Group:
        y, p = self.y[mask], self.p[mask]
        cases = None if self.cases is None else self.cases[mask]
        metrics = binary_estimates(y, p, self.threshold, cases, self.settings)
        count = None if cases is None else len(set(cases.tolist()))
        return Group(name, count, Confusion.of(y, p >= self.threshold), {key: metrics[key] for key in METRICS})

    def groups(self, values: Sequence[object]) -> tuple[Group, ...]:
        names = np.array([_group_name(value) for value in values], dtype=object)
        found = [self.group(name, names == name) for name in sorted(set(names.tolist()))]
        return tuple(sorted(found, key=lambda group: -group.confusion.figures))

    def case_counts(self) -> tuple[CaseCounts, ...]:
        if self.cases is None:
            return ()
        names, codes = case_codes(self.cases, len(self.y))
        called = self.p >= self.threshold
        masks = (codes == k for k in range(len(names)))
        counts = [Confusion.of(self.y[mask], called[mask]) for mask in masks]
        return tuple(CaseCounts(str(name), count) for name, count in zip(names, counts, strict=True))

    def subtypes(self, given: SubtypeInput) -> SubtypeEvaluation | None:
        known = ~np.isnan(given.truth) & ~np.isnan(given.probabilities).any(axis=1)
        if given.called is not None:
            known &= ~np.isnan(given.called)
        if not known.any():
            return None
        return evaluate_subtypes(
            given.truth[known],
            given.probabilities[known],
            None if given.called is None else given.called[known],
            cases=None if self.cases is None else self.cases[known],
            y=self.y[known],
            settings=self.settings,
        )


def _group_name(value: object) -> str:
    blank = value is None or (isinstance(value, float) and np.isnan(value)) or str(value).strip() == ""
    return BLANK if blank else str(value)


def _check(y: Floats, threshold: float, domains: Mapping[str, Sequence[object]]) -> None:
    if not len(y):
        raise EvaluationError("there are no figures to evaluate", "check that predictions and labels match")
    if not 0 <= threshold <= 1:
        raise EvaluationError(f"the threshold {threshold} is not between 0 and 1", "give a probability, such as 0.5")
    for column, values in domains.items():
        if len(values) != len(y):
            raise EvaluationError(
                f"{len(values)} values of '{column}' for {len(y)} figures", "give one for each figure"
            )
